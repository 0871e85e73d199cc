/**
 * Join handles: what one holds to learn how a task ends, or to end it. One thread: the executor's.
 *
 * Invariant: the task knows its handle's outcome, the handle knows its task by number; so a forgotten handle keeps nothing alive but
 * its outcome, and that until the task is over.
 */
import { PercoreError } from '../base/index.js'
import type { Core } from './core.js'
import { Outcome } from './outcome.js'
import type { Task } from './slab.js'
import { phase, Wait, Waitable } from './wait.js'

/**
 * The handle of one task. Wait for it as often as you like, from as many places: `yield*` in a coroutine, `await` elsewhere.
 *
 * Dropping a handle neither cancels its task nor leaks anything; but the handle is where the task's error goes, so with it the error is
 * dropped. If nobody will look, `spawn` the task instead of forking it, or `detach` the handle: then `onError` of the Exec is told.
 *
 * @example
 * ```ts
 * import { Exec } from 'percore/exec'
 *
 * const exec = new Exec()
 * const sum = exec.fork((n: number) => n + 1, 41)
 * exec.runUntilIdle()
 * console.log(await sum) // 42
 * ```
 */
export class Join<T> extends Waitable<T> {
  /** The task's number. */
  readonly task: Task<T>
  readonly #core: Core
  readonly #outcome: Outcome

  constructor(core: Core, task: Task<T>, outcome: Outcome) {
    super()
    this.task = task
    this.#core = core
    this.#outcome = outcome
  }

  /** True once the task is over, however it ended. */
  get done(): boolean {
    return this.#outcome.phase !== phase.waiting
  }

  /**
   * Ends the task: one that has not begun never will; a coroutine is thrown `reason` where it waits (default: ERR_PERCORE_CANCELLED), and its
   * `finally` blocks run, waits and all; a promise cannot be stopped, but the task ends now and what it gives is ignored. Returns false
   * if the task is over.
   */
  cancel(reason?: unknown): boolean {
    return this.#core.cancel(this.task, reason)
  }

  /** Lets go of the task: it goes on, its result is dropped, its error goes to `onError`. Whoever waits for this handle is cancelled. */
  detach(): void {
    if (this.done) return
    const slot = this.#core.slab.find(this.task)
    if (slot >= 0) this.#core.slab.extraOf(slot).join = undefined
    this.#outcome.failed(this.task, new PercoreError('ERR_PERCORE_CANCELLED', 'the join handle was detached from its task'))
  }

  override wait(): Wait<T> {
    return new Wait<T>(this.#outcome, undefined)
  }
}

/** The handle of a live task; it shares the outcome of one made before. Of a task that is over nothing is known: ERR_PERCORE_TASK_OVER. */
export function joinTask<T>(core: Core, task: Task<T>): Join<T> {
  const slot = core.slab.find(task)
  if (slot < 0) {
    throw new PercoreError('ERR_PERCORE_TASK_OVER', `task ${task} is over and its result gone; fork it, or join it before you give way`)
  }
  const extra = core.slab.extraOf(slot)
  extra.join ??= new Outcome()
  return new Join(core, task, extra.join as Outcome)
}
