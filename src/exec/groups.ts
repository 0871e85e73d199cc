/**
 * A scheduling group as its user sees it; how groups take turns is in group.ts. One thread: the executor's.
 */
import type { Core } from './core.js'
import { checkShares, type ReadyGroup } from './group.js'
import { type Join, joinTask } from './join.js'
import type { Result, Task } from './slab.js'

/**
 * Tasks that share a part of the executor's time. Made by `exec.group`; what its tasks spawn is in the same group.
 *
 * @example
 * ```ts
 * import { Exec } from 'percore/exec'
 *
 * const exec = new Exec()
 * const requests = exec.group({ name: 'requests', shares: 900, latencyMs: 2 })
 * const reindex = exec.group({ name: 'reindex', shares: 100 })
 * reindex.spawn(function* () {
 *   for (let page = 0; page < 1000; page++) yield* exec.yieldIfNeeded() // a page at a time
 * })
 * requests.spawn(() => console.log('answered')) // answered
 * exec.runUntilIdle()
 * ```
 */
export class Group {
  readonly #core: Core
  readonly #ready: ReadyGroup

  /** By `exec.group`. */
  constructor(core: Core, ready: ReadyGroup) {
    this.#core = core
    this.#ready = ready
  }

  get name(): string {
    return this.#ready.name
  }

  /** Its part of the time, against that of the groups that have work. May be changed at any time. */
  get shares(): number {
    return this.#ready.shares
  }

  set shares(shares: number) {
    this.#ready.shares = checkShares(this.name, shares)
  }

  /** As `exec.spawn`, in this group. */
  spawn<A, R>(fn: (arg: A) => R, arg: A): Task<Result<R>>
  spawn<R>(fn: () => R): Task<Result<R>>
  spawn(fn: (arg: never) => unknown, arg?: unknown): Task {
    return this.#core.spawn(this.#ready, fn, arg)
  }

  /** As `exec.trySpawn`, in this group. */
  trySpawn<A, R>(fn: (arg: A) => R, arg: A): Task<Result<R>> | 0
  trySpawn<R>(fn: () => R): Task<Result<R>> | 0
  trySpawn(fn: (arg: never) => unknown, arg?: unknown): Task {
    return this.#core.trySpawn(this.#ready, fn, arg)
  }

  /** As `exec.fork`, in this group. */
  fork<A, R>(fn: (arg: A) => R, arg: A): Join<Result<R>>
  fork<R>(fn: () => R): Join<Result<R>>
  fork(fn: (arg: never) => unknown, arg?: unknown): Join<unknown> {
    return joinTask(this.#core, this.#core.spawn(this.#ready, fn, arg))
  }
}
