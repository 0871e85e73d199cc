/**
 * Back-pressure: what happens to a call that finds no room, and how the caller learns that it should slow down or may go on. On the
 * group's thread.
 *
 * Invariant: a call that is refused or dropped is told so exactly once; whoever awaits room is woken when some comes back, or told that none will.
 */
import { PercoreError } from '../base/index.js'
import { Moved } from '../codec/index.js'
import { argumentOf, type Call, failCall } from './call.js'
import type { WaitingLines } from './waiting.js'

/** What happens to a call of `run` when all workers it may go to are full; see `ExecGroupOptions.whenFull`. */
export type WhenFull = 'wait' | 'reject' | 'drop-newest' | 'drop-oldest'

export const whenFullPolicies: readonly WhenFull[] = ['wait', 'reject', 'drop-newest', 'drop-oldest']

/** What is told to whoever made the group. Called in a microtask, so that what listeners do, and throw, harms nobody here. */
export interface PressureEvents {
  /** The load has reached `highWater`. */
  high(load: number): void
  /** It has fallen to `lowWater` since. */
  low(load: number): void
  dropped(handler: number, value: unknown): void
}

export interface PressureParts {
  readonly waiting: WaitingLines
  readonly policy: WhenFull
  readonly maxQueue: number
  readonly highWater: number
  readonly lowWater: number
  /** How many more tasks can be pushed now: to any worker, or to this one. */
  readonly room: (worker: number | undefined) => number
  readonly events: PressureEvents
}

interface Waiter {
  readonly worker: number | undefined
  readonly resolve: () => void
  readonly reject: (error: PercoreError) => void
}

export class Pressure {
  /** Calls dropped since the group was started. */
  dropped = 0
  readonly #parts: PressureParts
  #isHigh = false
  /** A push was refused and no credit has come back since: there may be room, but not where it is wanted. */
  #refused = false
  #waiters: Waiter[] = []

  constructor(parts: PressureParts) {
    this.#parts = parts
  }

  /** No more calls may wait. */
  get isFull(): boolean {
    return this.#parts.waiting.limited >= this.#parts.maxQueue
  }

  /** Lets a call wait, or settles it as the policy says: then false. */
  enqueue(call: Call): boolean {
    const { waiting, policy } = this.#parts
    if (this.isFull && !call.exempt) {
      const dropped = policy === 'drop-oldest' ? (waiting.removeOldest() ?? call) : call
      if (policy === 'drop-oldest' || policy === 'drop-newest') this.#drop(dropped)
      else failCall(call, queueFull(waiting.limited))
      if (dropped === call) return false
    }
    try {
      if (call.value instanceof Moved) call.value.take()
    } catch (error) {
      failCall(call, error)
      return false
    }
    waiting.push(call)
    return true
  }

  /** A task that must be taken now or not at all found no room, with others in flight or not. */
  refuse(call: Call, inFlight: boolean): boolean {
    this.#refused = inFlight
    if (this.#parts.policy === 'drop-oldest') return this.enqueue(call)
    if (this.#parts.policy === 'drop-newest') this.#drop(call)
    return false
  }

  /** Looks at the load: at the end of a turn that pushed tasks. */
  look(load: number): void {
    if (this.#isHigh || load < this.#parts.highWater) return
    this.#isHigh = true
    queueMicrotask(() => this.#parts.events.high(load))
  }

  /** Credits have come back. */
  relieved(load: number): void {
    this.#refused = false
    if (this.#waiters.length > 0) this.#wake()
    if (!this.#isHigh || load > this.#parts.lowWater) return
    this.#isHigh = false
    queueMicrotask(() => this.#parts.events.low(load))
  }

  /** Resolves when there is room, for this worker or for any. */
  ready(worker: number | undefined): Promise<void> {
    if (!this.#refused && this.#parts.room(worker) > 0) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiters.push({ worker, resolve, reject }))
  }

  /** No room will ever come on this worker, or on any. */
  end(error: PercoreError, worker?: number): void {
    const isEnded = (waiter: Waiter): boolean => worker === undefined || waiter.worker === worker
    const ended = this.#waiters.filter(isEnded)
    this.#waiters = this.#waiters.filter((waiter) => !isEnded(waiter))
    for (const waiter of ended) waiter.reject(error)
  }

  /** As many as there is room for, first come first served; the rest gets what those leave. */
  #wake(): void {
    const waiters = this.#waiters
    const left: Waiter[] = []
    const woken = new Map<number | undefined, number>()
    for (const waiter of waiters) {
      const count = woken.get(waiter.worker) ?? 0
      if (count < this.#parts.room(waiter.worker)) {
        woken.set(waiter.worker, count + 1)
        waiter.resolve()
      } else left.push(waiter)
    }
    this.#waiters = left
    if (left.length > 0 && woken.size > 0) setImmediate(() => this.#waiters.length > 0 && this.#wake())
  }

  #drop(call: Call): void {
    this.dropped++
    const message = `the task was dropped, since ${this.#parts.maxQueue} were waiting. Send less, or raise maxQueue.`
    failCall(call, new PercoreError('ERR_PERCORE_DROPPED', message))
    queueMicrotask(() => this.#parts.events.dropped(call.handler, argumentOf(call.value)))
  }
}

function queueFull(waiting: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_QUEUE_FULL',
    waiting === 0
      ? 'every worker that may run this task is full, and no call may wait. Await group.ready(), or let calls wait by maxQueue.'
      : `${waiting} calls are waiting for a worker, as many as maxQueue allows. Await some of them, or raise maxQueue.`,
  )
}
