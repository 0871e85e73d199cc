/**
 * Cancellation scopes: tasks that belong together, and all that they spawn, ended with one call. One thread: the executor's.
 *
 * Invariant: a task spawned by a member while it runs is a member, and a scope made by a member is inside its scope; so nothing a scope
 * started outlives it unnoticed. (What an async function spawns after its first `await` runs outside any task, and is not a member.)
 */
import { PercoreError } from '../base/index.js'
import type { Core } from './core.js'
import { type Join, joinTask } from './join.js'
import { attention, type Membership, type Result, type Task } from './slab.js'
import { type Source, Wait, Waitable, WaitList } from './wait.js'

/**
 * Tasks with a common end. Waiting for the scope waits for all of them. When a member fails that nobody joins, the others are cancelled and the
 * scope fails with its error. Make one with `exec.scope()`.
 *
 * @example
 * ```ts
 * import { Exec } from 'percore/exec'
 *
 * const exec = new Exec()
 * const scope = exec.scope()
 * scope.spawn(function* () {
 *   exec.spawn(function* () { // a member too: its parent is one
 *     try {
 *       yield* exec.sleep(60_000)
 *     } finally {
 *       console.log('cancelled') // cancelled
 *     }
 *   })
 * })
 * exec.after(50, () => scope.cancel())
 * await exec.run()
 * console.log(scope.tasks) // 0
 * ```
 */
export class Scope extends Waitable<void> implements Membership {
  readonly #core: Core
  readonly #parent: Scope | undefined
  readonly #members: Set<Task> = new Set()
  readonly #inner: Set<Scope> = new Set()
  readonly #waits: WaitList = new WaitList()
  #cancelled = false
  #reason: unknown = undefined
  #error: { readonly error: unknown } | undefined = undefined
  #controller: AbortController | undefined = undefined
  readonly #source: Source = {
    begin: (wait) => {
      if (this.tasks > 0) this.#waits.push(wait)
      else this.#tell(wait)
    },
    leave: (wait) => this.#waits.remove(wait),
    undo: () => {},
  }

  /** By `exec.scope()`. */
  constructor(core: Core) {
    super()
    this.#core = core
    this.#parent = core.scope instanceof Scope ? core.scope : undefined
  }

  /** Members alive, those of inner scopes too. */
  get tasks(): number {
    let count = this.#members.size
    for (const scope of this.#inner) count += scope.tasks
    return count
  }

  get cancelled(): boolean {
    return this.#cancelled
  }

  /** Aborted when the scope is cancelled: for `fetch` and other APIs that know signals. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#cancelled) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** As `exec.spawn`, as a member. In a cancelled scope the task is cancelled before it begins. */
  spawn<A, R>(fn: (arg: A) => R, arg: A): Task<Result<R>>
  spawn<R>(fn: () => R): Task<Result<R>>
  spawn(fn: (arg: never) => unknown, arg?: unknown): Task {
    const core = this.#core
    const { scope, attention: before } = core
    core.scope = this
    core.attention |= attention.scope
    try {
      return core.spawn(core.current, fn, arg)
    } finally {
      core.scope = scope
      core.attention = (core.attention & ~attention.scope) | (before & attention.scope)
    }
  }

  /** As `exec.fork`, as a member. */
  fork<A, R>(fn: (arg: A) => R, arg: A): Join<Result<R>>
  fork<R>(fn: () => R): Join<Result<R>>
  fork(fn: (arg: never) => unknown, arg?: unknown): Join<unknown> {
    return joinTask(this.#core, this.spawn(fn as (arg: unknown) => unknown, arg))
  }

  /** Cancels every member and every inner scope, as `Join.cancel` does, now and from now on. */
  cancel(reason: unknown = new PercoreError('ERR_PERCORE_CANCELLED', 'the scope was cancelled')): void {
    if (this.#cancelled) return
    this.#cancelled = true
    this.#reason = reason
    for (const scope of this.#inner) scope.cancel(reason)
    for (const task of this.#members) this.#core.cancel(task, reason)
    this.#controller?.abort(reason)
  }

  /** A wait for the last member to end; over at once when there is none. Fails with the error of a member that nobody joins. */
  override wait(): Wait<void> {
    return new Wait<void>(this.#source, undefined)
  }

  /** By the executor. */
  joined(task: Task): void {
    this.#members.add(task)
    this.#join()
    if (this.#cancelled) this.#core.cancel(task, this.#reason)
  }

  /** By the executor. */
  finished(task: Task): void {
    this.#members.delete(task)
    this.#left()
  }

  /** By the executor; `told` when someone else was told of the error. */
  failed(task: Task, error: unknown, told: boolean): void {
    this.#members.delete(task)
    if (!told && this.#error === undefined) {
      this.#error = { error }
      this.cancel(error)
    }
    this.#left()
  }

  #join(): void {
    if (this.#parent !== undefined) this.#parent.#entered(this)
  }

  #entered(scope: Scope): void {
    this.#inner.add(scope)
    this.#join()
    if (this.#cancelled) scope.cancel(this.#reason)
  }

  /** A member or an inner scope has ended. */
  #left(): void {
    if (this.#members.size > 0 || this.#inner.size > 0) return
    if (this.#waits.first === undefined && this.#error !== undefined) this.#core.report(this.#error.error, 0)
    for (let wait = this.#waits.shift(); wait !== undefined; wait = this.#waits.shift()) this.#tell(wait)
    if (this.#parent === undefined) return
    this.#parent.#inner.delete(this)
    this.#parent.#left()
  }

  #tell(wait: Wait<unknown>): void {
    if (this.#error === undefined) wait.fire(undefined)
    else wait.fail(this.#error.error)
  }
}
