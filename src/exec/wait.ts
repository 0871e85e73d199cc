/**
 * Waiting for one thing once. Everything a task can wait for makes a {@link Wait}: `yield*` it in a coroutine, `await` it anywhere else. One
 * thread.
 *
 * Invariant: a wait is linked in at most one list of its source, exactly while its phase is `waiting`; it leaves that list by being
 * fired, failed or cancelled, once.
 *
 * A wait is its own iterator and its own iterator result, so `yield*` costs this one object and nothing per turn:
 *
 * ```
 *  fresh ──begin──▶ waiting ──fire / fail──▶ fired | failed      next() gives itself: done = false while waiting
 *    │                 └──────cancel───────▶ failed              once fired: done = true and value, or it throws
 *    └──begin finds it there already──▶ fired
 * ```
 */
import { PercoreError } from '../base/index.js'

/** What a suspended coroutine yields. Only waits make it. */
export const parked: Parked = { parked: true }
export interface Parked { readonly parked: true }

/** What is waited for. Internal: each primitive implements it. */
export interface Source {
  /** Fires the wait if it can at once, else keeps it. */
  begin(wait: Wait<unknown>): void
  /** Forgets a wait that it keeps. */
  leave(wait: Wait<unknown>): void
  /** A wait it has fired will not be used: takes back what was given, if it can be. */
  undo(wait: Wait<unknown>): void
}

/** Who runs tasks, as waits see it. */
export interface TaskHost {
  wake(slot: number, generation: number): void
  generationOf(slot: number): number
}

/** The executor that has its turn on this thread, and the slot of the coroutine that runs, or -1. */
export const running: { host: TaskHost | undefined; slot: number } = { host: undefined, slot: -1 }

/** Something that can be waited for, as often as one likes: `yield*` it in a coroutine, `await` it anywhere else. */
export abstract class Waitable<T> implements PromiseLike<T> {
  /** A new wait for it. It begins when it is used. */
  abstract wait(): Wait<T>

  [Symbol.iterator](): Iterator<Parked, T, void> {
    return this.wait() as unknown as Iterator<Parked, T, void>
  }

  // oxlint-disable-next-line unicorn/no-thenable
  then<A = T, B = never>(ok?: ((value: T) => A | PromiseLike<A>) | null, bad?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<A | B> {
    return this.wait().then(ok, bad)
  }
}

export const phase = { fresh: 0, waiting: 1, fired: 2, failed: 3 } as const
const { fresh, waiting, fired, failed } = phase

/**
 * One wait. It begins when it is first used, and gives its value to whoever asks again later. Only the thread that made it may use
 * it, and one task or promise at a time.
 *
 * @example
 * ```ts
 * import { Exec } from 'percore/exec'
 *
 * const exec = new Exec()
 * exec.spawn(function* () {
 *   yield* exec.sleep(5) // in a coroutine
 * })
 * await exec.run(async () => {
 *   await exec.sleep(5) // in an async function
 * })
 * ```
 */
export class Wait<T> extends Waitable<T> {
  /** With `value` what an iterator result must have. */
  done = false
  value: unknown = undefined
  phase: number = fresh
  /** What it was fired or failed with. */
  result: unknown = undefined
  declare readonly source: Source
  /** What the source keeps with the wait: an item to send, a number of permits, a timer. */
  item: unknown
  before: Wait<unknown> | undefined = undefined
  after: Wait<unknown> | undefined = undefined
  /** Who is told: a task, or a listener. */
  #host: TaskHost | undefined = undefined
  #slot = -1
  #generation = 0
  #listener: ((wait: Wait<unknown>) => void) | undefined = undefined
  #promise: Promise<unknown> | undefined = undefined

  constructor(source: Source, item: unknown) {
    super()
    this.source = source
    this.item = item
  }

  wait(): Wait<T> {
    return this
  }

  override [Symbol.iterator](): Iterator<Parked, T, void> {
    return this as unknown as Iterator<Parked, T, void>
  }

  /** For `yield*`; the coroutine that runs becomes the one to wake. */
  next(): this {
    if (this.phase === fresh) this.#begin()
    switch (this.phase) {
      case fired:
        this.done = true
        this.value = this.result
        break
      case failed:
        throw this.result
      default:
        this.#park()
    }
    return this
  }

  /** For `yield*`, when the coroutine is cancelled while it waits here. */
  throw(reason: unknown): never {
    this.#host = undefined
    this.abandon(reason)
    throw reason
  }

  /** For `await`. */
  // oxlint-disable-next-line unicorn/no-thenable
  override then<A = T, B = never>(ok?: ((value: T) => A | PromiseLike<A>) | null, bad?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<A | B> {
    this.#promise ??= new Promise<unknown>((resolve, reject) => this.listen((wait) => {
      if (wait.phase === fired) resolve(wait.result)
      else reject(wait.result)
    }))
    return (this.#promise as Promise<T>).then(ok, bad)
  }

  /** Begins, and tells `listener` once when it is over; at once if it is over already. */
  listen(listener: (wait: Wait<unknown>) => void): void {
    this.#listener = listener
    if (this.phase === fresh) this.#begin()
    else if (this.phase !== waiting) this.#tell()
  }

  /** Waits no longer: fails with `reason`. Nothing happens if it is over. */
  cancel(reason: unknown = new PercoreError('ERR_PERCORE_CANCELLED', 'the wait was cancelled')): void {
    const { phase } = this
    if (phase !== waiting && phase !== fresh) return
    this.phase = failed
    this.result = reason
    if (phase === waiting) this.source.leave(this as Wait<unknown>)
    this.#tell()
  }

  /** Its value will not be used, even if it is there already. */
  abandon(reason?: unknown): void {
    if (this.phase !== fired) return this.cancel(reason)
    this.source.undo(this as Wait<unknown>)
    this.phase = failed
    this.result = reason
  }

  /** By the source, which keeps it no longer. */
  fire(value: unknown): void {
    this.phase = fired
    this.result = value
    this.#tell()
  }

  /** By the source, which keeps it no longer. */
  fail(reason: unknown): void {
    this.phase = failed
    this.result = reason
    this.#tell()
  }

  #park(): void {
    const { host, slot } = running
    if (host === undefined || slot < 0) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', notInTask)
    this.#host = host
    this.#slot = slot
    this.#generation = host.generationOf(slot)
    this.value = parked
  }

  #begin(): void {
    this.phase = waiting
    this.source.begin(this as Wait<unknown>)
  }

  #tell(): void {
    if (this.#host !== undefined) this.#host.wake(this.#slot, this.#generation)
    else if (this.#listener !== undefined) {
      const listener = this.#listener
      this.#listener = undefined
      listener(this as Wait<unknown>)
    }
  }
}

const notInTask = 'yield* outside a coroutine that an Exec runs; spawn the generator function, or await instead'

/** A first-in first-out list of waits, linked through them: O(1) to join, leave and take. */
export class WaitList {
  first: Wait<unknown> | undefined = undefined
  #last: Wait<unknown> | undefined = undefined

  push(wait: Wait<unknown>): void {
    wait.before = this.#last
    if (this.#last === undefined) this.first = wait
    else this.#last.after = wait
    this.#last = wait
  }

  remove(wait: Wait<unknown>): void {
    if (wait.before === undefined) this.first = wait.after
    else wait.before.after = wait.after
    if (wait.after === undefined) this.#last = wait.before
    else wait.after.before = wait.before
    wait.before = undefined
    wait.after = undefined
  }

  shift(): Wait<unknown> | undefined {
    const { first } = this
    if (first !== undefined) this.remove(first)
    return first
  }
}
