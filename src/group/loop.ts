/**
 * A worker's loop: takes tasks from its lane, runs their handlers, and publishes completions. `turn()` does one batch and
 * can be called by hand; when to sleep and how is decided in idle.ts. It belongs to the worker's thread.
 *
 * Invariant: a task's completion is committed before the next task is started. So when this thread dies, at most the task
 * that was running synchronously, and asynchronous ones that had not settled, are lost; see `Dispatcher.recover`.
 *
 * Cost: one atomic to see the batch, one to publish its completions, one for the caller's doorbell, one to give the slots
 * back; none per task. A batch is published early when it has been running for 100 µs, so that a fast task does not wait on
 * a slow neighbour. That needs no clock per task: each handler has an estimated cost, measured on every 33rd of its runs: two clock reads, 0.1 µs.
 */
import type { Codec } from '../codec/index.js'
import type { LaneConsumer, LaneProducer } from '../ring/index.js'
import type { SharedHeap } from '../memory/index.js'
import { invariant, PercoreError } from '../base/index.js'
import { type Cancels, mayBeCalledOff, type Running } from './called-off.js'
import { slotLayout } from './fabric.js'
import type { Context, Handler } from './handlers.js'
import { isMany, manyValues, runOver } from './many.js'
import type { Meter } from './meter.js'
import { descriptor, status } from './task.js'

// Not folded when they are imported, see dispatcher.ts.
const { head: headAt, task: taskAt, generation: generationAt, payload: payloadAt } = descriptor
const { ok, failed } = status

/** Tasks taken at once: beyond 256 the batch no longer pays, and completions would come late. */
const batchMax = 256

/** Tasks of high priority run in a row before others have a turn. */
const highMax = 64

/** The oldest unpublished completion is never older than this, as far as the estimates know. */
const publishAfterUs = 100

/** What a task costs beside its handler, in µs: only used to bound a batch. */
const overheadUs = 0.2

export interface Loop {
  /** Runs one batch, of at most `budgetUs` by estimate (always at least one task); returns how many tasks it took. */
  turn(budgetUs: number): number
  /** The estimated cost of the last batch, in µs. */
  spentUs(): number
  /** True when a task is waiting in the lane, or one that runs may have been called off. */
  hasWork(): boolean
  /** Tasks whose promise has not settled yet. */
  outstanding(): number
  /** Publishes completions that came in outside a batch. */
  publish(): void
  /** Word index of the descriptor of the task that is being started; while a handler runs, until it first waits. */
  current(): number
}

export interface LoopParts {
  readonly i32: Int32Array
  readonly f64: Float64Array
  /** Word index of this worker's thread slot. */
  readonly slot: number
  readonly inbox: LaneConsumer
  /** Tasks of high priority. */
  readonly highInbox?: LaneConsumer
  readonly outbox: LaneProducer
  readonly heap: SharedHeap
  readonly codec: Codec
  readonly handlers: readonly Handler[]
  readonly context: Context<never>
  /** 1 for the handlers that take bytes where they lie: see view.ts. */
  readonly lends: Uint8Array
  readonly cancels: Pick<Cancels, 'isCalledOff' | 'begin' | 'end' | 'pending' | 'look'>
  /** What to complete a task with whose result cannot be encoded; undefined when it fails. */
  readonly instead: (result: unknown) => unknown
  readonly meter: Meter
  /** Rings the caller's doorbell; not urgent while there are more tasks to run. */
  readonly ringCaller: (urgent: boolean) => void
}

export function createLoop(parts: LoopParts): Loop {
  const { i32, f64, slot, inbox, highInbox, outbox, heap, codec, handlers, lends, context, cancels, instead, meter, ringCaller } = parts
  const memory = { i32, f64, heap, codec }
  const tasksAt = (slot + slotLayout.tasks) / 2
  const failuresAt = (slot + slotLayout.failures) / 2
  const costUs = new Float64Array(handlers.length)
  const untilSample = meter.until
  let unpublishedUs = 0
  let spentUs = 0
  let outstanding = 0
  let inBatch = false
  let highTaken = 0
  let currentAt = 0
  let publishScheduled = false

  function publish(): void {
    publishScheduled = false
    unpublishedUs = 0
    inbox.release() // first: a completion gives the caller the right to push one more
    if (highTaken > 0) {
      highTaken = 0
      highInbox?.release()
    }
    if (outbox.pending === 0) return
    outbox.publish()
    ringCaller(inbox.poll() === 0)
    heap.flush()
  }

  function claim(): number {
    const at = outbox.claim()
    if (at < 0) invariant(false, 'a completion found its lane full')
    return at
  }

  function commit(at: number, head: number, task: number, generation: number): void {
    i32[at + headAt] = head
    i32[at + taskAt] = task
    i32[at + generationAt] = generation
    outbox.commit()
    if (!inBatch && !publishScheduled) {
      publishScheduled = true
      queueMicrotask(publish)
    }
  }

  /** `flags` say that the result is an array of many, see many.ts. */
  function complete(handler: number, task: number, generation: number, result: unknown, flags = 0): void {
    const at = claim()
    let tag: number
    try {
      tag = codec.encode(result, at + payloadAt)
    } catch (error) {
      const other = instead(result)
      return other === undefined ? fail(handler, task, generation, error) : complete(handler, task, generation, other)
    }
    commit(at, ok | (tag << 16) | flags, task, generation)
  }

  function fail(handler: number, task: number, generation: number, error: unknown): void {
    const at = claim()
    f64[failuresAt]++
    meter.failed(handler)
    const tag = codec.encodeError(error, at + payloadAt)
    commit(at, failed | (tag << 16), task, generation)
  }

  function completeLater(handler: number, task: number, generation: number, result: PromiseLike<unknown>, flags = 0): void {
    outstanding++
    result.then(
      (value) => {
        outstanding--
        complete(handler, task, generation, value, flags)
      },
      (error: unknown) => {
        outstanding--
        fail(handler, task, generation, error)
      },
    )
  }

  function run(at: number): void {
    currentAt = at
    const head = i32[at + headAt]
    const task = i32[at + taskAt]
    const generation = i32[at + generationAt]
    if (head >>> 24 !== 0) return runGuarded(at, head, task, generation)
    const handler = head & 0xffff
    let result: unknown
    try {
      const value = lends[handler] === 0 ? codec.decode(head >>> 16, at + payloadAt) : codec.lend(head >>> 16, at + payloadAt)
      result = handlers[handler](value as never, context)
    } catch (error) {
      return fail(handler, task, generation, error)
    }
    if (typeof result === 'object' && result !== null && typeof (result as PromiseLike<unknown>).then === 'function') {
      completeLater(handler, task, generation, result as PromiseLike<unknown>)
    } else complete(handler, task, generation, result)
  }

  /** A task of many values: its results take their places, or come as an array. Nobody waits for it behind what is done already. */
  function runMany(at: number, head: number, task: number, generation: number, running: Running | undefined): void {
    if (outbox.pending !== 0) publish()
    const number = head & 0xffff
    const handler = handlers[number]
    const start = performance.now()
    let count = 0
    try {
      if (lends[number] !== 0) {
        codec.release((head >>> 16) & 0xff, at + payloadAt)
        throw oneAtATime()
      }
      const outcome = runOver(memory, head, at + payloadAt, (value) => {
        count++
        if (running !== undefined && cancels.isCalledOff(task)) throw calledOffMidway
        return handler(value as never, context)
      })
      if (outcome.waits) {
        const all = Promise.all(outcome.results)
        if (running === undefined) completeLater(number, task, generation, all, manyValues)
        else completeUnlessOver(number, running, all, manyValues)
      } else {
        if (running !== undefined) cancels.end(running)
        if (outcome.inPlace) completeInPlace(at, head, task, generation)
        else complete(number, task, generation, outcome.results, manyValues)
      }
    } catch (error) {
      if (running !== undefined) cancels.end(running)
      fail(number, task, generation, error)
    }
    if (count > 1) {
      f64[tasksAt] += count - 1
      meter.more(number, count - 1)
    }
    spentUs += (performance.now() - start) * 1000
    publish()
  }

  /** The block goes back as it came. */
  function completeInPlace(from: number, head: number, task: number, generation: number): void {
    const at = claim()
    i32[at + payloadAt] = i32[from + payloadAt]
    i32[at + payloadAt + 1] = i32[from + payloadAt + 1]
    commit(at, ok | (head & (isMany | 0xff0000)), task, generation)
  }

  /** A task that may be called off, or has many values. */
  function runGuarded(at: number, head: number, task: number, generation: number): void {
    if ((head & mayBeCalledOff) === 0) return runMany(at, head, task, generation, undefined)
    const tag = (head >>> 16) & 0xff
    const handler = head & 0xffff
    if (cancels.isCalledOff(task)) {
      codec.release(tag, at + payloadAt)
      return complete(handler, task, generation, undefined) // nobody waits for it, but its credit must go back
    }
    const running = cancels.begin(task, generation)
    if ((head & isMany) !== 0) return runMany(at, head, task, generation, running)
    let result: unknown
    try {
      const value = lends[handler] === 0 ? codec.decode(tag, at + payloadAt) : codec.lend(tag, at + payloadAt)
      result = handlers[handler](value as never, context)
    } catch (error) {
      cancels.end(running)
      return fail(handler, task, generation, error)
    }
    if (typeof result === 'object' && result !== null && typeof (result as PromiseLike<unknown>).then === 'function') {
      completeUnlessOver(handler, running, result as PromiseLike<unknown>)
    } else {
      cancels.end(running)
      complete(handler, task, generation, result)
    }
  }

  /** It is outstanding until its promise settles, even when it was called off before: it may still be tidying up. */
  function completeUnlessOver(handler: number, running: Running, result: PromiseLike<unknown>, flags = 0): void {
    const { task, generation } = running
    outstanding++
    const end = (then: () => void): void => {
      if (running.over) return
      cancels.end(running)
      then()
    }
    running.complete = () => end(() => complete(handler, task, generation, undefined))
    result.then(
      (value) => {
        outstanding--
        end(() => complete(handler, task, generation, value, flags))
      },
      (error: unknown) => {
        outstanding--
        end(() => fail(handler, task, generation, error))
      },
    )
  }

  function runMeasured(at: number, handler: number): void {
    meter.begins(handler)
    if ((i32[at + headAt] & isMany) !== 0) return run(at) // that measures itself
    const start = performance.now()
    run(at)
    const us = (performance.now() - start) * 1000
    meter.ran(handler, us)
    costUs[handler] = us > costUs[handler] ? us : 0.75 * costUs[handler] + 0.25 * us
  }

  /** Between two tasks of a batch that takes its time. */
  function breathe(): void {
    if (outbox.pending !== 0) publish()
    if (highInbox !== undefined) runHigh(highInbox, Infinity)
  }

  /** Tasks of high priority that are there now; a flood of them still lets others have a turn. */
  function runHigh(lane: LaneConsumer, budgetUs: number): number {
    if (!lane.mayHaveMore()) return 0
    const ready = lane.poll()
    const most = ready < highMax ? ready : highMax
    const outer = inBatch
    const startUs = spentUs
    inBatch = true
    let count = 0
    while (count < most && spentUs - startUs < budgetUs) {
      const at = lane.peek()
      const handler = i32[at + headAt] & 0xffff
      spentUs += costUs[handler] + overheadUs
      lane.advance()
      count++
      highTaken++
      if (--untilSample[handler] < 0) runMeasured(at, handler)
      else run(at)
    }
    inBatch = outer
    f64[tasksAt] += count
    publish()
    return count
  }

  function turn(budgetUs: number): number {
    if (cancels.pending()) cancels.look()
    spentUs = 0
    const before = highInbox === undefined ? 0 : runHigh(highInbox, budgetUs)
    const ready = inbox.poll()
    if (ready === 0) return before
    const most = ready < batchMax ? ready : batchMax
    let count = 0
    inBatch = true
    while (count < most && spentUs < budgetUs) {
      const at = inbox.peek()
      const handler = i32[at + headAt] & 0xffff
      spentUs += costUs[handler] + overheadUs
      unpublishedUs += costUs[handler]
      if (unpublishedUs > publishAfterUs) breathe()
      inbox.advance()
      count++
      if (--untilSample[handler] < 0) runMeasured(at, handler)
      else run(at)
    }
    inBatch = false
    f64[tasksAt] += count
    publish()
    return count + before
  }

  return { turn, publish, spentUs: () => spentUs, hasWork: () => inbox.poll() > 0 || (highInbox !== undefined && highInbox.poll() > 0) || cancels.pending(), outstanding: () => outstanding, current: () => currentAt }
}

/** Thrown through a task of many values that was called off: nobody is told. */
const calledOffMidway = new Error('called off')

function oneAtATime(): PercoreError {
  return new PercoreError('ERR_PERCORE_INVALID_OPTION', 'a handler made by view takes one value at a time. Use map, or run for each.')
}
