/**
 * What runs tasks: spawning, running and waking them, as closures over one executor's slab. The executor's thread; internal, a part of `Core`.
 *
 * Invariant: an error leaves `run` by no way but `core.fail`, and after it the loop goes on with the next task.
 *
 * Spawning and running a function costs 9 to 14 ns and no memory: one slot taken and given back, one entry of the ready ring, one call. The slab's
 * arrays are constants of these closures, so V8 has their addresses and lengths in the code; as fields of a class each use costs four loads more.
 */
import { PercoreError } from '../base/index.js'
import type { Core } from './core.js'
import type { ReadyGroup } from './group.js'
import type { StateBlock } from './state-memory.js'
import { attention, flag, type Task } from './slab.js'
import { parked, running } from './wait.js'

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

const { coroutine, queued, cancelled, extra, promise, timed, state: stated } = flag
const plain = 0
/** A coroutine whose turn it is, and nothing else. */
const suspended = coroutine | queued

/** See {@link createRunner}. */
export interface Runner {
  /** A new task, ready to run in `group`. Throws ERR_PERCORE_EXEC_FULL when `tasksMax` are alive. */
  spawn(group: ReadyGroup, fn: unknown, arg: unknown): Task
  /** As `spawn`, with a block of state that the task has until it is over. */
  spawnWith(group: ReadyGroup, bytes: number, fn: unknown, arg: unknown): Task
  /** A new task that is not ready before `ready` is called with its slot. Throws as `spawn`. */
  spawnTimed(group: ReadyGroup, fn: unknown, arg: unknown): number
  /** A timed call's time has come. */
  ready(slot: number): void
  /** Wakes a coroutine that waits. Nothing happens if it does not, or is over. */
  wake(slot: number, generation: number): void
  /** Runs up to `most` ready tasks of a group; returns how many. An error of a task never comes out. */
  run(group: ReadyGroup, most: number): number
}

/** For a core whose slab, scheduler and memory are there. */
export function createRunner(core: Core): Runner {
  const { slab, scheduler, memory } = core
  const { calls, flags, generation, free } = slab
  /** Whether the coroutine that runs was woken meanwhile. */
  let rewake = false

  const spawn = (group: ReadyGroup, fn: unknown, arg: unknown): Task => {
    if (slab.freeTop === 0) slab.mustExtend()
    const slot = free[--slab.freeTop]
    calls[2 * slot] = fn
    calls[2 * slot + 1] = arg
    group.ring[group.tail & group.mask] = slot
    group.tail = (group.tail + 1) | 0
    if (core.attention !== 0) core.attend(slot)
    return slab.taskAt(slot)
  }

  const spawnWith = (group: ReadyGroup, bytes: number, fn: unknown, arg: unknown): Task => {
    if (slab.freeTop === 0) slab.mustExtend()
    const block = memory.take(bytes)
    if (slab.block.length === 0) slab.keepBlocks()
    const slot = free[--slab.freeTop]
    calls[2 * slot] = fn
    calls[2 * slot + 1] = arg
    slab.block[slot] = block
    flags[slot] = stated
    group.ring[group.tail & group.mask] = slot
    group.tail = (group.tail + 1) | 0
    if (core.attention !== 0) core.attend(slot)
    return slab.taskAt(slot)
  }

  const spawnTimed = (group: ReadyGroup, fn: unknown, arg: unknown): number => {
    if (slab.freeTop === 0) slab.mustExtend()
    const slot = free[--slab.freeTop]
    calls[2 * slot] = fn
    calls[2 * slot + 1] = arg
    flags[slot] = timed
    slab.group[slot] = group.index
    if ((core.attention & (attention.scope | attention.trace)) !== 0) core.attend(slot)
    return slot
  }

  const push = (group: number, slot: number): void => {
    scheduler.groups[group].push(slot)
    if ((core.attention & attention.idle) !== 0) core.announce()
  }

  const ready = (slot: number): void => {
    flags[slot] &= ~timed
    push(slab.group[slot], slot)
  }

  const wake = (slot: number, wanted: number): void => {
    if (generation[slot] !== wanted) {
      core.staleWakes++
      return
    }
    if (slot === running.slot) {
      rewake = true
      return
    }
    if ((flags[slot] & (coroutine | queued)) !== coroutine) return
    core.wakes++
    flags[slot] |= queued
    push(slab.group[slot], slot)
  }

  // One function with all that is common in it, so large that V8 does not inline it in the turn; and it reads its constants before its loops. Inside
  // of loops, those of the turn too, V8 lowers the uses of a closure's constant before it knows that it is one.
  const run = (group: ReadyGroup, most: number): number => {
    const { calls, flags, generation, free } = slab
    const { ring, mask } = group
    const from = group.head
    core.current = group
    for (let left = most; left > 0 && group.head !== group.tail; left = (most - group.head + from) | 0) {
      // The `try` is entered once for many tasks; an error leaves it for the one task that threw.
      try {
        let { head } = group
        const ready = (group.tail - head) | 0
        const end = (head + (ready < left ? ready : left)) | 0
        while (head !== end) {
          const slot = ring[head & mask]
          head = (head + 1) | 0
          group.head = head
          const kind = flags[slot]
          if (kind === plain) {
            const call = calls[2 * slot] as Call // on its own: as a method of `calls` it would get that as its `this`
            const value = call(calls[2 * slot + 1])
            if ((value !== undefined && typeof value === 'object' && value !== null) || flags[slot] !== plain) returned(slot, group, value)
            else {
              calls[2 * slot] = undefined
              calls[2 * slot + 1] = undefined
              generation[slot] = (generation[slot] + 1) | 0
              const top = slab.freeTop
              slab.freeTop = (top + 1) | 0 // `top++` would look for an overflow
              free[top] = slot
            }
          } else if (kind === suspended) {
            rewake = false
            running.slot = slot
            const step = resume.call(calls[2 * slot])
            running.slot = -1
            const { value } = step
            if (step.done === true) core.finish(slot, value)
            else if (value === undefined) {
              group.ring[group.tail & mask] = slot
              group.tail = (group.tail + 1) | 0
            } else stepped(slot, group, value)
          } else if (kind === stated) {
            const call = calls[2 * slot] as Call
            const block = slab.block[slot]
            const value = call(calls[2 * slot + 1], block)
            if ((value !== undefined && typeof value === 'object' && value !== null) || flags[slot] !== stated) returned(slot, group, value)
            else {
              memory.give(block)
              slab.retire(slot)
            }
          } else runOther(slot, group)
        }
      } catch (error) {
        running.slot = -1
        fail(ring[(group.head - 1) & mask], error)
      }
    }
    return (group.head - from) | 0
  }

  /** That something else than a function was spawned is found here, where it costs nothing. */
  const fail = (slot: number, error: unknown): void => {
    const fn = calls[2 * slot]
    if ((flags[slot] & (coroutine | promise)) !== 0 || typeof fn === 'function') return core.fail(slot, error)
    core.fail(slot, new PercoreError('ERR_PERCORE_INVALID_OPTION', `a task must be a function, not ${fn === null ? 'null' : typeof fn}. Spawn a function, and pass its argument behind it.`))
  }

  const runOther = (slot: number, group: ReadyGroup): void => {
    if ((flags[slot] & extra) === 0 || slab.extra[slot]?.scope === undefined) return runUnscoped(slot, group)
    core.scope = slab.extra[slot]?.scope
    core.attention |= attention.scope
    try {
      runUnscoped(slot, group)
    } finally {
      core.scope = undefined
      core.attention &= ~attention.scope
    }
  }

  const runUnscoped = (slot: number, group: ReadyGroup): void => {
    const kind = flags[slot]
    if ((kind & coroutine) !== 0) return resumeAt(slot, group)
    if ((kind & cancelled) !== 0) return core.fail(slot, core.reason(slot))
    const call = calls[2 * slot] as Call
    const arg = calls[2 * slot + 1]
    returned(slot, group, (kind & stated) === 0 ? call(arg) : call(arg, slab.block[slot]))
  }

  /** What a function returned says what it was: a coroutine, a promise, or a call that is over. */
  const returned = (slot: number, group: ReadyGroup, value: unknown): void => {
    if (typeof value !== 'object' || value === null) core.finish(slot, value)
    else if (isGenerator(value)) begin(slot, group, value)
    else if (typeof (value as PromiseLike<unknown>).then === 'function') core.settleWith(slot, value as PromiseLike<unknown>)
    else core.finish(slot, value)
  }

  /** A coroutine's first run. Many never wait, so the slab learns of it only when it does. */
  const begin = (slot: number, group: ReadyGroup, generator: object): void => {
    rewake = false
    running.slot = slot
    const step = resume.call(generator)
    running.slot = -1
    if (step.done === true) return flags[slot] === plain ? slab.retire(slot) : core.finish(slot, step.value)
    calls[2 * slot + 1] = calls[2 * slot] // its function, for its name
    calls[2 * slot] = generator
    slab.group[slot] = group.index
    flags[slot] |= coroutine | queued
    stepped(slot, group, step.value)
  }

  const resumeAt = (slot: number, group: ReadyGroup): void => {
    if ((flags[slot] & cancelled) !== 0) return interrupt(slot, group)
    rewake = false
    running.slot = slot
    const step = resume.call(calls[2 * slot])
    running.slot = -1
    if (step.done === true) core.finish(slot, step.value)
    else stepped(slot, group, step.value)
  }

  /** A coroutine waits, or gives way. */
  const stepped = (slot: number, group: ReadyGroup, value: unknown): void => {
    if (value === undefined || (value === parked && isAwaited(slot))) group.push(slot)
    else if (value === parked) flags[slot] &= ~queued
    else throwAt(slot, group, new PercoreError('ERR_PERCORE_INVALID_OPTION', notAWait(value)))
  }

  /** Something has happened already to a coroutine that is about to wait. */
  const isAwaited = (slot: number): boolean => rewake || (flags[slot] & cancelled) !== 0

  const interrupt = (slot: number, group: ReadyGroup): void => {
    flags[slot] &= ~cancelled
    throwAt(slot, group, core.reason(slot))
  }

  const throwAt = (slot: number, group: ReadyGroup, reason: unknown): void => {
    rewake = false
    running.slot = slot
    const step = throwInto.call(calls[2 * slot], reason)
    running.slot = -1
    if (step.done === true) core.finish(slot, step.value)
    else stepped(slot, group, step.value)
  }

  return { spawn, spawnWith, spawnTimed, ready, wake, run }
}

function notAWait(value: unknown): string {
  return `a coroutine yielded ${typeof value === 'object' ? 'an object' : String(value)}; use yield* with what an Exec can wait for, or a bare yield to give way`
}
