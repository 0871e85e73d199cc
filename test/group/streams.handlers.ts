/** Handlers that give more than one thing: for the tests of streams and coroutines. */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { Coroutine } from '../../src/exec/index.js'
import { type Context, defineHandlers, type SharedBlock } from '../../src/index.js'

/** What the workers show of themselves, shared with the test: items made, streams ended by `finally`. */
export const seen = { made: 0, ended: 1 } as const

const words = (ctx: Context): Int32Array => ctx.workerData as Int32Array

const handlers = defineHandlers({
  *upTo(limit: number, ctx): Generator<number, string, undefined> {
    try {
      for (let n = 1; n <= limit; n++) {
        Atomics.add(words(ctx), seen.made, 1)
        yield n
      }
      return 'all'
    } finally {
      Atomics.add(words(ctx), seen.ended, 1)
    }
  },
  async *later(limit: number, ctx): AsyncGenerator<number, string, undefined> {
    try {
      for (let n = 1; n <= limit; n++) {
        if (n % 7 === 0) await turn()
        if (n % 50 === 0) await sleep(1)
        Atomics.add(words(ctx), seen.made, 1)
        yield n
      }
      return 'all'
    } finally {
      await sleep(1)
      Atomics.add(words(ctx), seen.ended, 1)
    }
  },
  /** A coroutine: what a promise gives, its `yield` gives. */
  *awaiting(limit: number): Generator<Promise<number> | number, number, number> {
    let sum = 0
    for (let n = 1; n <= limit; n++) sum += yield n % 2 === 0 ? Promise.resolve(n) : sleep(1, n)
    try {
      yield Promise.reject(new RangeError('in between'))
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
    }
    return sum
  },
  /** Waits on the worker's executor. */
  *naps(count: number, ctx): Coroutine<number> {
    for (let n = 0; n < count; n++) yield* ctx.exec.sleep(1)
    return count
  },
  spawned: (value: number, ctx) => new Promise<number>((resolve) => { ctx.exec.after(2, () => resolve(value + 1)) }),
  /** Leaves a coroutine behind that always has something to do, and one that waits for timers. */
  leaveRunning(counts: Int32Array, ctx) {
    ctx.exec.spawn(function* (): Coroutine<void> {
      for (;; counts[0]++) yield
    })
    ctx.exec.spawn(function* (): Coroutine<void> {
      for (;; counts[1]++) yield* ctx.exec.sleep(1)
    })
  },
  twice: (value: number) => sleep(1, 2 * value),
  list: () => [1, 2, 3],
  map: async () => new Map([['a', 1]]),
  readable: () => new ReadableStream<number>({
    start(controller) {
      for (const n of [1, 2, 3]) controller.enqueue(n)
      controller.close()
    },
  }),
  notIterable: () => 42,
  *failing(after: number): Generator<number> {
    for (let n = 1; n <= after; n++) yield n
    throw new RangeError('no more')
  },
  async *failingLater(after: number): AsyncGenerator<number> {
    for (let n = 1; n <= after; n++) yield n
    throw new RangeError('no more')
  },
  *uncloneable(after: number, ctx): Generator<unknown> {
    try {
      for (let n = 1; n <= after; n++) yield n
      yield () => {}
      yield 'never read'
    } finally {
      Atomics.add(words(ctx), seen.ended, 1)
    }
  },
  *uncloneableEnd(): Generator<number, unknown> {
    yield 1
    return () => {}
  },
  *mixed(count: number, ctx): Generator<SharedBlock | Uint8Array | number> {
    for (let n = 0; n < count; n++) {
      if (n % 3 === 0) {
        const block = ctx.alloc(1000)
        block.bytes.fill(n)
        yield block
      } else yield n % 3 === 1 ? new Uint8Array(100).fill(n) : n
    }
  },
  *dying(after: number): Generator<number> {
    for (let n = 1; n <= after; n++) yield n
    process.exit(1)
  },
  double: (n: number) => n * 2,
  sleeping: (ms: number) => sleep(ms),
  *endless(): Generator<undefined> {
    for (;;) yield undefined
  },
})

export default handlers
