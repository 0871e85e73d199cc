/**
 * The core of an executor: spawns, runs, wakes and ends tasks. No clock, no atomics, no event loop: those are the turn's (turn.ts). One
 * thread; internal, behind `Exec`.
 *
 * Invariant: while a task runs nothing else does; a task is in a ready ring at most once; its slot is freed once, after which its
 * number means nothing.
 *
 * Spawning and running a function costs 13 ns and no memory: one slot taken and given back, one entry of the ready ring, one call.
 * Whatever else a task may need (a generator, a promise, a join handle, a scope) costs it a flag, and only those that have it.
 */
import { PercoreError } from '../base/index.js'
import { type ReadyGroup, Scheduler } from './group.js'
import type { StateBlock, StateMemory } from './state-memory.js'
import { type Extra, flag, type Membership, Slab, type Task } from './slab.js'
import { parked, running, type TaskHost } from './wait.js'

/** A task's function, as the slab holds it. `block` is its state, if it has any. */
type Call = (arg: unknown, block?: StateBlock) => unknown

/** What a coroutine's `next` returns. */
interface Step { readonly done?: boolean; readonly value: unknown }

/**
 * What all generators inherit from. Its `next` is called directly: each generator function makes objects of its own shape, so looking
 * `next` up in them, or anything else, would be slow as soon as there are more than four.
 */
const generatorPrototype = (Object.getPrototypeOf(function* () {}) as { readonly prototype: object }).prototype as {
  next(this: unknown): Step
  throw(this: unknown, reason: unknown): Step
}
const { next: resume, throw: throwInto } = generatorPrototype
function Native(): void {}
Native.prototype = generatorPrototype

function isGenerator(value: object): boolean {
  return value instanceof (Native as unknown as new () => object) || isForeignGenerator(value)
}

/** One of another realm: an iframe, a vm context. */
function isForeignGenerator(value: object): boolean {
  return (value as { readonly [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === 'Generator'
}

/** Reasons for a spawn to take a closer look. */
export const attention = { none: 0, scope: 1, idle: 2, trace: 4 } as const

const plain = 0
const { coroutine, promise, queued, cancelled, extra, timed, state: stated } = flag

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

export class Core implements TaskHost {
  declare readonly slab: Slab
  declare readonly scheduler: Scheduler
  /** Where tasks are spawned: the group that runs, else the first. */
  current: ReadyGroup
  /** The state of tasks that have any. */
  declare readonly memory: StateMemory
  /** See {@link attention}. */
  attention: number = attention.none
  /** The scope of the task that runs; new tasks join it. */
  scope: Membership | undefined = undefined
  /** Told once when work appears while they rest: see `whenWork`. */
  readonly #resting: Set<() => void> = new Set()
  /** Whether the coroutine that runs was woken meanwhile. */
  #rewake = false
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
  }

  /** A new task, ready to run in `group`. Throws ERR_PERCORE_EXEC_FULL when `tasksMax` are alive. */
  spawn(group: ReadyGroup, fn: unknown, arg: unknown): Task {
    const { slab } = this
    if (slab.freeTop === 0) slab.mustExtend()
    const slot = slab.free[--slab.freeTop]
    slab.fn[slot] = fn
    slab.arg[slot] = arg
    group.ring[group.tail & group.mask] = slot
    group.tail = (group.tail + 1) | 0
    if (this.attention !== 0) this.#attend(slot)
    return slab.taskAt(slot)
  }

  /** As `spawn`, with a block of state that the task has until it is over. */
  spawnWith(group: ReadyGroup, bytes: number, fn: unknown, arg: unknown): Task {
    const { slab } = this
    const { memory } = this
    if (slab.freeTop === 0) slab.mustExtend()
    const block = memory.take(bytes)
    if (slab.block.length === 0) slab.keepBlocks()
    const slot = slab.free[--slab.freeTop]
    slab.fn[slot] = fn
    slab.arg[slot] = arg
    slab.block[slot] = block
    slab.flags[slot] = stated
    group.ring[group.tail & group.mask] = slot
    group.tail = (group.tail + 1) | 0
    if (this.attention !== 0) this.#attend(slot)
    return slab.taskAt(slot)
  }

  /** As `spawn`, but 0 when `tasksMax` are alive. */
  trySpawn(group: ReadyGroup, fn: unknown, arg: unknown): Task {
    return this.slab.freeTop === 0 && !this.slab.extend() ? 0 : this.spawn(group, fn, arg)
  }

  /** A new task that is not ready before `ready` is called with its slot. Throws as `spawn`. */
  spawnTimed(group: ReadyGroup, fn: unknown, arg: unknown): number {
    const { slab } = this
    if (slab.freeTop === 0) slab.mustExtend()
    const slot = slab.free[--slab.freeTop]
    slab.fn[slot] = fn
    slab.arg[slot] = arg
    slab.flags[slot] = timed
    slab.group[slot] = group.index
    if ((this.attention & (attention.scope | attention.trace)) !== 0) this.#attend(slot)
    return slot
  }

  generationOf(slot: number): number {
    return this.slab.generation[slot]
  }

  isTimed(slot: number): boolean {
    return (this.slab.flags[slot] & timed) !== 0
  }

  /** A timed call's time has come. */
  ready(slot: number): void {
    const { slab } = this
    slab.flags[slot] &= ~timed
    this.#push(slab.group[slot], slot)
  }

  /** Wakes a coroutine that waits. Nothing happens if it does not, or is over. */
  wake(slot: number, generation: number): void {
    const { slab } = this
    if (slab.generation[slot] !== generation) {
      this.staleWakes++
      return
    }
    if (slot === running.slot) {
      this.#rewake = true
      return
    }
    const flags = slab.flags[slot]
    if ((flags & (coroutine | queued)) !== coroutine) return
    this.wakes++
    slab.flags[slot] = flags | queued
    this.#push(slab.group[slot], slot)
  }

  #push(group: number, slot: number): void {
    this.scheduler.groups[group].push(slot)
    if (this.attention !== 0 && (this.attention & attention.idle) !== 0) this.announce()
  }

  #attend(slot: number): void {
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

  /** Runs up to `most` ready tasks of a group; returns how many. An error of a task never comes out. */
  run(group: ReadyGroup, most: number): number {
    let ran = 0
    this.current = group
    while (ran < most && group.head !== group.tail) {
      // The loop and its `try` are entered once for many tasks; an error leaves it for the one task that threw.
      const head = group.head
      try {
        this.#runReady(group, most - ran)
      } catch (error) {
        this.#threw(group.ring[(group.head - 1) & group.mask], error)
      }
      ran += (group.head - head) | 0
    }
    return ran
  }

  #runReady(group: ReadyGroup, most: number): void {
    const { slab } = this
    const { fn, arg, flags, generation, free } = slab
    const { ring, mask } = group
    for (let left = most; left > 0 && group.head !== group.tail; left--) {
      const slot = ring[group.head & mask]
      group.head = (group.head + 1) | 0
      if (flags[slot] !== plain) {
        this.#runFlagged(slot, group)
        continue
      }
      const call = fn[slot] as Call // on its own: as a method of `fn` it would get that as its `this`
      const value = call(arg[slot])
      if ((typeof value === 'object' && value !== null) || flags[slot] !== plain) {
        this.#returned(slot, group, value)
        continue
      }
      fn[slot] = undefined
      arg[slot] = undefined
      generation[slot] = (generation[slot] + 1) | 0
      free[slab.freeTop++] = slot
    }
  }

  /** A ready task that is more than a plain call. */
  #runFlagged(slot: number, group: ReadyGroup): void {
    const { slab } = this
    const flags = slab.flags[slot]
    if (flags === stated) return this.#runStated(slot, group)
    if ((flags & extra) !== 0 && slab.extra[slot]?.scope !== undefined) return this.#runScoped(slot, group)
    this.#runOther(slot, group)
  }

  /** A call with a block of state: nearly as common as a plain one. */
  #runStated(slot: number, group: ReadyGroup): void {
    const { slab } = this
    const fn = slab.fn[slot] as Call
    const block = slab.block[slot]
    const value = fn(slab.arg[slot], block)
    if ((typeof value === 'object' && value !== null) || slab.flags[slot] !== stated) return this.#returned(slot, group, value)
    this.memory.give(block)
    slab.retire(slot)
  }

  #runScoped(slot: number, group: ReadyGroup): void {
    this.scope = this.slab.extra[slot]?.scope
    this.attention |= attention.scope
    try {
      this.#runOther(slot, group)
    } finally {
      this.scope = undefined
      this.attention &= ~attention.scope
    }
  }

  #runOther(slot: number, group: ReadyGroup): void {
    const { slab } = this
    const flags = slab.flags[slot]
    if ((flags & coroutine) !== 0) this.#resume(slot, group)
    else if ((flags & cancelled) !== 0) this.#fail(slot, this.#reason(slot))
    else this.#returned(slot, group, call(slab.fn[slot] as Call, slab.arg[slot], (flags & stated) === 0 ? undefined : slab.block[slot]))
  }

  /** What a function returned says what it was: a coroutine, a promise, or a call that is over. */
  #returned(slot: number, group: ReadyGroup, value: unknown): void {
    if (typeof value !== 'object' || value === null) return this.#finish(slot, value)
    if (isGenerator(value)) return this.#begin(slot, group, value)
    if (typeof (value as PromiseLike<unknown>).then !== 'function') return this.#finish(slot, value)
    const { slab } = this
    slab.fn[slot] = value
    slab.arg[slot] = undefined
    slab.flags[slot] |= promise
    const generation = slab.generation[slot]
    ;(value as PromiseLike<unknown>).then(
      (result) => {
        if (slab.generation[slot] !== generation) return
        if ((slab.flags[slot] & cancelled) === 0) this.#finish(slot, result)
        else this.#retire(slot)
      },
      (error: unknown) => {
        if (slab.generation[slot] !== generation) return
        if ((slab.flags[slot] & cancelled) === 0) this.#fail(slot, error)
        else this.#retire(slot)
      },
    )
  }

  /** A coroutine's first run. Many never wait, so the slab learns of it only when it does. */
  #begin(slot: number, group: ReadyGroup, generator: object): void {
    const { slab } = this
    this.#rewake = false
    running.slot = slot
    const step = resume.call(generator)
    running.slot = -1
    if (step.done === true) return slab.flags[slot] === plain ? slab.retire(slot) : this.#finish(slot, step.value)
    slab.arg[slot] = slab.fn[slot] // its function, for its name
    slab.fn[slot] = generator
    slab.group[slot] = group.index
    slab.flags[slot] |= coroutine | queued
    this.#stepped(slot, group, step)
  }

  #resume(slot: number, group: ReadyGroup): void {
    const { slab } = this
    if ((slab.flags[slot] & cancelled) !== 0) return this.#interrupt(slot, group)
    this.#rewake = false
    running.slot = slot
    const step = resume.call(slab.fn[slot])
    running.slot = -1
    if (step.done === true) this.#finish(slot, step.value)
    else this.#stepped(slot, group, step)
  }

  /** A coroutine waits, or gives way. */
  #stepped(slot: number, group: ReadyGroup, step: Step): void {
    const { value } = step
    if (value === undefined || (value === parked && this.#isAwaited(slot))) group.push(slot)
    else if (value === parked) this.slab.flags[slot] &= ~queued
    else this.#throwInto(slot, group, new PercoreError('ERR_PERCORE_INVALID_OPTION', notAWait(value)))
  }

  /** Something has happened already to a coroutine that is about to wait. */
  #isAwaited(slot: number): boolean {
    return this.#rewake || (this.slab.flags[slot] & cancelled) !== 0
  }

  #interrupt(slot: number, group: ReadyGroup): void {
    this.slab.flags[slot] &= ~cancelled
    this.#throwInto(slot, group, this.#reason(slot))
  }

  #throwInto(slot: number, group: ReadyGroup, reason: unknown): void {
    this.#rewake = false
    running.slot = slot
    const step = throwInto.call(this.slab.fn[slot], reason)
    running.slot = -1
    if (step.done === true) this.#finish(slot, step.value)
    else this.#stepped(slot, group, step)
  }

  #reason(slot: number): unknown {
    const had = (this.slab.flags[slot] & extra) === 0 ? undefined : this.slab.extra[slot]
    return had?.reason ?? new PercoreError('ERR_PERCORE_CANCELLED', 'the task was cancelled')
  }

  #threw(slot: number, error: unknown): void {
    running.slot = -1
    this.#fail(slot, error)
  }

  #finish(slot: number, value: unknown): void {
    const ending = this.#retire(slot)
    if (ending === undefined) return
    ending.extra.join?.finished(ending.task, value)
    ending.extra.scope?.finished(ending.task)
  }

  #fail(slot: number, error: unknown): void {
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
    if ((flags & stated) === 0) this.#fail(slot, this.#reason(slot))
    else if ((flags & cancelled) === 0) {
      const reason = this.#reason(slot)
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
    return { fn: (flags & coroutine) === 0 ? slab.fn[slot] : slab.arg[slot], stack }
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

function call(fn: Call, arg: unknown, block: StateBlock | undefined): unknown {
  return block === undefined ? fn(arg) : fn(arg, block)
}

function notAWait(value: unknown): string {
  return `a coroutine yielded ${typeof value === 'object' ? 'an object' : String(value)}; use yield* with what an Exec can wait for, or a bare yield to give way`
}
