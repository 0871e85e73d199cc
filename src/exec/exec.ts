/**
 * The executor: one thread's tasks, run one after the other without atomics and without garbage. The thread that made it, and no other; other
 * threads reach it through its inbox.
 *
 * Invariant: one turn at a time, and within it one task at a time. Time passes only in `turn`: between two looks at the clock at
 * most 128 tasks run, fewer the longer they take.
 *
 * ```
 *  turn:  timers due ─▶ inbox ─▶ pick the group that had least time for its shares ─▶ run it for a quantum ─▶ …until nothing is ready, or the budget is used
 * ```
 */
import { checkNames, PercoreError } from '../base/index.js'
import { Core } from './core.js'
import { drive } from './drive.js'
import { type GroupOptions, probeMaxDefault, quantumMsDefault, type ReadyGroup } from './group.js'
import { Group } from './groups.js'
import { now, throwLater } from './host.js'
import { type Join, joinTask } from './join.js'
import { limit } from './limit.js'
import { Scope } from './scope.js'
import { attention, type Result, type Task } from './slab.js'
import { createState, type StateOptions } from './state.js'
import type { StateBlock, StateMemory } from './state-memory.js'
import { type ExecStats, type Stall, type StallWatch, statsOf, type Times } from './stats.js'
import { type Parked, running, type Source, Wait, type Waitable } from './wait.js'
import { Wheel } from './wheel.js'

/** What a generator function returns to be a coroutine; it may be left to inference. */
export type Coroutine<T> = Generator<Parked | undefined | void, T, void>

/** Another source of work for an executor: messages from other threads. See {@link Exec.inbox}. */
export interface Inbox {
  /** True when there is something to take. Called before the thread sleeps: an atomic look. */
  hasWork(): boolean
  /** Takes what is there and spawns or wakes tasks. Called when a turn begins and when it runs dry; every millisecond while it does not. */
  take(): void
}

/** How an {@link Exec} is made. */
export interface ExecOptions {
  /** Tasks alive at once; default 16,384, at most 1,048,576. Each takes 14 bytes of address space, and 30 of memory once used. */
  readonly tasksMax?: number
  /** How long a scheduling group runs before the next has its turn, in ms; default 0.5. */
  readonly quantumMs?: number
  /** Told the error of a task that nobody joins. Default: thrown where the host reports what nobody caught. */
  readonly onError?: (error: unknown, task: Task) => void
  /** How the state of tasks is kept: see `spawnWith`. */
  readonly state?: StateOptions
  /** 'each': every run of a task is timed, for 60 to 120 ns each. Default 'sampled': see {@link GroupStats}. */
  readonly timing?: 'sampled' | 'each'
  /** Told of runs longer than `stallMs` (default 50), after they have ended. */
  readonly onStall?: (stall: Stall) => void
  readonly stallMs?: number
  /** Looks from outside where a run is stuck, to tell `onStall`: `watchStalls()` of `percore`. Two stores per look at the clock. Default: none. */
  readonly watch?: StallWatch
  /** Remember where each task was spawned, to tell `onStall`: a few µs and some memory per task. Default false. */
  readonly traceSpawns?: boolean
  /** The clock, in ms. Default: `performance.now`. */
  readonly now?: () => number
  /** Where free-running indices start; default 0. For tests. */
  readonly firstIndex?: number
}

/** Every option there is; the compiler sees to it that none is missing. */
const known: Readonly<Record<keyof ExecOptions, true>> = {
  tasksMax: true, quantumMs: true, onError: true, state: true, timing: true, onStall: true, stallMs: true, watch: true, traceSpawns: true, now: true, firstIndex: true,
}

function invalid(what: string): PercoreError {
  return new PercoreError('ERR_PERCORE_INVALID_OPTION', what)
}

/** Timers fired between two looks at the ready tasks. */
const timersAtOnce = 1024
const tasksMaxDefault = 16_384
/** A timer fires in the first turn after the tick it was rounded up to: with ticks of 1 ms that alone would be half of how late tasks are. */
const ticksPerMs = 4
const stallMsDefault = 50
/** While a turn has work, its inbox is looked at this often. */
const inboxMs = 1

/**
 * Runs tasks on this thread. Use it where work is too small or too frequent for promises and microtasks: 10 ns and no memory per task.
 * `spawn` takes plain functions, generator functions (coroutines) and async functions alike; what the function returns says which it is.
 *
 * A task never runs inside `spawn`. It runs when the executor is turned: by `run` (to the end, sharing the thread with the event loop), by
 * `runUntilIdle`, or bit by bit by `turn` from someone else's loop.
 *
 * @example
 * ```ts
 * import { Exec } from 'percore/exec'
 *
 * const exec = new Exec()
 * exec.spawn((name: string) => console.log(`hello ${name}`), 'world')
 * exec.spawn(function* () {
 *   yield* exec.sleep(1)
 *   console.log('later')
 * })
 * await exec.run() // hello world, later
 * ```
 */
export class Exec {
  /** The machinery; for the other parts of this floor. */
  declare readonly core: Core
  readonly #now: () => number
  readonly #wheel: Wheel
  readonly #sleeps: Source
  #inbox: Inbox | undefined = undefined
  readonly #onStall: ((stall: Stall) => void) | undefined
  readonly #stallMs: number
  readonly #watch: StallWatch | undefined
  readonly #times: Times
  #inTurn = false
  #nextInboxMs = 0
  #preemptMs = Infinity

  constructor(options: ExecOptions = {}) {
    checkNames('an Exec', options, Object.keys(known))
    const { tasksMax = tasksMaxDefault, quantumMs = quantumMsDefault, onError = throwLater, state, now: clock = now, firstIndex = 0 } = options
    const { timing = 'sampled', onStall, stallMs = stallMsDefault, watch, traceSpawns = false } = options
    if (!(quantumMs > 0)) throw invalid(`quantumMs must be above 0, not ${quantumMs}`)
    if (!(stallMs > 0)) throw invalid(`stallMs must be above 0, not ${stallMs}`)
    if (timing !== 'each' && timing !== 'sampled') throw invalid(`timing must be each or sampled, not ${String(timing)}`)
    this.core = new Core({ tasksMax, quantumMs, probeMax: timing === 'each' ? 1 : probeMaxDefault, onError, firstIndex, memory: createState(state) })
    if (traceSpawns) this.core.attention = attention.trace
    this.#onStall = onStall
    this.#watch = watch
    this.#stallMs = onStall === undefined ? Infinity : stallMs
    this.#times = { turns: 0, busyMs: 0, parkedMs: 0, lastMs: clock() }
    this.#now = clock
    this.#wheel = new Wheel(Math.floor(clock() * ticksPerMs))
    this.#sleeps = {
      begin: (wait) => { wait.item = this.#wheel.timerAt(this.#setTimer(wait.item as number, wait, 0)) },
      leave: (wait) => { this.#wheel.cancel(wait.item as number) },
      undo: () => {},
    }
  }

  /**
   * A new task, ready to run; returns its number, with which it can be cancelled or joined as long as it lives. Costs no memory. A
   * function runs to completion with `arg`; a generator function becomes a coroutine, an async function is awaited. Throws
   * ERR_PERCORE_EXEC_FULL when `tasksMax` tasks are alive: see `trySpawn`.
   */
  spawn<A, R>(fn: (arg: A) => R, arg: A): Task<Result<R>>
  spawn<R>(fn: () => R): Task<Result<R>>
  spawn(fn: (arg: never) => unknown, arg?: unknown): Task {
    const { core } = this
    return core.spawn(core.current, fn, arg)
  }

  /** As {@link Exec.spawn}, but returns 0 when `tasksMax` tasks are alive. */
  trySpawn<A, R>(fn: (arg: A) => R, arg: A): Task<Result<R>> | 0
  trySpawn<R>(fn: () => R): Task<Result<R>> | 0
  trySpawn(fn: (arg: never) => unknown, arg?: unknown): Task {
    const { core } = this
    return core.trySpawn(core.current, fn, arg)
  }

  /**
   * As {@link Exec.spawn}, with `bytes` of state that the task owns until it is over, however it ends: memory that is no garbage. The
   * task gets the block as its second argument: `state.words(block)[state.start(block)]` is its first word. Its content is undefined.
   *
   * @example
   * ```ts
   * import { Exec } from 'percore/exec'
   *
   * const exec = new Exec()
   * const { state } = exec
   * exec.spawnWith(128, function* (n: number, block) {
   *   const [words, at] = [state.words(block), state.start(block)]
   *   words[at] = n
   *   yield* exec.sleep(1)
   *   console.log(words[at]) // 42
   * }, 42)
   * await exec.run()
   * console.log(state.counters().given) // 1
   * ```
   */
  spawnWith<A, R>(bytes: number, fn: (arg: A, block: StateBlock) => R, arg: A): Task<Result<R>> {
    const { core } = this
    return core.spawnWith(core.current, bytes, fn, arg) as Task<Result<R>>
  }

  /** The state of tasks. */
  get state(): StateMemory {
    return this.core.memory
  }

  /** As {@link Exec.spawn}, but returns the join handle of the task. */
  fork<A, R>(fn: (arg: A) => R, arg: A): Join<Result<R>>
  fork<R>(fn: () => R): Join<Result<R>>
  fork(fn: (arg: never) => unknown, arg?: unknown): Join<unknown> {
    return joinTask(this.core, this.spawn(fn as (arg: unknown) => unknown, arg))
  }

  /** The join handle of a task that lives. Throws ERR_PERCORE_TASK_OVER if it is over: ask before you give way, or `fork`. */
  join<T>(task: Task<T>): Join<T> {
    return joinTask(this.core, task)
  }

  /** Ends a task as `Join.cancel` does. False if it is over. */
  cancel(task: Task, reason?: unknown): boolean {
    return this.core.cancel(task, reason)
  }

  /** As {@link Exec.spawn}, but the task runs `ms` milliseconds from now: at most 0.25 ms and a turn later, never earlier. Costs no memory either. */
  after<A, R>(ms: number, fn: (arg: A) => R, arg: A): Task<Result<R>>
  after<R>(ms: number, fn: () => R): Task<Result<R>>
  after(ms: number, fn: (arg: never) => unknown, arg?: unknown): Task {
    const { core } = this
    if (Number.isNaN(ms)) refuseNaN()
    const slot = core.spawnTimed(core.current, fn, arg)
    this.#setTimer(ms, slot, core.slab.generation[slot])
    return core.slab.taskAt(slot)
  }

  /** Whoever rests until the next timer is told of one that is set outside a turn. */
  #setTimer(ms: number, target: number | Wait<unknown>, generation: number): number {
    const timer = this.#wheel.set(Math.ceil((this.#now() + ms) * ticksPerMs), target, generation)
    if ((this.core.attention & attention.idle) !== 0) this.core.announce()
    return timer
  }

  /** A wait for `ms` milliseconds from when it begins; at most 0.25 ms and a turn longer, never shorter. */
  sleep(ms: number): Wait<void> {
    if (Number.isNaN(ms)) refuseNaN()
    return new Wait<void>(this.#sleeps, ms)
  }

  /**
   * A wait for `waitable` that fails with ERR_PERCORE_TIMEOUT after `ms` milliseconds; what it waited for is then cancelled, or given
   * back if it comes too late.
   */
  timeout<T>(ms: number, waitable: Waitable<T>): Wait<T> {
    return limit(waitable.wait(), this.sleep(ms), ms)
  }

  /** A new scheduling group. The tasks of `exec.spawn` are in the first, named 'default', of 1000 shares. At most 255, for ever. */
  group(options: GroupOptions): Group {
    return new Group(this.core, this.core.scheduler.add(options))
  }

  /** A new cancellation scope; inside the scope of the task that makes it, if that has one. */
  scope(): Scope {
    return new Scope(this.core)
  }

  /** True when the running task has used its quantum, and others should have theirs. Costs a look at the clock. */
  needsYield(): boolean {
    return this.#now() >= this.#preemptMs
  }

  /** `yield* exec.yieldIfNeeded()` in a long coroutine: gives way when {@link Exec.needsYield}. */
  yieldIfNeeded(): Iterable<undefined, void, void> {
    return this.needsYield() ? oneTurn : noTurn
  }

  /**
   * Where other threads' messages come in: see `RemoteInbox`. A turn takes them, and nothing else looks: `run` rests without a doorbell, so there
   * have a message posted to this thread with each publication, and `inbox.take()` called when it comes.
   */
  set inbox(inbox: Inbox | undefined) {
    this.#inbox = inbox
  }

  get inbox(): Inbox | undefined {
    return this.#inbox
  }

  /** Tasks alive. */
  get tasks(): number {
    return this.core.slab.live
  }

  /** True when a turn would have something to run, as far as is known without looking at the clock. */
  hasWork(): boolean {
    return this.core.scheduler.hasReady || this.#wheel.isDue || (this.#inbox !== undefined && this.#inbox.hasWork())
  }

  /** The time, on this executor's clock, before which no timer is due; Infinity when none is set. It may be too early, never too late. */
  nextDeadline(): number {
    return this.#wheel.nextTick() / ticksPerMs
  }

  /**
   * Runs what is ready, timers first, for about `budgetUs` microseconds: a task that spawns for ever, or wakes itself, cannot make it longer.
   * Returns how many tasks ran. To be called from a loop that has other things to do; not from a task.
   */
  turn(budgetUs: number = Infinity): number {
    if (this.#inTurn) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', 'turn was called from within a task; use spawn, and let the loop turn')
    const { core } = this
    const { scheduler } = core
    const { host, slot } = running
    running.host = core
    running.slot = -1
    this.#inTurn = true
    let count = 0
    const startMs = this.#now()
    let nowMs = startMs
    try {
      const endMs = startMs + budgetUs / 1000
      this.#nextInboxMs = startMs
      this.#poll(nowMs)
      for (let group = this.#pick(nowMs); group !== undefined; group = this.#pick(nowMs)) {
        const untilMs = Math.min(nowMs + scheduler.quantumMs, endMs)
        this.#preemptMs = untilMs
        do {
          const fromMs = nowMs
          const alone = group.probe === 1 ? core.next(group) : undefined
          if (this.#watch !== undefined) this.#watch.begin()
          const ran = core.run(group, group.probe)
          if (this.#watch !== undefined) this.#watch.end()
          nowMs = this.#now()
          group.charge(ran, nowMs - fromMs, nowMs, scheduler.quantumMs)
          count += ran
          if (alone !== undefined && nowMs - fromMs > group.longestMs) group.remember(nowMs - fromMs, nameOf(alone.fn))
          if (nowMs - fromMs > this.#stallMs) this.#stalled(group, nowMs - fromMs, ran, alone)
        } while (nowMs < untilMs && group.head !== group.tail)
        this.#poll(nowMs)
        if (nowMs >= endMs) break
      }
    } finally {
      this.#inTurn = false
      this.#preemptMs = Infinity
      core.current = scheduler.groups[0]
      running.host = host
      running.slot = slot
      this.#account(startMs, nowMs)
    }
    if (count > 0 && (core.attention & attention.idle) !== 0) core.announce() // for whoever rests while this one turns
    return count
  }

  /** The group to run next; when none is ready, the inbox is looked at once more. */
  #pick(nowMs: number): ReadyGroup | undefined {
    const { scheduler } = this.core
    const group = scheduler.pick(nowMs)
    if (group !== undefined || this.#inbox === undefined) return group
    this.#inbox.take()
    return scheduler.pick(nowMs)
  }

  #account(startMs: number, nowMs: number): void {
    const times = this.#times
    times.turns++
    times.parkedMs += startMs - times.lastMs
    times.busyMs += nowMs - startMs
    times.lastMs = nowMs
  }

  #stalled(group: ReadyGroup, ms: number, tasks: number, alone: { readonly fn: unknown; readonly stack: string | undefined } | undefined): void {
    this.#onStall?.({ group: group.name, ms, tasks, name: alone === undefined ? '' : nameOf(alone.fn), stack: this.#watch?.stack(), spawnStack: alone?.stack })
  }

  /** What this executor has done so far. */
  stats(): ExecStats {
    return statsOf(this.core, this.#times, this.#wheel.count)
  }

  /** Turns until nothing is ready: timers that are not due and promises that have not settled are left waiting. Returns how many tasks ran. */
  runUntilIdle(): number {
    let count = 0
    do count += this.turn()
    while (this.hasWork())
    return count
  }

  /**
   * Turns until every task is over, giving the event loop a turn at least every millisecond. With a function, spawns it and resolves
   * with its result as soon as it is over, whatever else still runs.
   */
  run(): Promise<void>
  run<R>(fn: () => R): Promise<Result<R>>
  run(fn?: () => unknown): Promise<unknown> {
    const main = fn === undefined ? undefined : this.fork(fn)
    return drive(this, main === undefined ? () => this.tasks === 0 : () => main.done, this.#now).then(() => main)
  }

  /**
   * Calls back once, when a task becomes ready or is over outside a turn: for whoever turns this executor and has nothing to turn for now.
   * Returns what undoes it.
   */
  whenWork(callback: () => void): () => void {
    return this.core.whenWork(callback)
  }

  #poll(nowMs: number): void {
    const tick = Math.floor(nowMs * ticksPerMs)
    if (tick > this.#wheel.tick || this.#wheel.isDue) this.#wheel.advance(tick, timersAtOnce, this.#onDue)
    if (this.#inbox === undefined || nowMs < this.#nextInboxMs) return
    this.#nextInboxMs = nowMs + inboxMs
    this.#inbox.take()
  }

  readonly #onDue = (target: unknown, generation: number): void => {
    if (typeof target !== 'number') (target as Wait<void>).fire(undefined)
    else if (this.core.slab.generation[target] === generation && this.core.isTimed(target)) this.core.ready(target)
  }
}

/** Gives way once, each time it is used. */
const oneTurn: Iterable<undefined, void, void> = { *[Symbol.iterator]() { yield } }

const over: IteratorReturnResult<void> = { done: true, value: undefined }
const iteratesNothing: Iterator<undefined, void, void> = { next: () => over }
/** Goes on at once. */
const noTurn: Iterable<undefined, void, void> = { [Symbol.iterator]: () => iteratesNothing }

function nameOf(fn: unknown): string {
  return typeof fn === 'function' ? fn.name : ''
}

function refuseNaN(): never {
  throw new PercoreError('ERR_PERCORE_INVALID_OPTION', 'a time in ms must be a number, not NaN')
}
