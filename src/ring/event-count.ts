/**
 * An event count: one word behind which any number of threads sleep, blocked or in their event loops, until others ring. Where a doorbell
 * (`doorbell.ts`) has one sleeper who announces himself by a store, this one has several; any thread may call any of it.
 *
 * Invariant: whoever sleeps announced it first, looked for work after that, and waits for the very value he announced with.
 *
 * ```
 *  word:  | epoch … | inLoop | blocked |          0 in both flags: nobody sleeps, and a ring costs one load
 *
 *  sleeper                                       ringer
 *    S1: set his flag                              R1: publish work
 *    S2: look for work once more                   R2: load the word; no flag → nobody to wake
 *    S3: sleep on the value of S1                  R3: compare-exchange it to the next epoch, inLoop off
 *                                                  R4: post if inLoop was on; notify as many as there is work for
 *                                                  R5: fewer slept? next epoch, blocked off, notify all
 * ```
 *
 * If S2 did not see the work, S2 precedes R1, so S1 precedes R2: the ringer sees the flag and moves the epoch, which ends every sleep
 * that has not begun. Who comes after R4 under the old flag is woken by the notify-all of R5, or finds another word. R5 needs an epoch of
 * its own: without, the next sleeper's S1 would bring the very word back, and one who had announced before R5, and looked before a later
 * piece of work came that nobody rang for, would sleep on it. (Found by the model, with three sleepers.) No thread has an entry of its
 * own, so one that dies asleep leaves at most a flag, and the next ring clears it. A ringer that dies between R3 and R4 owes a wake-up:
 * `alarm` pays it; so does every sleeper who looks again after a while.
 *
 * After Vyukov's and folly's event counts; `proof/event-count.pml` has the mistakes that it is usually shipped with.
 */
import { shared } from '../base/index.js'

export const sleeping = { blocked: 1, inLoop: 2 } as const
const { blocked, inLoop } = sleeping
const flags = 3
const epoch = 4

export class EventCount {
  readonly i32: Int32Array
  readonly at: number
  readonly #sendMessage: () => void

  /** `sendMessage` must reach every thread that may sleep here in its event loop. */
  constructor(i32: Int32Array, at: number, sendMessage: () => void) {
    this.i32 = i32
    this.at = at
    this.#sendMessage = sendMessage
  }

  /** Blocks this thread until it is woken or `timeoutMs` has passed; returns at once if there is work. It may return for nothing. */
  block(hasWork: () => boolean, timeoutMs: number = Number.POSITIVE_INFINITY): void {
    const value = this.#announce(blocked) // S1
    if (!hasWork()) shared.wait(this.i32, this.at, value, timeoutMs) // S2, S3
  }

  /** Announces that this thread goes to its event loop; false when there is work, and then it need not go. */
  parkInLoop(hasWork: () => boolean): boolean {
    this.#announce(inLoop) // S1
    return !hasWork() // S2, S3
  }

  /** Wakes who sleeps, as many of the blocked as there are things to do. To be called after publishing. One load when nobody sleeps. */
  ring(count: number): void {
    if ((shared.load(this.i32, this.at) & flags) !== 0) this.#wake(count) // R2
  }

  /** Wakes all who sleep, whatever the word says: for whoever found a ringer dead. */
  alarm(): void {
    this.#advance(flags)
    shared.notify(this.i32, this.at)
    this.#sendMessage()
  }

  #announce(flag: number): number {
    for (;;) {
      const word = shared.load(this.i32, this.at)
      if ((word & flag) !== 0 || shared.compareExchange(this.i32, this.at, word, word | flag) === word) return word | flag
    }
  }

  #wake(count: number): void {
    const before = this.#advance(inLoop) // R3
    if ((before & inLoop) !== 0) this.#sendMessage() // R4
    if ((before & blocked) === 0 || shared.notify(this.i32, this.at, count) >= count) return
    const now = (before + epoch) & ~inLoop
    if (shared.compareExchange(this.i32, this.at, now, (now + epoch) & ~blocked) === now) shared.notify(this.i32, this.at) // R5
  }

  /** Moves the epoch on and takes these flags off; returns the word before. */
  #advance(off: number): number {
    for (;;) {
      const word = shared.load(this.i32, this.at)
      if (shared.compareExchange(this.i32, this.at, word, (word + epoch) & ~off) === word) return word
    }
  }
}
