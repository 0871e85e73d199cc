/**
 * The way out: how a task gets from this thread into a worker's lane, and when the lane is published. It belongs to the group's thread.
 *
 * Invariant: whoever submits holds a credit, so a task never finds its lane full. What was committed in a turn is published at its end at the
 * latest.
 *
 * Closures over constants, as the worker's loop is, and for the same reason.
 */
import { cells, invariant } from '../base/index.js'
import { kind } from '../codec/index.js'
import { type LaneWriters, ring } from '../ring/index.js'
import { count, type Ledger } from './ledger.js'
import { type Chunk, isMany, type ManyMemory, writeChunk } from './many.js'
import type { Reject, Resolve, TaskSlab } from './slab.js'
import { descriptor, viewsOf } from './task.js'

// Not folded when they are imported.
const { payload: payloadAt } = descriptor
const { int32 } = kind
const { inFlight, open } = count

/**
 * Descriptors gathered before they are published within a turn. Small, so that the worker runs the first while the rest are
 * still being encoded: echoing with 64 in flight and one worker went from 1.7 to 4.8 M tasks/s when this went from 64 to 8.
 * A sleeping worker is rung at the first of them and at the end of the turn only: where cores are short it would take this
 * thread's, find eight tasks and go back to sleep, and be woken again for the next eight.
 */
const publishBatch = 8

export interface SubmissionParts {
  readonly memory: ManyMemory
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
  /** While a value is encoded: its getters may call the group, and must wait, since a slot is claimed and not yet committed. */
  isEncoding(): boolean
  /** Ends the turn when this thread's call stack is empty. */
  endTurnSoon(): void
  /** Publishes everything and rings. */
  endTurn(): void
  ring(worker: number): void
}

const encoding = 0
const endScheduled = 1

export function createSubmission(parts: SubmissionParts): Submission {
  const { memory, slab, ledger, lanes, highLanes, doorbells, bells, poll, ended } = parts
  const { i32, codec } = memory
  const { credits, counts } = ledger
  const { heads, tasks, generations, ints } = viewsOf(i32)
  const generationOf = slab.generations
  const state = cells(2)
  /** How often a lane was published in this turn, by worker; it was rung for the first. */
  const published = cells(credits.length)

  function submit(lane: number, worker: number, handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined, flags: number): void {
    const at = lanes.claim(lane)
    if (at < 0) invariant(false, 'a credit found its lane full')
    const task = slab.next()
    let tag: number
    if (typeof value === 'number' && (value | 0) === value && !Object.is(value, -0)) {
      ints[at] = value
      tag = int32
    } else tag = encode(value, at + payloadAt, flags)
    heads[at] = handler | (tag << 16) | flags
    tasks[at] = task
    generations[at] = generationOf[task << 2]
    slab.take(task, lane, lanes.written(lane), resolve, reject)
    credits[worker]--
    counts[inFlight]++
    lanes.commit(lane)
    if (state[endScheduled] === 0) endTurnSoon()
    if (lanes.pending(lane) >= publishBatch || lane >= highLanes) publishEarly(lane, worker)
    if (!poll.polling) poll.start()
  }

  function encode(value: unknown, at: number, flags: number): number {
    state[encoding] = 1
    try {
      return (flags & isMany) !== 0 ? writeChunk(memory, value as Chunk, at) : codec.encode(value, at)
    } finally {
      state[encoding] = 0
    }
  }

  function publishEarly(lane: number, worker: number): void {
    lanes.publish(lane)
    if (published[worker]++ === 0) ringOf(worker)
  }

  function endTurnSoon(): void {
    if (state[endScheduled] !== 0) return
    state[endScheduled] = 1
    queueMicrotask(endTurn)
  }

  function endTurn(): void {
    state[endScheduled] = 0
    for (let worker = 0; worker < counts[open]; worker++) {
      const early = published[worker]
      published[worker] = 0
      ledger.noteDepth(worker)
      if (lanes.pending(worker) !== 0) lanes.publish(worker)
      else if (early <= 1) continue
      ringOf(worker)
    }
    ended()
  }

  function ringOf(worker: number): void {
    ring(i32, doorbells[worker], bells[worker])
  }

  return { submit, isEncoding: () => state[encoding] !== 0, endTurnSoon, endTurn, ring: ringOf }
}
