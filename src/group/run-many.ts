/**
 * The caller's end of `runMany`: one promise for many values, which travel in chunks. On the group's thread.
 *
 * Each worker is given two chunks, and another when one comes back: so whoever is faster does more. A chunk grows while chunks come back
 * quickly and shrinks when they do not, so that a worker is not held for long whatever a value costs. What would be over before a second worker is
 * awake goes to one, as one chunk.
 *
 * Invariant: each value is in at most one chunk under way, and each result is written once. After the first failure nothing more is sent.
 */
import { PercoreError } from '../base/index.js'
import { anyWorker } from './call.js'
import { type CallOptions, checkCallOptions, checkGuard } from './call-options.js'
import { callWith } from './call-with.js'
import { boundNow } from './caller-context.js'
import type { Engine } from './engine.js'
import { Chunk } from './many.js'
import type { Reject, Resolve } from './slab.js'

/** Chunks a worker has at a time: one runs while the other is on its way. */
const chunksPerWorker = 2

const chunkFirst = 32
const chunkMax = 4096

/** A chunk that comes back within this time might have been larger; one that takes longer than the other should be smaller. */
const quickMs = 0.5
const slowMs = 4

/** Values that are done within this time are not shared out: waking a worker takes some 50 µs where cores are short. */
const togetherUs = 100

/** What is known of a handler. */
interface Learned {
  /** How large its chunks came to be. */
  size: number
  /** How long a value takes, there and back; 0 when nothing is known. */
  usPerValue: number
}

/** By handler. */
export type ManyLearned = Learned[]

/** What runs a handler over values, as the options say: they are checked now, and hold for the whole. Throws ERR_PERCORE_INVALID_OPTION. */
export function manyRunner(engine: Engine, number: number, options: CallOptions, all: ManyLearned): (values: ArrayLike<unknown>, resolve: Resolve, reject: Reject) => void {
  const { dispatcher, callParts } = engine
  const { wanted } = checkCallOptions(options, dispatcher.workers)
  checkGuard(options, undefined)
  if (options.transfer !== undefined) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', 'runMany takes no transfer: its values travel in parts. Mark those that move: move(value, [buffer]).')
  }
  const isPlaced = options.worker !== undefined || options.key !== undefined
  const serving = Array.from({ length: dispatcher.workers }, (_, worker) => worker).filter((worker) => dispatcher.serves(worker))
  const workers = isPlaced || serving.length === 0 ? [wanted ?? anyWorker] : serving
  const endsMs = options.timeoutMs === undefined ? undefined : performance.now() + options.timeoutMs
  const whole = options.onReport === undefined ? options : { ...options, onReport: boundNow(options.onReport) } // parts are sent from wherever room comes
  const send = (value: unknown, worker: number, flags: number, resolve: Resolve, reject: Reject): void => {
    const rest = endsMs === undefined ? whole : { ...whole, timeoutMs: Math.max(0, endsMs - performance.now()) }
    const { call } = callWith(callParts, number, value, rest, resolve, reject, { exempt: true, flags, ...(isPlaced ? {} : { wanted: worker }) })
    if (call !== undefined) dispatcher.admission.place(call)
  }
  const parts: RunManyParts = {
    send: (chunk, worker, resolve, reject) => send(chunk, worker, chunk.flag, resolve, reject),
    sendOne: (value, worker, resolve, reject) => send(value, worker, 0, resolve, reject),
    workers,
    learned: all[number] ??= { size: chunkFirst, usPerValue: 0 },
  }
  return (values, resolve, reject) => runMany(parts, values, resolve, reject)
}

interface RunManyParts {
  /** Sends a chunk to a worker, or where the call's options say. Throws what is wrong with the options. */
  readonly send: (chunk: Chunk, worker: number, resolve: Resolve, reject: Reject) => void
  /** Sends one value. */
  readonly sendOne: (value: unknown, worker: number, resolve: Resolve, reject: Reject) => void
  /** The workers to share the values: one, when the options name it or a key. */
  readonly workers: readonly number[]
  readonly learned: Learned
}

function runMany(parts: RunManyParts, values: ArrayLike<unknown>, resolve: Resolve, reject: Reject): void {
  const { send, sendOne, learned } = parts
  const workers = learned.usPerValue * values.length < togetherUs && learned.usPerValue > 0 && parts.workers.length > 1 ? [anyWorker] : parts.workers
  let results: unknown[] = []
  let size = Math.min(learned.size, Math.max(1, Math.ceil(values.length / workers.length)))
  let next = 0
  let left = values.length
  let over = false

  function done(count: number): void {
    left -= count
    if (left > 0 || over) return
    over = true
    resolve(results)
  }

  function failed(error: unknown): void {
    if (over) return
    over = true
    reject(error)
  }

  function adapt(ms: number, count: number): void {
    const us = (ms * 1000) / count
    learned.usPerValue = us < learned.usPerValue || learned.usPerValue === 0 ? us : 0.9 * learned.usPerValue + 0.1 * us
    if (ms < quickMs && count === size) {
      size = Math.min(2 * size, chunkMax)
      learned.size = Math.max(learned.size, size)
    } else if (ms > slowMs) {
      size = Math.max(1, Math.min(size, Math.ceil(count / 2)))
      learned.size = Math.min(learned.size, size)
    }
  }

  function issue(worker: number): void {
    if (next >= values.length || over) return
    const from = next
    const to = Math.min(next + size, values.length)
    next = to
    const chunk = new Chunk(values, from, to)
    const start = performance.now()
    send(
      chunk,
      worker,
      (some) => {
        adapt(performance.now() - start, to - from)
        const array = some as unknown[]
        if (array.length === values.length) results = array
        else for (let i = 0; i < array.length; i++) results[from + i] = array[i]
        done(array.length)
        issue(worker)
      },
      (error) => {
        if (chunk.refused && error instanceof PercoreError && error.code === 'ERR_PERCORE_NOT_CLONEABLE') oneByOne(chunk, worker)
        else failed(error)
      },
    )
  }

  /** Values that cannot be sent together may be sendable alone: a block that moves, for one. What cannot be, says so itself. */
  function oneByOne(chunk: Chunk, worker: number): void {
    let unsettled = chunk.to - chunk.from
    for (let i = chunk.from; i < chunk.to; i++) {
      const settle = (result: unknown): void => {
        results[i] = result
        done(1)
        if (--unsettled === 0) issue(worker)
      }
      try {
        sendOne(values[i], worker, settle, failed)
      } catch (error) {
        failed(error) // what moves, and may be tried again
      }
    }
  }

  if (values.length === 0) return resolve(results)
  if (size < values.length) results.length = values.length
  for (let round = 0; round < chunksPerWorker; round++) for (const worker of workers) issue(worker)
}
