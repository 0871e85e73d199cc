/**
 * Waiting for several things: all of them, or the first. One thread.
 *
 * Invariant: when the combined wait is over, none of its parts waits any more; and what a part was given that nobody will use goes back.
 */
import { PercoreError } from '../base/index.js'
import { phase, type Source, Wait, Waitable } from './wait.js'

/** What each of some waitables gives. */
export type Values<W extends readonly Waitable<unknown>[]> = { -readonly [K in keyof W]: W[K] extends Waitable<infer T> ? T : never }

/**
 * Waits for all, and gives their values in the same order. As soon as one fails, so does this, and the others are cancelled.
 *
 * @example
 * ```ts
 * import { Exec, join } from 'percore/exec'
 *
 * const exec = new Exec()
 * const parts = [1, 2, 3].map((n) => exec.fork((n: number) => n * n, n))
 * exec.spawn(function* () { console.log(yield* join(parts)) }) // [ 1, 4, 9 ]
 * exec.runUntilIdle()
 * ```
 */
export function join<const W extends readonly Waitable<unknown>[]>(waitables: W): Wait<Values<W>> {
  return new Wait<Values<W>>(new All(waitables), undefined)
}

/**
 * Waits for the first to be over, and gives what it gives or fails as it fails; the others are cancelled.
 *
 * @example
 * ```ts
 * import { Channel, Exec, race } from 'percore/exec'
 *
 * const exec = new Exec()
 * const inbox = new Channel<string>(1)
 * exec.spawn(function* () {
 *   const first = yield* race([inbox.receive(), exec.sleep(5)])
 *   console.log(first ?? 'nothing came') // nothing came
 * })
 * await exec.run()
 * ```
 */
export function race<const W extends readonly Waitable<unknown>[]>(waitables: W): Wait<Values<W>[number]> {
  if (waitables.length === 0) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', 'race of nothing would wait for ever; give it at least one')
  return new Wait<Values<W>[number]>(new First(waitables), undefined)
}

class All implements Source {
  readonly #waits: Wait<unknown>[]
  #left: number

  constructor(waitables: readonly Waitable<unknown>[]) {
    this.#waits = waitables.map((each) => each.wait())
    this.#left = waitables.length
  }

  begin(wait: Wait<unknown>): void {
    if (this.#left === 0) wait.fire([])
    for (const part of this.#waits) {
      if (wait.phase !== phase.waiting) return
      part.listen(() => this.#told(wait, part))
    }
  }

  #told(wait: Wait<unknown>, part: Wait<unknown>): void {
    if (wait.phase !== phase.waiting) return
    if (part.phase === phase.failed) {
      wait.fail(part.result)
      this.#abandon()
    } else if (--this.#left === 0) wait.fire(this.#waits.map((each) => each.result))
  }

  leave(): void {
    this.#abandon()
  }

  undo(): void {
    this.#abandon()
  }

  #abandon(): void {
    for (const part of this.#waits) part.abandon()
  }
}

class First implements Source {
  readonly #waits: Wait<unknown>[]
  #winner: Wait<unknown> | undefined = undefined

  constructor(waitables: readonly Waitable<unknown>[]) {
    this.#waits = waitables.map((each) => each.wait())
  }

  begin(wait: Wait<unknown>): void {
    for (const part of this.#waits) {
      if (this.#winner !== undefined) return
      part.listen(() => this.#told(wait, part))
    }
  }

  #told(wait: Wait<unknown>, part: Wait<unknown>): void {
    if (this.#winner !== undefined || wait.phase !== phase.waiting) return
    this.#winner = part
    for (const other of this.#waits) if (other !== part) other.abandon()
    if (part.phase === phase.fired) wait.fire(part.result)
    else wait.fail(part.result)
  }

  leave(): void {
    for (const part of this.#waits) part.abandon()
  }

  undo(): void {
    this.#winner?.abandon()
  }
}
