/** Handlers for the group's tests: well-behaved ones, and every way of misbehaving. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type MessagePort, threadId } from 'node:worker_threads'
import { defineHandlers, SharedBlock } from '../../src/index.js'

class Unprocessable extends TypeError {
  code = 'E_ROW'
}

const handlers = defineHandlers({
  echo: (value: unknown) => value,
  byteSum: (value: { readonly bytes: ArrayBuffer } | Uint8Array) => new Uint8Array(value instanceof Uint8Array ? value : value.bytes).reduce((sum, byte) => sum + byte, 0),
  /** Says something to whoever has the other end. */
  say(port: MessagePort) {
    port.postMessage('here')
    port.close()
  },
  *bytesOf(bytes: ArrayBuffer) {
    yield* new Uint8Array(bytes)
  },
  double: (n: number) => n * 2,
  nothing: () => undefined,
  thread: () => threadId,
  where: (_: undefined, ctx) => ({ worker: ctx.worker, data: ctx.workerData }),
  /** Appends to the log in `workerData`: its first word is the length. */
  note(n: number, ctx) {
    const log = ctx.workerData as Int32Array
    log[1 + Atomics.add(log, 0, 1)] = n
  },
  /** Logs that a task begins and ends, and takes its time. */
  step({ id, ms }: { readonly id: number, readonly ms: number }, ctx) {
    const log = ctx.workerData as Int32Array
    const note = (what: number): void => {
      log[1 + Atomics.add(log, 0, 1)] = what
    }
    note(2 * id)
    const end = performance.now() + ms
    while (performance.now() < end);
    note(2 * id + 1)
    return id
  },
  /** Logs that it has started, and keeps its thread. */
  hold(_: undefined, ctx): never {
    const log = ctx.workerData as Int32Array
    log[0]++
    for (;;);
  },
  /** Keeps its thread until it is called off; logs the name of the reason's length. */
  heedInLoop(_: undefined, ctx) {
    const log = ctx.workerData as Int32Array
    log[0]++
    while (!ctx.signal.aborted);
    log[1] = (ctx.signal.reason as Error).name.length
  },
  /** The same, asleep; then it tidies up until the log says that it may end. */
  async heedAsleep(_: undefined, ctx) {
    const log = ctx.workerData as Int32Array
    log[0]++
    await sleep(1e9, undefined, { signal: ctx.signal }).catch(() => {})
    log[1] = (ctx.signal.reason as Error).name.length
    while (log[2] === 0) await sleep(1)
    log[3] = 1
  },
  never: () => new Promise(() => {}),
  /** Fails as often as the log says. */
  flaky(n: number, ctx) {
    const log = ctx.workerData as Int32Array
    log[1]++
    if (log[0]-- > 0) throw new Error('not yet')
    return n
  },
  exitUnless(n: number, ctx) {
    const log = ctx.workerData as Int32Array
    if (Atomics.add(log, 0, 1) === 0) process.exit(n)
    return n
  },
  fail(message: string): never {
    throw new Unprocessable(message, { cause: new RangeError('why') })
  },
  throwValue(value: unknown): never {
    throw value
  },
  async later(task: { ms: number; value: unknown }) {
    await sleep(task.ms)
    return task.value
  },
  async reject(message: string): Promise<never> {
    await sleep(1)
    throw new Error(message)
  },
  spin(ms: number) {
    const end = performance.now() + ms
    while (performance.now() < end);
    return ms
  },
  exit(code: number): never {
    process.exit(code)
  },
  uncaught() {
    setImmediate(() => {
      throw new Error('thrown from a callback')
    })
    return new Promise(() => {})
  },
  exhaust() {
    const hoard: unknown[] = []
    for (;;) hoard.push(Array.from({ length: 10_000 }, (_, i) => ({ i })))
  },
  uncloneable: () => () => {},
  /** Leaves a chain of microtasks, a tick and an unhandled rejection behind, without waiting for them; counts them in `workerData`. */
  leaveBehind(_: undefined, ctx) {
    const log = ctx.workerData as Int32Array
    void Promise.resolve().then(() => {}).then(() => {}).then(() => log[0]++)
    process.nextTick(() => log[1]++)
    process.removeAllListeners('unhandledRejection').once('unhandledRejection', () => log[2]++)
    void Promise.reject(new Error('left behind'))
  },
  ticks(ms: number) {
    let count = 0
    const timer = setInterval(() => count++, 1)
    return sleep(ms).then(() => {
      clearInterval(timer)
      return count
    })
  },
  print: (text: string) => console.log(text),
  reverse(block: SharedBlock, ctx) {
    const result = ctx.alloc(block.byteLength)
    result.bytes.set(block.bytes)
    result.bytes.reverse()
    block.free()
    return result
  },
  sum: (bytes: Uint8Array) => bytes.reduce((total, byte) => total + byte, 0),
})

export type TestHandlers = typeof handlers
export default handlers
