/**
 * The task slab: what an executor remembers of each live task, in flat arrays by a small index, the slot. One thread: the executor's.
 *
 * Invariant: a slot is either on the free list or belongs to one live task, and its generation counts the tasks it has belonged to. So
 * (slot, generation) names one task for ever, and whoever comes with an older generation comes too late.
 *
 * A slot is reused at once, last freed first: its lines are still in the cache. Memory is taken as slots are used for the first
 * time. A live task costs 16 bytes (function, argument) and 10 (generation, free list, flags, group).
 */
import { PercoreError } from '../base/index.js'
import type { StateBlock } from './state-memory.js'

/** What a task needs beyond a call of a function; 0 is a plain call, the fast path. */
export const flag = {
  /** A generator that has been started; which lies where its function was. */
  coroutine: 1,
  /** A promise that has not settled; which lies where its function was. */
  promise: 2,
  /** A coroutine that lies in a ready ring or runs. */
  queued: 4,
  /** To be ended as soon as it would run next. */
  cancelled: 8,
  /** It has an entry in `extra`. */
  extra: 16,
  /** A call that waits for its time; not in a ready ring. */
  timed: 32,
  /** It owns a block of task state. */
  state: 64,
} as const

/** Reasons for a spawn to take a closer look. */
export const attention = { none: 0, scope: 1, idle: 2, trace: 4 } as const

/** Names a live task; made by `spawn`. A plain number: nothing is allocated for it, and forgetting it costs nothing. */
export type Task<T = unknown> = number & { readonly [result]?: T }
declare const result: unique symbol

/** What a task gives: what its function returns, its coroutine returns, or its promise resolves to. */
export type Result<R> = R extends Generator<unknown, infer T, unknown> ? T : Awaited<R>

/** Slots are below this; a task's number is generation × 2^21 + slot + 1, so it is exact, and never 0. */
export const slotsMax: number = 2 ** 20
const generationStep = 2 ** 21

/** Slots are readied this many at a time. */
const freshSlots = 64

/** What few tasks have: a join handle, a cancellation scope, a name. */
export interface Extra {
  /** Told once how the task ended; join.ts makes it. */
  join: Ending | undefined
  scope: Membership | undefined
  /** The task is ended with this when it is cancelled. */
  reason: unknown
  /** Where it was spawned, when spawns are traced. */
  spawned: string | undefined
}

/** Someone who is told how a task ended. */
export interface Ending {
  finished(task: Task, value: unknown): void
  failed(task: Task, error: unknown): void
}

/** A scope, which its tasks join as they are spawned. */
export interface Membership {
  joined(task: Task): void
  finished(task: Task): void
  /** `told` when the task's join handle was told of the error. */
  failed(task: Task, error: unknown, told: boolean): void
}

export class Slab {
  // `declare`: a field that is declared and then assigned is written twice, and V8 treats only what is written once as a constant.

  declare readonly capacity: number
  /** At 2 × slot the function of a call that has not begun, then its generator if it made one; its argument behind it. */
  readonly calls: unknown[] = []
  /** Empty until the first task has any. */
  readonly extra: (Extra | undefined)[] = []
  /** The block of state of a task that has one; empty until the first has. */
  readonly block: StateBlock[] = []
  declare readonly flags: Uint8Array
  /** The scheduling group of a coroutine or a timed call; of no meaning for others. */
  declare readonly group: Uint8Array
  declare readonly generation: Int32Array
  declare readonly free: Int32Array
  freeTop = 0

  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > slotsMax) {
      throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `tasksMax must be an integer from 1 to ${slotsMax}, not ${capacity}`)
    }
    this.capacity = capacity
    this.flags = new Uint8Array(capacity)
    this.group = new Uint8Array(capacity)
    this.generation = new Int32Array(capacity)
    this.free = new Int32Array(capacity)
  }

  /** Slots made ready so far. */
  get slots(): number {
    return this.calls.length / 2
  }

  /** Tasks alive. */
  get live(): number {
    return this.slots - this.freeTop
  }

  /** Readies slots never used before; false when there are none. */
  extend(): boolean {
    const from = this.slots
    const to = Math.min(from + freshSlots, this.capacity)
    for (let slot = from; slot < to; slot++) this.calls.push(undefined, undefined)
    if (this.extra.length > 0) fill(this.extra, undefined, to)
    if (this.block.length > 0) fill(this.block, 0, to)
    for (let slot = to - 1; slot >= from; slot--) this.free[this.freeTop++] = slot
    return to > from
  }

  mustExtend(): void {
    if (this.extend()) return
    throw new PercoreError('ERR_PERCORE_EXEC_FULL', `${this.capacity} tasks are alive; raise tasksMax, or use trySpawn and try again later`)
  }

  /** Before the first task with state. */
  keepBlocks(): void {
    fill(this.block, 0, this.slots)
  }

  /** Frees the slot of a task that is over. */
  retire(slot: number): void {
    this.calls[2 * slot] = undefined
    this.calls[2 * slot + 1] = undefined
    this.flags[slot] = 0
    this.generation[slot] = (this.generation[slot] + 1) | 0
    this.free[this.freeTop++] = slot
  }

  /** The number of the task in that slot. */
  taskAt(slot: number): Task {
    return (this.generation[slot] >>> 0) * generationStep + slot + 1
  }

  /** The slot of a live task, or -1 if it is over. */
  find(task: Task): number {
    const slot = (task % generationStep) - 1
    const generation = Math.floor(task / generationStep) | 0
    return slot >= 0 && slot < this.slots && this.generation[slot] === generation && this.calls[2 * slot] !== undefined ? slot : -1
  }

  /** The extras of a task, made when first asked for. */
  extraOf(slot: number): Extra {
    this.flags[slot] |= flag.extra
    if (this.extra.length === 0) fill(this.extra, undefined, this.slots)
    return this.extra[slot] ??= { join: undefined, scope: undefined, reason: undefined, spawned: undefined }
  }
}

function fill<T>(list: T[], value: T, length: number): void {
  while (list.length < length) list.push(value)
}
