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
  /** Takes ownership of `block`; `view` is the part of it to write. */
  push(block: Block, view: Uint8Array): void
  /** Resolves when everything given has been written, or dropped because a write failed. */
  drained(): Promise<void>
}

/** `onProgress` is called after every write; `onError` once, after which everything is dropped. */
export function createResultWriter(output: Pick<Output, 'write'>, onProgress: () => void, onError: (error: unknown) => void): ResultWriter {
  let queue: { block: Block, view: Uint8Array }[] = []
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
      for (const { block, view } of batch) {
        waiting -= 1
        waitingBytes -= view.byteLength
        block.free()
      }
      onProgress()
    }
    running = undefined
  }

  return {
    get waiting() { return waiting },
    get waitingBytes() { return waitingBytes },
    push(block, view) {
      waiting += 1
      waitingBytes += view.byteLength
      queue.push({ block, view })
      running ??= run()
    },
    async drained() {
      await running
    },
  }
}
