/**
 * A result that is there once and then for ever: what stands behind join handles, oneshots and gates. One thread; internal.
 *
 * Invariant: it is settled once, and no wait is kept after that.
 */
import type { Ending, Task } from './slab.js'
import { phase, type Source, type Wait, WaitList } from './wait.js'

const { waiting: pending, fired: finished, failed } = phase

export class Outcome implements Ending, Source {
  phase: number = pending
  result: unknown = undefined
  readonly #waits: WaitList = new WaitList()

  finished(_task: Task, value: unknown): void {
    this.phase = finished
    this.result = value
    for (let wait = this.#waits.shift(); wait !== undefined; wait = this.#waits.shift()) wait.fire(value)
  }

  failed(_task: Task, error: unknown): void {
    this.phase = failed
    this.result = error
    for (let wait = this.#waits.shift(); wait !== undefined; wait = this.#waits.shift()) wait.fail(error)
  }

  begin(wait: Wait<unknown>): void {
    if (this.phase === finished) wait.fire(this.result)
    else if (this.phase === failed) wait.fail(this.result)
    else this.#waits.push(wait)
  }

  leave(wait: Wait<unknown>): void {
    this.#waits.remove(wait)
  }

  undo(): void {}
}
