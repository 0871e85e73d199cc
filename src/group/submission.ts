/**
 * The way out: how a task gets from this thread into a worker's lane, and when the lane is published. It belongs to the group's thread.
 *
 * Invariant: whoever submits holds a credit, so a task never finds its lane full. What was committed in a turn is published at its end at the
 * latest.
 *
 * Closures over constants, as the worker's loop is, and for the same reason.
 */
import { cells, cellsOf, invariant, settled } from '../base/index.js'
import { type LaneWriters, ring } from '../ring/index.js'
import { count, type Ledger } from './ledger.js'
import * as packed from './packed.js'
import { neverWaited } from './call.js'
import { type Chunk, isMany, type ManyMemory, writeChunk } from './many.js'
import type { Reject, Resolve, TaskSlab } from './slab.js'
import { Sampler, stamp, stamped, stampUs } from './stamps.js'
import { descriptor, viewsOf } from './task.js'

// Not folded when they are imported.
const { payload: payloadAt } = descriptor
const { entriesMax, entriesShift, entryWords, oneEntry } = packed
const packedHead = packed.headOf(0)
const { inFlight, open } = count

/**
 * Tasks gathered before they are published within a turn. Few, so that the worker runs the first while the rest are
 * still being encoded: echoing with 64 in flight and one worker went from 1.7 to 4.8 M tasks/s when this went from 64 to 8; and full descriptors of
 * numbers. A sleeping worker is rung at the first of them and at the end of the turn only: where cores are short it would take this
 * thread's, find eight tasks and go back to sleep, and be woken again for the next eight.
 */
const publishBatch = 2 * packed.entriesMax

export interface SubmissionParts {
  readonly memory: ManyMemory
  /** Where the tasks' stamps begin. */
  readonly stampsAt: number
  readonly slab: TaskSlab
  readonly ledger: Ledger
  /** Lane w is that to worker w, lane w + `highLanes` that of high priority. */
  readonly lanes: LaneWriters
  readonly highLanes: number
  /** The workers' doorbells, and what sends each a message. */
  readonly doorbells: readonly number[]
  readonly bells: readonly (() => void)[]
  /** Called after each task: completions are to be looked for. */
  readonly poll: { readonly polling: boolean, start(): void }
  /** Called at the end of a turn that submitted, or was asked for. */
  readonly ended: () => void
}

export interface Submission {
  /** Pushes a task into a lane, for a credit of the worker's. Throws what encoding the value throws; nothing has happened then. */
  submit(lane: number, worker: number, handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined, flags: number): void
  /** The same for one that has waited in a line: its stamp's weight, 0 when it has none, and since when it has. */
  submitWaited(
    lane: number, worker: number, handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined, flags: number, weight: number, sinceUs: number,
  ): void
  /** While a value is encoded: its getters may call the group, and must wait, since a slot is claimed and not yet committed. */
  isEncoding(): boolean
  /** Ends the turn when this thread's call stack is empty. */
  endTurnSoon(): void
  /** Publishes everything and rings. */
  endTurn(): void
  publish(lane: number): void
  ring(worker: number): void
}

const encoding = 0
const endScheduled = 1
/** Of the task that is being submitted, see {@link Submission.submitWaited}. */
const stampWeight = 2
const stampSince = 3

export function createSubmission(parts: SubmissionParts): Submission {
  const { memory, stampsAt, slab, ledger, lanes, highLanes, doorbells, bells, poll, ended } = parts
  const { i32, codec } = memory
  const { credits, counts } = ledger
  const { heads, tasks, generations } = viewsOf(i32)
  const { entryTasks, entryGenerations, entryInts } = packed.entryViewsOf(i32)
  const generationOf = slab.generations
  const state = cellsOf([0, 0, neverWaited, 0])
  /** How often a lane was published in this turn, by worker; it was rung for the first. */
  const published = cells(credits.length)
  /** By lane: where the descriptor with entries is that was committed last since it was published; 0 when there is none. */
  const packing = cells(2 * credits.length)
  /** By lane: tasks until something is to be done, and how many there were when that was found; until it is published, and until one is stamped. */
  const left = cells(2 * credits.length)
  const span = cells(2 * credits.length)
  const toPublish = cells(2 * credits.length)
  const toStamp = cells(2 * credits.length)
  const samplers = Array.from(left, (_, lane) => new Sampler(lane))
  for (const [lane, sampler] of samplers.entries()) {
    toStamp[lane] = sampler.draw()
    gatherAnew(lane)
  }

  function submit(lane: number, worker: number, handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined, flags: number): void {
    if (typeof value === 'number' && (value | 0) === value && flags === 0 && lane < highLanes && !Object.is(value, -0)) pack(lane, handler, value, resolve, reject)
    else write(lane, handler, value, resolve, reject, flags)
    credits[worker]--
    counts[inFlight]++
    if (state[endScheduled] === 0) endTurnSoon()
    if (--left[lane] <= 0) reached(lane, worker)
    if (!poll.polling) poll.start()
  }

  function submitWaited(
    lane: number, worker: number, handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined, flags: number, weight: number, sinceUs: number,
  ): void {
    state[stampWeight] = weight
    state[stampSince] = sinceUs
    if (weight > 0) {
      countOff(lane)
      toStamp[lane] = 1
      span[lane] = left[lane] = 1
    }
    try {
      submit(lane, worker, handler, value, resolve, reject, flags)
    } finally {
      state[stampWeight] = neverWaited
    }
  }

  /** What was counted down to has come. */
  function reached(lane: number, worker: number): void {
    countOff(lane)
    if (toStamp[lane] <= 0) stampLast(lane)
    if (toPublish[lane] <= 0) publishEarly(lane, worker)
    else span[lane] = left[lane] = Math.min(toPublish[lane], toStamp[lane])
  }

  function countOff(lane: number): void {
    const taken = span[lane] - left[lane]
    span[lane] = left[lane]
    toPublish[lane] -= taken
    toStamp[lane] -= taken
  }

  function gatherAnew(lane: number): void {
    toPublish[lane] = lane < highLanes ? publishBatch : 1
    span[lane] = left[lane] = Math.min(toPublish[lane], toStamp[lane])
  }

  /** The task that was committed last, unless it is many, or has waited and its time is not known. */
  function stampLast(lane: number): void {
    const at = lanes.last(lane)
    const head = heads[at]
    const weight = state[stampWeight]
    const sampler = samplers[lane]
    if (weight !== 0 && (head & isMany) === 0) {
      const task = head >>> entriesShift === 0 ? tasks[at] : entryTasks[at + ((head >>> entriesShift) - 1) * entryWords]
      if (weight > 0) stamp(i32, stampsAt, task, state[stampSince], weight)
      else {
        const now = stampUs()
        stamp(i32, stampsAt, task, now, sampler.weight)
        sampler.took(now)
      }
      heads[at] = head | stamped
    }
    toStamp[lane] = sampler.draw()
  }

  /** Into the descriptor before, if that is of numbers for the same handler and has room, or into a new one. */
  function pack(lane: number, handler: number, value: number, resolve: Resolve, reject: Reject | undefined): void {
    const task = slab.next()
    let at = packing[lane]
    let head = at === 0 ? 0 : heads[at]
    const isNew = at === 0 || (head & (oneEntry - 1)) !== (handler | packedHead) || head >>> entriesShift === entriesMax
    if (isNew) {
      at = claim(lane)
      head = handler | packedHead
    }
    const entry = head >>> entriesShift
    const words = at + entry * entryWords
    entryTasks[words] = task
    entryGenerations[words] = generationOf[task << 2]
    entryInts[words] = value
    heads[at] = head + oneEntry
    if (isNew) {
      packing[lane] = at
      lanes.commit(lane)
    }
    slab.take(task, lane, (lanes.written(lane) - 1) | 0, entry, resolve, reject)
  }

  function write(lane: number, handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined, flags: number): void {
    const at = claim(lane)
    const task = slab.next()
    const tag = encode(value, at + payloadAt, flags)
    heads[at] = handler | (tag << 16) | flags
    tasks[at] = task
    generations[at] = generationOf[task << 2]
    slab.take(task, lane, lanes.written(lane), 0, resolve, reject)
    packing[lane] = 0
    lanes.commit(lane)
  }

  function claim(lane: number): number {
    const at = lanes.claim(lane)
    if (at < 0) invariant(false, 'a credit found its lane full')
    return at
  }

  function encode(value: unknown, at: number, flags: number): number {
    state[encoding] = 1
    try {
      return (flags & isMany) !== 0 ? writeChunk(memory, value as Chunk, at) : codec.encode(value, at)
    } finally {
      state[encoding] = 0
    }
  }

  function publish(lane: number): void {
    countOff(lane)
    gatherAnew(lane)
    packing[lane] = 0
    lanes.publish(lane)
  }

  function publishEarly(lane: number, worker: number): void {
    publish(lane)
    if (published[worker]++ === 0) ringOf(worker)
  }

  function endTurnSoon(): void {
    if (state[endScheduled] !== 0) return
    state[endScheduled] = 1
    void settled.then(endTurn)
  }

  function endTurn(): void {
    state[endScheduled] = 0
    for (let worker = 0; worker < counts[open]; worker++) {
      const early = published[worker]
      published[worker] = 0
      ledger.noteDepth(worker)
      if (lanes.pending(worker) !== 0) publish(worker)
      else if (early <= 1) continue
      ringOf(worker)
    }
    ended()
  }

  function ringOf(worker: number): void {
    ring(i32, doorbells[worker], bells[worker])
  }

  return { submit, submitWaited, isEncoding: () => state[encoding] !== 0, endTurnSoon, endTurn, publish, ring: ringOf }
}
