/**
 * Writes finished blocks in the order they are given, without copying them, and frees each when its bytes have been taken.
 * Blocks that gather while a write is under way go out together in the next one. Main thread.
 */
import type { Block } from './block.js'
import type { Output } from './output.js'

export interface ResultWriter {
  /** Blocks given and not yet written, and their bytes: what the producer must keep bounded. */
  readonly waiting: number
  readonly waitingBytes: number
  /** Takes ownership of `block`; `view` is the part of it to write, `lines` how many lines that is. */
  push(block: Block, view: Uint8Array, lines: number): void
  /** Resolves when everything given has been written, or dropped because a write failed. */
  drained(): Promise<void>
}

interface Waiting {
  readonly block: Block
  readonly view: Uint8Array
  readonly lines: number
}

/** `onWritten` is called after every write, with zeros when it failed; `onError` once, after which everything is dropped. */
export function createResultWriter(
  output: Pick<Output, 'write'>,
  onWritten: (lines: number, bytes: number) => void,
  onError: (error: unknown) => void,
): ResultWriter {
  let queue: Waiting[] = []
  let waiting = 0
  let waitingBytes = 0
  let failed = false
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue
      queue = []
      if (!failed) {
        await output.write(batch.map(({ view }) => view)).catch((error: unknown) => {
          failed = true
          onError(error)
        })
      }
      let linesDone = 0
      let bytesDone = 0
      for (const { block, view, lines } of batch) {
        linesDone += lines
        bytesDone += view.byteLength
        block.free()
      }
      waiting -= batch.length
      waitingBytes -= bytesDone
      onWritten(failed ? 0 : linesDone, failed ? 0 : bytesDone)
    }
    running = undefined
  }

  return {
    get waiting() { return waiting },
    get waitingBytes() { return waitingBytes },
    push(block, view, lines) {
      waiting += 1
      waitingBytes += view.byteLength
      queue.push({ block, view, lines })
      running ??= run()
    },
    async drained() {
      await running
    },
  }
}
