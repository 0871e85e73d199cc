/**
 * The core of an executor: its tasks, and what becomes of them. What spawns and runs them is runner.ts. No clock, no atomics, no event
 * loop: those are the turn's (exec.ts). One thread; internal, behind `Exec`.
 *
 * Invariant: while a task runs nothing else does; a task is in a ready ring at most once; its slot is freed once, after which its
 * number means nothing.
 *
 * Whatever a task may need beyond a plain call (a generator, a promise, a join handle, a scope) costs it a flag, and only those that have it.
 */
import { PercoreError } from '../base/index.js'
import { type ReadyGroup, Scheduler } from './group.js'
import { createRunner, type Runner } from './runner.js'
import type { StateMemory } from './state-memory.js'
import { attention, type Extra, flag, type Membership, Slab, type Task } from './slab.js'
import type { TaskHost } from './wait.js'

const { coroutine, promise, cancelled, extra, timed, state: stated } = flag

export interface CoreOptions {
  readonly tasksMax: number
  readonly quantumMs: number
  /** Tasks run between two looks at the clock, at most. */
  readonly probeMax: number
  /** What becomes of the error of a task that nobody joins. */
  readonly onError: (error: unknown, task: Task) => void
  readonly memory: StateMemory
  /** Where free-running indices start; tests start near 2^32. */
  readonly firstIndex: number
}

export class Core implements TaskHost, Runner {
  declare readonly slab: Slab
  declare readonly scheduler: Scheduler
  /** Where tasks are spawned: the group that runs, else the first. */
  declare current: ReadyGroup
  /** The state of tasks that have any. */
  declare readonly memory: StateMemory
  /** See {@link attention}. */
  attention: number = attention.none
  /** The scope of the task that runs; new tasks join it. */
  scope: Membership | undefined = undefined
  declare readonly spawn: Runner['spawn']
  declare readonly spawnWith: Runner['spawnWith']
  declare readonly spawnTimed: Runner['spawnTimed']
  declare readonly ready: Runner['ready']
  declare readonly wake: Runner['wake']
  declare readonly run: Runner['run']
  /** Told once when work appears while they rest: see `whenWork`. */
  readonly #resting: Set<() => void> = new Set()
  readonly #onError: (error: unknown, task: Task) => void
  wakes = 0
  staleWakes = 0
  failures = 0
  cancellations = 0

  constructor(options: CoreOptions) {
    this.slab = new Slab(options.tasksMax)
    this.scheduler = new Scheduler(options.tasksMax, options.quantumMs, options.firstIndex, options.probeMax)
    this.current = this.scheduler.add({ name: 'default' })
    this.#onError = options.onError
    this.memory = options.memory
    const runner = createRunner(this)
    this.spawn = runner.spawn
    this.spawnWith = runner.spawnWith
    this.spawnTimed = runner.spawnTimed
    this.ready = runner.ready
    this.wake = runner.wake
    this.run = runner.run
  }

  /** As `spawn`, but 0 when `tasksMax` are alive. */
  trySpawn(group: ReadyGroup, fn: unknown, arg: unknown): Task {
    return this.slab.freeTop === 0 && !this.slab.extend() ? 0 : this.spawn(group, fn, arg)
  }

  generationOf(slot: number): number {
    return this.slab.generation[slot]
  }

  isTimed(slot: number): boolean {
    return (this.slab.flags[slot] & timed) !== 0
  }

  /** A new task needs more than a slot: see {@link attention}. */
  attend(slot: number): void {
    const { scope } = this
    if (scope !== undefined) {
      this.slab.extraOf(slot).scope = scope
      scope.joined(this.slab.taskAt(slot))
    }
    if ((this.attention & attention.trace) !== 0) this.slab.extraOf(slot).spawned = new Error('spawned').stack
    if ((this.attention & attention.idle) !== 0) this.announce()
  }

  /** Calls back once, when a task becomes ready or is over. Returns what undoes it. */
  whenWork(callback: () => void): () => void {
    this.#resting.add(callback)
    this.attention |= attention.idle
    return () => {
      this.#resting.delete(callback)
      if (this.#resting.size === 0) this.attention &= ~attention.idle
    }
  }

  /** Tells everyone who rests. */
  announce(): void {
    const resting = [...this.#resting]
    this.#resting.clear()
    this.attention &= ~attention.idle
    for (const callback of resting) callback()
  }

  /** A task is over when its promise is. */
  settleWith(slot: number, value: PromiseLike<unknown>): void {
    const { slab } = this
    slab.calls[2 * slot] = value
    slab.calls[2 * slot + 1] = undefined
    slab.flags[slot] |= promise
    const generation = slab.generation[slot]
    value.then(
      (result) => {
        if (slab.generation[slot] !== generation) return
        if ((slab.flags[slot] & cancelled) === 0) this.finish(slot, result)
        else this.#retire(slot)
      },
      (error: unknown) => {
        if (slab.generation[slot] !== generation) return
        if ((slab.flags[slot] & cancelled) === 0) this.fail(slot, error)
        else this.#retire(slot)
      },
    )
  }

  /** What a cancelled task is ended with. */
  reason(slot: number): unknown {
    const had = (this.slab.flags[slot] & extra) === 0 ? undefined : this.slab.extra[slot]
    return had?.reason ?? new PercoreError('ERR_PERCORE_CANCELLED', 'the task was cancelled')
  }

  /** A task is over. */
  finish(slot: number, value: unknown): void {
    const ending = this.#retire(slot)
    if (ending === undefined) return
    ending.extra.join?.finished(ending.task, value)
    ending.extra.scope?.finished(ending.task)
  }

  /** A task is over: it threw, or was cancelled. */
  fail(slot: number, error: unknown): void {
    const task = this.slab.taskAt(slot)
    this.#tellFailed(task, this.#retire(slot)?.extra, error)
  }

  #tellFailed(task: Task, extra: Extra | undefined, error: unknown): void {
    const isCancelled = (error instanceof PercoreError && error.code === 'ERR_PERCORE_CANCELLED') || (error !== undefined && extra?.reason === error)
    if (isCancelled) this.cancellations++
    else {
      this.failures++
      if (extra?.join === undefined && extra?.scope === undefined) this.report(error, task)
    }
    extra?.join?.failed(task, error)
    if (isCancelled) extra?.scope?.finished(task)
    else extra?.scope?.failed(task, error, extra.join !== undefined)
  }

  /** What waits for it is told now. But its function goes on: as long as it may use its state, that stays its own, and so does the slot. */
  #cancelPromise(slot: number, flags: number): boolean {
    const { slab } = this
    if ((flags & stated) === 0) this.fail(slot, this.reason(slot))
    else if ((flags & cancelled) === 0) {
      const reason = this.reason(slot)
      const had = (flags & extra) === 0 ? undefined : slab.extra[slot]
      slab.flags[slot] = (slab.flags[slot] | cancelled) & ~extra
      slab.extra[slot] = undefined
      this.#tellFailed(slab.taskAt(slot), had, reason)
    } else return false
    return true
  }

  /** An error that nobody else is told of. */
  report(error: unknown, task: Task): void {
    this.#onError(error, task)
  }

  #retire(slot: number): { readonly task: Task; readonly extra: Extra } | undefined {
    const { slab } = this
    const had = (slab.flags[slot] & extra) === 0 ? undefined : slab.extra[slot]
    const ending = had === undefined ? undefined : { task: slab.taskAt(slot), extra: had }
    if (had !== undefined) slab.extra[slot] = undefined
    if ((slab.flags[slot] & stated) !== 0) this.memory.give(slab.block[slot])
    slab.retire(slot)
    if ((this.attention & attention.idle) !== 0) this.announce()
    return ending
  }

  /** The task that a group will run next: for whoever reports on it. */
  next(group: ReadyGroup): { readonly fn: unknown; readonly stack: string | undefined } {
    const { slab } = this
    const slot = group.ring[group.head & group.mask]
    const flags = slab.flags[slot]
    const stack = (flags & extra) === 0 ? undefined : slab.extra[slot]?.spawned
    return { fn: (flags & coroutine) === 0 ? slab.calls[2 * slot] : slab.calls[2 * slot + 1], stack }
  }

  /** Ends a task as soon as it would run next: false if it is over. A promise cannot be stopped; its task ends now, its result is ignored. */
  cancel(task: Task, reason: unknown): boolean {
    const { slab } = this
    const slot = slab.find(task)
    if (slot < 0) return false
    if (reason !== undefined) slab.extraOf(slot).reason = reason
    const flags = slab.flags[slot]
    if ((flags & promise) !== 0) return this.#cancelPromise(slot, flags)
    slab.flags[slot] |= cancelled
    if ((flags & timed) !== 0) this.ready(slot)
    else if ((flags & coroutine) !== 0) this.wake(slot, slab.generation[slot])
    return true
  }
}
