/**
 * The little an executor wants of its host: a clock, and a way back to the event loop. Works in Node, browsers, Bun and Deno; nothing here is
 * needed to `turn` an executor by hand. Any thread.
 */

interface Host {
  readonly performance: { now(): number }
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
  readonly setImmediate?: (callback: () => void) => unknown
  readonly MessageChannel?: new () => Channel
}
interface Port {
  onmessage: (() => void) | null
  postMessage(value: unknown): void
  close(): void
}
interface Channel { readonly port1: Port; readonly port2: Port }

const host = globalThis as unknown as Host

/** Milliseconds from some start, with fractions. */
export const now: () => number = () => host.performance.now()

/** Calls back once the event loop has had a turn: I/O, timers, promises. */
export function afterTurn(callback: () => void): void {
  if (host.setImmediate !== undefined) {
    host.setImmediate(callback)
    return
  }
  if (host.MessageChannel === undefined) {
    host.setTimeout(callback, 0)
    return
  }
  const { port1, port2 } = new host.MessageChannel()
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- it also starts the port
  port1.onmessage = () => {
    port1.close()
    callback()
  }
  port2.postMessage(0)
}

/** The longest delay that setTimeout takes. */
const delayMsMax = 2 ** 31 - 1

/** Calls back after that many milliseconds, or sooner if they are too many. Returns what undoes it. */
export function afterMs(ms: number, callback: () => void): () => void {
  const timer = host.setTimeout(callback, Math.min(Math.max(ms, 0), delayMsMax))
  return () => host.clearTimeout(timer)
}

/** The default end of an error that nobody asked for: it is thrown where the host reports what nobody caught. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => { throw error })
}
