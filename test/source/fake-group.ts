/** A group in this thread for tests of the job: blocks are run by the real row runner, and answered in a random order. */
import { createPrng, PercoreError } from '../../src/base/index.js'
import { type Block, packResult } from '../../src/source/block.js'
import { type BlockGroup } from '../../src/source/index.js'
import { runRows, type RowsOptions } from '../../src/source/rows.js'

export interface FakeGroup extends BlockGroup {
  /** Blocks allocated and not freed. */
  readonly live: number
  /** The most blocks on their way at once. */
  readonly inFlightMax: number
  readonly blocksRun: number
  /** Answers no more. */
  freeze(): void
}

export interface FakeOptions extends RowsOptions<undefined> {
  readonly seed?: number
  /** The block with this text dies with its worker. */
  readonly diesAt?: string
  /** Throws ERR_PERCORE_OUT_OF_MEMORY while more blocks are live. */
  readonly blocksMax?: number
}

export function createFakeGroup(options: FakeOptions): FakeGroup {
  const prng = createPrng(options.seed ?? 1)
  let live = 0
  let inFlight = 0
  let inFlightMax = 0
  let blocksRun = 0
  let gate: Promise<void> | undefined

  const alloc = (bytes: number): Block => {
    if (live >= (options.blocksMax ?? Infinity)) throw new PercoreError('ERR_PERCORE_OUT_OF_MEMORY', 'the shared heap has no room left')
    live += 1
    let owned = true
    return {
      bytes: new Uint8Array(new SharedArrayBuffer(bytes)),
      byteLength: bytes,
      free() {
        if (!owned) throw new PercoreError('ERR_PERCORE_BAD_POINTER', 'freed twice')
        owned = false
        live -= 1
      },
    }
  }

  return {
    get live() { return live },
    get inFlightMax() { return inFlightMax },
    get blocksRun() { return blocksRun },
    freeze() { gate = new Promise(() => undefined) },
    alloc,
    async run(_, input) {
      inFlight += 1
      blocksRun += 1
      inFlightMax = Math.max(inFlightMax, inFlight)
      const turns = prng.below(6)
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => { setImmediate(resolve) })
      await gate
      inFlight -= 1
      if (options.diesAt !== undefined && Buffer.from(input.bytes).includes(options.diesAt)) {
        input.free()
        throw new PercoreError('ERR_PERCORE_WORKER_DIED', 'worker 0 ended while it was running this task')
      }
      const outcome = await runRows(input.bytes, options, undefined)
      input.free()
      return packResult(alloc, outcome)
    },
  }
}
