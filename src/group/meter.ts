/**
 * What a worker counts and measures of each handler, in shared memory: written plainly by the worker's thread, read at any time by the group's. The
 * reader takes numbers of one moment each, and never makes a worker wait.
 *
 * Invariant: one thread writes a worker's region at a time; a successor carries on in it.
 *
 * ```
 *  per worker   heap bytes (f64) │ until: a word per handler, its runs until the next is measured │ a record per handler
 *  a record     samples │ interval │ counted (f64) │ failures (f64) │ window begun (f64, epoch ms) │ of this window │ of the one before
 *  of a window  histogram of runs │ of waits, by how many tasks each counts for │ how many waits
 * ```
 *
 * Cost: none per task, since the loop counts down to its next sample anyway, and how often it has is the number of tasks. A sample takes some 0.2 µs: two looks
 * at the clock, and this.
 */
import { getHeapStatistics } from 'node:v8'
import { epochMs } from '../platform/index.js'

/** Every how many runs of a handler one is measured, less one; and of one that takes less than a microsecond. */
export const sampleEvery = 32
export const sampleQuickEvery = 127
const quickUs = 1

/** Functions of a worker's table that are measured; those of a module with more than 120 handlers are not. */
const functionsMax = 256

/** Two buckets per doubling from 50 ns: the last is at 150 s. */
const buckets = 64
const bucketUs = 0.05

/** How long a histogram is filled before it becomes the one before. */
const windowMs = 10_000

/** Samples between two looks at the heap, which take 1.4 µs. */
const samplesPerLook = 64

const untilAt = 2
const recordsAt = untilAt + functionsMax
/** A window's words, from its beginning; and their number. */
const runsAt = 0
const waitsAt = buckets
const waitCountAt = 2 * buckets
const windowWords = 2 * buckets + 2
const record = { samples: 0, interval: 1, counted: 2, failures: 4, begun: 6, window: 8, before: 8 + windowWords } as const
const recordWords = 8 + 2 * windowWords
const workerWords = recordsAt + functionsMax * recordWords

/** Percentiles of a time, in the unit that the name of the figure ends with. */
export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  /** Of how many measured tasks. */
  readonly samples: number
}

/** One handler's figures, of one worker or of all. */
export interface HandlerStats {
  readonly name: string
  /** Tasks started, each value of `runMany` and each opened stream being one. Exact; up to 128 off while the worker runs one. */
  readonly tasks: number
  /** Of these, tasks that threw or rejected, or whose result could not be sent; a failed `runMany` part counts once. Exact. */
  readonly failures: number
  /**
   * How long it kept its thread until it returned or first waited, in µs: of every 33rd run, or 128th of one that is quicker than 1 µs, in the last 10 to 20 s in which it ran, each exact to 19 %. NaN without samples.
   * Not of `runMany` and streams.
   */
  readonly runUs: Percentiles
  /**
   * How long its tasks waited from the call until they were started, in µs, waiting for a worker with room included: of every 32nd task on average, seldomer when
   * they come fast (each then counts for as many), over the same time as `runUs` and as exact. NaN without samples. Not of `runMany`, of streams, and of calls from inside handlers.
   */
  readonly waitUs: Percentiles
}

/** Zeroed memory for so many workers; only what is used is touched. */
export function createMeters(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * workers * workerWords)
}

/** The worker's end. */
export class Meter {
  /** Counted down by the loop, by handler; a number behind those that are measured has a word, too. */
  readonly until: Int32Array
  readonly #i32: Int32Array
  readonly #f64: Float64Array
  readonly #at: number
  readonly #isOn: boolean
  #untilLook = 0
  /** 1 for handlers whose last measured run was quick. */
  readonly #quick: Uint8Array

  /** `functions` is how many there are in the worker's table. */
  constructor(buffer: SharedArrayBuffer, worker: number, functions: number) {
    this.#i32 = new Int32Array(buffer)
    this.#f64 = new Float64Array(buffer)
    this.#at = worker * workerWords
    this.#isOn = functions <= functionsMax
    this.#quick = new Uint8Array(functions)
    this.until = this.#isOn ? new Int32Array(buffer, 4 * (this.#at + untilAt), functionsMax) : new Int32Array(functions)
  }

  /** A run that is to be measured begins. */
  begins(handler: number): void {
    const interval = this.#quick[handler] === 1 ? sampleQuickEvery : sampleEvery
    if (this.#isOn) this.#count(this.#record(handler), interval, this.until[handler])
    this.until[handler] = interval
    if (--this.#untilLook >= 0) return
    this.#untilLook = samplesPerLook
    this.#f64[this.#at / 2] = getHeapStatistics().used_heap_size
  }

  ran(handler: number, us: number): void {
    this.#quick[handler] = us < quickUs ? 1 : 0
    if (!this.#isOn) return
    this.#i32[this.#window(handler) + bucketOf(us)]++
  }

  /** A task is about to be started that has waited so long, and counts for so many. */
  waited(handler: number, us: number, weight: number): void {
    if (!this.#isOn) return
    const at = this.#window(handler)
    this.#i32[at + waitsAt + bucketOf(us)] += weight
    this.#i32[at + waitCountAt]++
  }

  /** A task had so many values beside the first. */
  more(handler: number, count: number): void {
    if (this.#isOn) this.#f64[(this.#record(handler) + record.counted) / 2] += count
  }

  failed(handler: number): void {
    if (this.#isOn) this.#f64[(this.#record(handler) + record.failures) / 2]++
  }

  /** Those since the last sample, and this one; how far it has been counted down to the next one, the reader sees by himself. */
  #count(at: number, interval: number, until: number): void {
    this.#f64[(at + record.counted) / 2] += this.#i32[at + record.interval] - until
    this.#i32[at + record.interval] = interval
    this.#i32[at + record.samples]++
  }

  /** Where the window of this moment is. */
  #window(handler: number): number {
    const at = this.#record(handler)
    const now = epochMs()
    if (now - this.#f64[(at + record.begun) / 2] > windowMs) {
      this.#i32.copyWithin(at + record.before, at + record.window, at + record.window + windowWords)
      this.#i32.fill(0, at + record.window, at + record.window + windowWords)
      this.#f64[(at + record.begun) / 2] = now
    }
    return at + record.window
  }

  #record(handler: number): number {
    return this.#at + recordsAt + handler * recordWords
  }
}

function bucketOf(us: number): number {
  const bucket = Math.round(2 * Math.log2(us / bucketUs))
  return bucket > 0 ? Math.min(bucket, buckets - 1) : 0 // a clock that stood still gives 0
}

/** The reader's end. */
export class MeterReader {
  readonly #i32: Int32Array
  readonly #f64: Float64Array

  constructor(buffer: SharedArrayBuffer) {
    this.#i32 = new Int32Array(buffer)
    this.#f64 = new Float64Array(buffer)
  }

  heapBytes(worker: number): number {
    return this.#f64[(worker * workerWords) / 2]
  }

  /** The figures of these handlers, summed over these workers. */
  handlers(names: readonly string[], workers: readonly number[]): HandlerStats[] {
    return isMeasured(names) ? names.map((name, handler) => this.#handler(name, handler, names.length, workers)) : []
  }

  /** How long the tasks of these handlers waited for this worker. */
  waitUs(names: readonly string[], worker: number): Percentiles {
    const handlers = isMeasured(names) ? [...names.keys()] : []
    return this.#percentiles(handlers.map((handler) => [worker, handler]), waitsAt)
  }

  #handler(name: string, handler: number, count: number, workers: readonly number[]): HandlerStats {
    let tasks = 0
    let failures = 0
    for (const worker of workers) {
      for (const which of [handler, count + handler]) {
        const at = worker * workerWords + recordsAt + which * recordWords
        const samples = this.#i32[at + record.samples] >>> 0
        const until = this.#i32[worker * workerWords + untilAt + which]
        if (samples > 0) tasks += this.#f64[(at + record.counted) / 2] + this.#i32[at + record.interval] - until
        failures += this.#f64[(at + record.failures) / 2]
      }
    }
    const of = workers.map((worker) => [worker, handler] as const)
    return { name, tasks, failures, runUs: this.#percentiles(of, runsAt), waitUs: this.#percentiles(of, waitsAt) }
  }

  /** Of these handlers of these workers together. */
  #percentiles(of: readonly (readonly [worker: number, handler: number])[], which: number): Percentiles {
    const histogram = new Float64Array(buckets)
    let samples = 0
    for (const [worker, handler] of of) {
      const at = worker * workerWords + recordsAt + handler * recordWords
      if (this.#f64[(at + record.begun) / 2] === 0) continue
      for (const window of [at + record.window, at + record.before]) {
        for (let bucket = 0; bucket < buckets; bucket++) histogram[bucket] += this.#i32[window + which + bucket]
        samples += this.#i32[window + waitCountAt]
      }
    }
    const weight = histogram.reduce((sum, count) => sum + count, 0)
    return percentilesOf(histogram, weight, which === waitsAt ? samples : weight)
  }
}

function isMeasured(names: readonly string[]): boolean {
  return 2 * names.length + 16 <= functionsMax
}

function percentilesOf(histogram: Float64Array, weight: number, samples: number): Percentiles {
  const at = (share: number): number => {
    let left = Math.max(1, Math.ceil(share * weight))
    const bucket = histogram.findIndex((count) => (left -= count) <= 0)
    return weight === 0 ? Number.NaN : bucketUs * 2 ** (bucket / 2)
  }
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), samples }
}
