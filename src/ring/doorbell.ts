/**
 * The doorbell of one consumer thread: how it goes to sleep when nothing is left, and how any producer wakes it, with no
 * wake-up ever lost. The consumer alone calls `block`, `parkInLoop` and `unpark`; any producer calls `ring`, and
 * whoever recovers a dead producer calls `alarm`.
 *
 * Invariant: whenever the consumer sleeps, the mode word names the way it sleeps, and it looked for work after writing it.
 *
 * ```
 *  mode word:  running 0 ──S1──▶ blocked 1 | inLoop 2 | napping 3 ──R3 (exactly one producer), or the consumer itself──▶ running 0
 *
 *  consumer                                   producer
 *    S1: store mode = how it will sleep          R1: publish work (the lane's P1)
 *    S2: look for work once more                 R2: load mode
 *    S3: sleep on that mode                      R3: mode ≠ 0 → compare-exchange it to 0; the winner wakes
 * ```
 *
 * All four are sequentially consistent. If S2 did not see the work, S2 precedes R1, so S1 precedes R2: the producer sees the
 * mode and wakes. If a stale producer wins R3 in a later sleep, that sleep ends early: a spurious wake-up, never a lost one.
 * Each of these is wrong, and `proof/` has the counterexample: looking before S1, not looking again, a plain store in S1,
 * a wake-up that only clears a flag.
 *
 * `blocked` sleeps in `Atomics.wait` on the mode word; `inLoop` returns to the thread's event loop and is woken by a message on
 * a port, which is kept until it is received. (`Atomics.waitAsync` is neither kept nor does it keep a worker alive.) `napping` is
 * a short `blocked` with a time-out: the sleeper will look by itself soon, so a producer that has more to come need not wake it.
 */
import { shared } from '../base/index.js'

export const doorbellMode = { running: 0, blocked: 1, inLoop: 2, napping: 3 } as const
const { running, blocked, inLoop, napping } = doorbellMode

/** Words of a doorbell: a cache line of its own, since every producer reads it once per batch. */
export const doorbellWords = 16

/**
 * The sleeping side, for the one thread that consumes. Use it when there is nothing to do: `block` for a thread that waits for nothing
 * else, `nap` when work is due soon, `parkInLoop` for one that also has timers, sockets or promises.
 *
 * @example
 * ```ts
 * import { isMainThread, Worker, workerData } from 'node:worker_threads'
 * import { doorbellWords, ring, Sleeper } from 'percore/ring'
 *
 * const words: Int32Array = isMainThread ? new Int32Array(new SharedArrayBuffer(4 * doorbellWords + 4)) : workerData
 * const work = (): number => Atomics.load(words, doorbellWords)
 * if (isMainThread) {
 *   new Worker(new URL(import.meta.url), { workerData: words })
 *   Atomics.store(words, doorbellWords, 42)
 *   ring(words, 0, () => undefined)
 * } else {
 *   const sleeper = new Sleeper(words, 0, () => work() !== 0)
 *   while (work() === 0) sleeper.block()
 *   console.log(work()) // 42
 * }
 * ```
 */
export class Sleeper {
  readonly #i32: Int32Array
  readonly #at: number
  readonly #hasWork: () => boolean

  /** `hasWork` looks for work with an atomic load of everything a producer may have published. */
  constructor(i32: Int32Array, at: number, hasWork: () => boolean) {
    this.#i32 = i32
    this.#at = at
    this.#hasWork = hasWork
  }

  /** Blocks this thread until a producer rings or `timeoutMs` has passed; returns at once if there is work. */
  block(timeoutMs: number = Number.POSITIVE_INFINITY): void {
    shared.store(this.#i32, this.#at, blocked) // S1
    if (!this.#hasWork()) shared.wait(this.#i32, this.#at, blocked, timeoutMs) // S2, S3
    this.unpark()
  }

  /** Blocks this thread for at most `timeoutMs`; only urgent rings end it sooner. Returns at once if there is work. */
  nap(timeoutMs: number): void {
    shared.store(this.#i32, this.#at, napping) // S1
    if (!this.#hasWork()) shared.wait(this.#i32, this.#at, napping, timeoutMs) // S2, S3
    this.unpark()
  }

  /** Announces that this thread goes to its event loop; false when there is work, and then it must not go. */
  parkInLoop(): boolean {
    shared.store(this.#i32, this.#at, inLoop) // S1
    if (!this.#hasWork()) return true // S2, S3
    this.unpark()
    return false
  }

  /** This thread is up, whoever woke it. A message already sent arrives later and is a spurious wake-up. */
  unpark(): void {
    shared.store(this.#i32, this.#at, running)
  }
}

/**
 * Wakes the thread behind a doorbell if it sleeps. To be called after publishing. Costs one atomic load when it is awake.
 * `sendMessage` must post a message to the thread's port. Pass `urgent` false to leave a napping thread to its time-out.
 */
export function ring(i32: Int32Array, at: number, sendMessage: () => void, urgent = true): void {
  const mode = shared.load(i32, at) // R2
  if (mode === running || (mode === napping && !urgent)) return
  if (shared.compareExchange(i32, at, mode, running) !== mode) return // R3
  if (mode === inLoop) sendMessage()
  else shared.notify(i32, at, 1)
}

/**
 * Wakes the thread behind a doorbell whatever its mode word says. For whoever recovers the lanes that a dead thread produced:
 * it may have died before R2, or between R3 and the wake-up, and then the word says running while the thread sleeps for ever.
 * A thread that is awake sees a spurious wake-up. Any thread.
 *
 * @example
 * ```ts
 * import { MessageChannel } from 'node:worker_threads'
 * import { alarm, doorbellMode, doorbellWords, Sleeper } from 'percore/ring'
 *
 * const { port1, port2 } = new MessageChannel()
 * const words = new Int32Array(new SharedArrayBuffer(4 * doorbellWords))
 * const sleeper = new Sleeper(words, 0, () => false)
 * port2.once('message', () => console.log(words[0] === doorbellMode.running)) // true
 * if (sleeper.parkInLoop()) alarm(words, 0, () => port1.postMessage(0))
 * ```
 */
export function alarm(i32: Int32Array, at: number, sendMessage: () => void): void {
  shared.store(i32, at, running)
  shared.notify(i32, at)
  sendMessage()
}
