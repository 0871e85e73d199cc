/**
 * The way back: completions are read out of the workers' lanes and settled. It belongs to the group's thread.
 *
 * Invariant: a completion is settled once, and only if its generation is that of the task in the slab; what it carries is freed either way.
 *
 * Some are read out of a lane at a time; the lane's slots and the credits are given back, and only then are they settled, since callbacks
 * may call the group again. Closures over constants, as the worker's loop is, and for the same reason.
 */
import { cells } from '../base/index.js'
import type { LaneReaders } from '../ring/index.js'
import { count, type Ledger } from './ledger.js'
import { type ManyMemory, readMany } from './many.js'
import * as packed from './packed.js'
import { type Reject, rejectThrough, type Resolve, type TaskSlab } from './slab.js'
import { descriptor, status, viewsOf } from './task.js'

// Not folded when they are imported.
const { payload: payloadAt } = descriptor
const { ok } = status
const { entriesShift, entryWords } = packed
const { inFlight } = count

/** Descriptors read before the first completion in them is settled: the two atomics for that are shared by so many. */
const descriptorsMax = 64
const batchMax = descriptorsMax * packed.entriesMax

/** Completions that were read and not yet settled: task index, twice, and 1 if it failed; and what it came to. */
class Batch {
  readonly tasks: Int32Array = cells(batchMax)
  readonly values: unknown[] = Array.from({ length: batchMax })
}

export interface CompletionParts {
  readonly memory: ManyMemory
  readonly slab: TaskSlab
  readonly ledger: Ledger
  /** Lane w is that of worker w. */
  readonly lanes: LaneReaders
}

export interface Completion {
  /** Settles what a worker has completed, until `limit` completions or none are left; returns how many. */
  drain(worker: number, limit: number): number
}

export function createCompletion(parts: CompletionParts): Completion {
  const { memory, slab, ledger, lanes } = parts
  const { i32, codec } = memory
  const { credits, counts } = ledger
  const { heads, tasks, generations } = viewsOf(i32)
  const { entryTasks, entryGenerations, entryInts } = packed.entryViewsOf(i32)
  const generationOf = slab.generations
  /** None while one is being settled: a callback that drains makes another. */
  const spare: Batch[] = [new Batch()]

  function drain(worker: number, limit: number): number {
    let drained = 0
    while (drained < limit) {
      const ready = lanes.poll(worker)
      if (ready === 0) break
      drained += drainSome(worker, Math.min(ready, descriptorsMax))
    }
    return drained
  }

  function drainSome(worker: number, descriptors: number): number {
    const batch = spare.pop() ?? new Batch()
    const read = readSome(worker, descriptors, batch)
    credits[worker] += read
    counts[inFlight] -= read
    lanes.release(worker)
    settle(batch, read)
    if (spare.length === 0) spare.push(batch)
    return Math.max(read, descriptors)
  }

  /** Takes completions out of a lane; returns how many of them are to be settled. */
  function readSome(worker: number, descriptors: number, batch: Batch): number {
    const { tasks: read, values } = batch
    let filled = 0
    for (let i = 0; i < descriptors; i++) {
      const at = lanes.peek(worker)
      lanes.advance(worker)
      const head = heads[at]
      if (head >>> entriesShift !== 0) {
        const end = at + (head >>> entriesShift) * entryWords
        for (let words = at; words < end; words += entryWords) {
          const task = entryTasks[words]
          if (generationOf[task << 2] !== entryGenerations[words]) continue
          values[filled] = entryInts[words]
          read[filled++] = task << 1
        }
        continue
      }
      const task = tasks[at]
      if (generationOf[task << 2] !== generations[at]) {
        codec.release((head >>> 16) & 0xff, at + payloadAt)
        continue
      }
      read[filled] = (task << 1) | readOther(head, at, values, filled)
      filled++
    }
    return filled
  }

  /** Puts the value into its place; returns 1 if it is that of a failure. */
  function readOther(head: number, at: number, values: unknown[], place: number): number {
    try {
      values[place] = head >>> 24 === 0 ? codec.decode(head >>> 16, at + payloadAt) : readMany(memory, head, at + payloadAt)
      return (head & 0xffff) === ok ? 0 : 1
    } catch (error) {
      values[place] = error // what a worker could send need not be what this thread can rebuild
      return 1
    }
  }

  function settle({ tasks: read, values }: Batch, filled: number): void {
    for (let i = 0; i < filled; i++) {
      const task = read[i] >>> 1
      const failed = (read[i] & 1) !== 0
      const value = values[i]
      values[i] = undefined
      const resolve = slab.resolve(task)
      const reject = slab.reject(task)
      slab.retire(task)
      if (reject !== undefined) callBack(failed ? reject : resolve, value)
      else if (failed) rejectThrough(resolve, value)
      else resolve(value)
    }
  }

  return { drain }
}

/** What a callback throws reaches the process as an uncaught exception, as from any callback. */
function callBack(callback: Resolve | Reject, value: unknown): void {
  try {
    callback(value)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
