/**
 * A worker's loop: takes tasks from its lane, runs their handlers, and publishes completions. `turn()` does one batch and
 * can be called by hand; when to sleep and how is decided in idle.ts. It belongs to the worker's thread.
 *
 * Invariant: a task's completion is committed before the next task is started. So when this thread dies, at most the task
 * that was running synchronously, and asynchronous ones that had not settled, are lost; see `Dispatcher.recover`.
 *
 * Descriptors with entries hold several tasks, or completions, each: see packed.ts.
 *
 * Cost: one atomic to see the batch, one to publish its completions, one for the caller's doorbell, one to give the slots
 * back; none per task. A batch is published early when it has been running for 100 µs, so that a fast task does not wait on
 * a slow neighbour. That needs no clock per task: each handler has an estimated cost, measured on every 33rd of its runs: two clock reads, 0.1 µs.
 */
import { type Codec, gathered } from '../codec/index.js'
import { type LaneReaders, laneReaders, laneWriters } from '../ring/index.js'
import type { SharedHeap } from '../memory/index.js'
import { cells, doubleCells, invariant, isThenable, PercoreError, settled } from '../base/index.js'
import { type Cancels, mayBeCalledOff, type Running } from './called-off.js'
import { slotLayout } from './fabric.js'
import type { Context, Handler } from './handlers.js'
import { isMany, manyValues, runOver } from './many.js'
import type { Meter } from './meter.js'
import * as packed from './packed.js'
import { stamped, waitedUs, weightOf } from './stamps.js'
import { descriptor, status, viewsOf } from './task.js'

// Not folded when they are imported.
const { payload: payloadAt } = descriptor
const { ok, failed } = status
const { entriesMax, entriesShift, entryWords, oneEntry } = packed
const okInts = packed.headOf(ok)
const okIntsFull = okInts + entriesMax * oneEntry

/** Descriptors taken at once: beyond 256 the batch no longer pays, and completions would come late. */
const batchMax = 256

/** Tasks of high priority run in a row before others have a turn. */
const highMax = 64

/** The oldest unpublished completion is never older than this, as far as the estimates know. */
const publishAfterUs = 100

/**
 * Handlers that take longer are called rather than compiled into this loop: what a call costs they do not feel, but V8 may keep the variables of
 * their loops on the stack when they lie within so much else, and then they take up to 2.5 times as long.
 */
const inlineUsMax = 1

/** A call that V8 has seen go to several functions, and so compiles as one. */
function callOut(handler: Handler, value: unknown, context: Context<never>): unknown {
  return handler(value as never, context)
}

for (let i = 0; i < 500; i++) callOut(i % 2 === 0 ? () => 0 : () => 1, undefined, undefined as never)

/** What a task costs beside its handler, in µs: only used to bound a batch. */
const overheadUs = 0.2

/** The lanes that tasks come through, by number. */
const normal = 0
const high = 1
/** The lane of completions, the only one this thread writes here. */
const out = 0

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
  /** Index and generation of the task that is being started; while a handler runs, until it first waits. */
  currentTask(): number
  currentGeneration(): number
}

export interface LoopParts {
  readonly i32: Int32Array
  readonly f64: Float64Array
  /** Word index of this worker's thread slot. */
  readonly slot: number
  /** The words at which the lanes begin: of tasks, of tasks of high priority if there is one, and of completions; all of one capacity. */
  readonly inboxAt: number
  readonly highInboxAt?: number
  readonly outboxAt: number
  readonly capacity: number
  /** The word at which the tasks' stamps begin. */
  readonly stampsAt: number
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

// The numbers that change, see `cells`.
const outstanding = 0
const inBatch = 1
const highTaken = 2
const currentTask = 3
const currentGeneration = 4
const publishScheduled = 5
/** Where the descriptor with entries is that was committed last and not published; 0 when there is none. */
const packing = 6
/** Tasks started in this batch. */
const started = 7
const unpublishedUs = 0
const spentUs = 1

export function createLoop(parts: LoopParts): Loop {
  const { i32, f64, slot, stampsAt, inboxAt, highInboxAt, outboxAt, capacity, heap, codec, handlers, lends, context, cancels, instead, meter, ringCaller } = parts
  const memory = { i32, f64, heap, codec }
  const hasHigh = highInboxAt !== undefined
  const inbox: LaneReaders = laneReaders(i32, hasHigh ? [inboxAt, highInboxAt] : [inboxAt], capacity)
  const outbox = laneWriters(i32, [outboxAt], capacity)
  const { heads, tasks, generations } = viewsOf(i32)
  const { entryTasks, entryGenerations, entryInts } = packed.entryViewsOf(i32)
  const tasksAt = (slot + slotLayout.tasks) / 2
  const failuresAt = (slot + slotLayout.failures) / 2
  const costUs = doubleCells(handlers.length)
  const untilSample = meter.until
  const state = cells(8)
  const us = doubleCells(2)

  function publish(): void {
    state[publishScheduled] = 0
    us[unpublishedUs] = 0
    inbox.release(normal) // first: a completion gives the caller the right to push one more
    if (state[highTaken] > 0) {
      state[highTaken] = 0
      inbox.release(high)
    }
    if (outbox.pending(out) === 0) return
    state[packing] = 0
    outbox.publish(out)
    ringCaller(inbox.poll(normal) === 0)
    heap.flush()
  }

  function claim(): number {
    const at = outbox.claim(out)
    if (at < 0) invariant(false, 'a completion found its lane full')
    return at
  }

  function commit(at: number, head: number, task: number, generation: number): void {
    heads[at] = head
    tasks[at] = task
    generations[at] = generation
    state[packing] = 0
    outbox.commit(out)
    if (state[inBatch] === 0 && state[publishScheduled] === 0) schedulePublish()
  }

  function schedulePublish(): void {
    state[publishScheduled] = 1
    void settled.then(publish)
  }

  /** `flags` say that the result is an array of many, see many.ts. */
  function complete(handler: number, task: number, generation: number, result: unknown, flags = 0): void {
    const at = claim()
    let tag: number
    try {
      tag = flags !== 0 && Array.isArray(result) ? codec.encodeList(result, at + payloadAt) : codec.encode(result, at + payloadAt)
    } catch (error) {
      const other = flags === 0 ? instead(result) : gathered(result)
      return other === undefined ? fail(handler, task, generation, error) : complete(handler, task, generation, other, flags)
    }
    commit(at, ok | (tag << 16) | flags, task, generation)
  }

  /** Into the descriptor before, if that is of numbers and has room, or into a new one. */
  function completeInt(task: number, generation: number, result: number): void {
    let at = state[packing]
    const isNew = at === 0 || heads[at] === okIntsFull
    if (isNew) at = claim()
    const head = isNew ? okInts : heads[at]
    const words = at + (head >>> entriesShift) * entryWords
    entryTasks[words] = task
    entryGenerations[words] = generation
    entryInts[words] = result
    heads[at] = head + oneEntry
    if (!isNew) return
    state[packing] = at
    outbox.commit(out)
    if (state[inBatch] === 0 && state[publishScheduled] === 0) schedulePublish()
  }

  function fail(handler: number, task: number, generation: number, error: unknown): void {
    const at = claim()
    f64[failuresAt]++
    meter.failed(handler)
    const tag = codec.encodeError(error, at + payloadAt)
    commit(at, failed | (tag << 16), task, generation)
  }

  function completeLater(handler: number, task: number, generation: number, result: PromiseLike<unknown>, flags = 0): void {
    state[outstanding]++
    result.then(
      (value) => {
        state[outstanding]--
        complete(handler, task, generation, value, flags)
      },
      (error: unknown) => {
        state[outstanding]--
        fail(handler, task, generation, error)
      },
    )
  }

  function run(at: number): void {
    const head = heads[at]
    const task = tasks[at]
    const generation = generations[at]
    state[currentTask] = task
    state[currentGeneration] = generation
    if (head >>> 24 !== 0) runFlagged(at, head, task, generation)
    else runPlain(at, head, task, generation)
  }

  function runPlain(at: number, head: number, task: number, generation: number): void {
    const handler = head & 0xffff
    let result: unknown
    try {
      const value = lends[handler] === 0 ? codec.decode(head >>> 16, at + payloadAt) : codec.lend(head >>> 16, at + payloadAt)
      result = costUs[handler] > inlineUsMax ? callOut(handlers[handler], value, context) : handlers[handler](value as never, context)
    } catch (error) {
      return fail(handler, task, generation, error)
    }
    settle(handler, task, generation, result)
  }

  /** Of a task with a number: `words` is where its entry lies. */
  function runEntry(words: number, handler: number): void {
    const task = entryTasks[words]
    const generation = entryGenerations[words]
    state[currentTask] = task
    state[currentGeneration] = generation
    let result: unknown
    try {
      result = costUs[handler] > inlineUsMax ? callOut(handlers[handler], entryInts[words], context) : handlers[handler](entryInts[words] as never, context)
    } catch (error) {
      return fail(handler, task, generation, error)
    }
    settle(handler, task, generation, result)
  }

  function settle(handler: number, task: number, generation: number, result: unknown): void {
    if (typeof result === 'number' && (result | 0) === result && !Object.is(result, -0)) completeInt(task, generation, result)
    else if (isThenable(result)) completeLater(handler, task, generation, result)
    else complete(handler, task, generation, result)
  }

  /** A task of many values: its results take their places, or come as an array. Nobody waits for it behind what is done already. */
  function runMany(at: number, head: number, task: number, generation: number, running: Running | undefined): void {
    if (outbox.pending(out) !== 0) publish()
    const number = head & 0xffff
    const handler = handlers[number]
    const isLong = costUs[number] > inlineUsMax
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
        return isLong ? callOut(handler, value, context) : handler(value as never, context)
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
    us[spentUs] += (performance.now() - start) * 1000
    publish()
  }

  /** The block goes back as it came. */
  function completeInPlace(from: number, head: number, task: number, generation: number): void {
    const at = claim()
    i32[at + payloadAt] = i32[from + payloadAt]
    i32[at + payloadAt + 1] = i32[from + payloadAt + 1]
    commit(at, ok | (head & (isMany | 0xff0000)), task, generation)
  }

  /** A task that has a stamp, may be called off, or has many values. */
  function runFlagged(at: number, head: number, task: number, generation: number): void {
    if ((head & stamped) !== 0) waited(head & 0xffff, task)
    if ((head & mayBeCalledOff) !== 0) runGuarded(at, head, task, generation)
    else if ((head & isMany) !== 0) runMany(at, head, task, generation, undefined)
    else runPlain(at, head & 0xffffff, task, generation)
  }

  function waited(handler: number, task: number): void {
    meter.waited(handler, waitedUs(i32, stampsAt, task), weightOf(i32, stampsAt, task))
  }

  function runGuarded(at: number, head: number, task: number, generation: number): void {
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
      result = costUs[handler] > inlineUsMax ? callOut(handlers[handler], value, context) : handlers[handler](value as never, context)
    } catch (error) {
      cancels.end(running)
      return fail(handler, task, generation, error)
    }
    if (isThenable(result)) completeUnlessOver(handler, running, result)
    else {
      cancels.end(running)
      complete(handler, task, generation, result)
    }
  }

  /** It is outstanding until its promise settles, even when it was called off before: it may still be tidying up. */
  function completeUnlessOver(handler: number, running: Running, result: PromiseLike<unknown>, flags = 0): void {
    const { task, generation } = running
    state[outstanding]++
    const end = (then: () => void): void => {
      if (running.over) return
      cancels.end(running)
      then()
    }
    running.complete = () => end(() => complete(handler, task, generation, undefined))
    result.then(
      (value) => {
        state[outstanding]--
        end(() => complete(handler, task, generation, value, flags))
      },
      (error: unknown) => {
        state[outstanding]--
        end(() => fail(handler, task, generation, error))
      },
    )
  }

  /** Runs a task, or the entry that lies there. */
  function runMeasured(at: number, handler: number, isEntry: boolean): void {
    meter.begins(handler)
    if (!isEntry && (heads[at] & isMany) !== 0) return run(at) // that measures itself
    const start = performance.now()
    if (isEntry) runEntry(at, handler)
    else run(at)
    const tookUs = (performance.now() - start) * 1000
    meter.ran(handler, tookUs)
    costUs[handler] = tookUs > costUs[handler] ? tookUs : 0.75 * costUs[handler] + 0.25 * tookUs
  }

  /** Between two tasks of a batch that takes its time. */
  function giveWay(): void {
    if (outbox.pending(out) !== 0) publish()
    if (hasHigh) runHigh(Infinity)
  }

  /** Tasks of high priority that are there now; a flood of them still lets others have a turn. */
  function runHigh(budgetUs: number): number {
    if (!inbox.mayHaveMore(high)) return 0
    const ready = inbox.poll(high)
    const most = ready < highMax ? ready : highMax
    const outer = state[inBatch]
    const startUs = us[spentUs]
    state[inBatch] = 1
    let count = 0
    while (count < most && us[spentUs] - startUs < budgetUs) {
      const at = inbox.peek(high)
      const handler = heads[at] & 0xffff
      us[spentUs] += costUs[handler] + overheadUs
      inbox.advance(high)
      count++
      state[highTaken]++
      if (--untilSample[handler] < 0) runMeasured(at, handler, false)
      else run(at)
    }
    state[inBatch] = outer
    f64[tasksAt] += count
    publish()
    return count
  }

  /** Before a task of the normal lane: what it costs, by estimate, and whether what is done must wait for it. */
  function charge(handler: number): void {
    const cost = costUs[handler]
    us[spentUs] += cost + overheadUs
    us[unpublishedUs] += cost
    if (us[unpublishedUs] > publishAfterUs) giveWay()
  }

  /** The entries of a descriptor, from the first that was not started, as far as the budget goes. */
  function runEntries(at: number, head: number, budgetUs: number): void {
    const handler = head & 0xffff
    const entries = head >>> entriesShift
    const withoutStamp = (head & stamped) === 0 ? entries : entries - 1
    let entry = inbox.part(normal)
    while (entry < withoutStamp && us[spentUs] < budgetUs) startEntry(at, handler, entry++)
    if (entry === withoutStamp && entry < entries && us[spentUs] < budgetUs) {
      waited(handler, entryTasks[at + entry * entryWords])
      startEntry(at, handler, entry++)
    }
    if (entry === entries) inbox.pass(normal)
  }

  function startEntry(at: number, handler: number, entry: number): void {
    charge(handler)
    const words = at + entry * entryWords
    inbox.begin(normal, entry + 1)
    state[started]++
    if (--untilSample[handler] < 0) runMeasured(words, handler, true)
    else runEntry(words, handler)
  }

  function turn(budgetUs: number): number {
    if (cancels.pending()) cancels.look()
    us[spentUs] = 0
    const before = hasHigh ? runHigh(budgetUs) : 0
    const ready = inbox.poll(normal)
    if (ready === 0) return before
    const most = ready < batchMax ? ready : batchMax
    state[inBatch] = 1
    state[started] = 0
    for (let taken = 0; taken < most && us[spentUs] < budgetUs; taken++) {
      const at = inbox.peek(normal)
      const head = heads[at]
      if (head >>> entriesShift !== 0) runEntries(at, head, budgetUs)
      else {
        const handler = head & 0xffff
        charge(handler)
        inbox.advance(normal)
        state[started]++
        if (--untilSample[handler] < 0) runMeasured(at, handler, false)
        else run(at)
      }
    }
    state[inBatch] = 0
    const count = state[started]
    f64[tasksAt] += count
    publish()
    return count + before
  }

  return {
    turn,
    publish,
    spentUs: () => us[spentUs],
    hasWork: () => inbox.poll(normal) > 0 || (hasHigh && inbox.poll(high) > 0) || cancels.pending(),
    outstanding: () => state[outstanding],
    currentTask: () => state[currentTask],
    currentGeneration: () => state[currentGeneration],
  }
}

/** Thrown through a task of many values that was called off: nobody is told. */
const calledOffMidway = new Error('called off')

function oneAtATime(): PercoreError {
  return new PercoreError('ERR_PERCORE_INVALID_OPTION', 'a handler made by view takes one value at a time. Use map, or run for each.')
}
