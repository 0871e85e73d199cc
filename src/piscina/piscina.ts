/**
 * The class that programs written for piscina use. It belongs to the thread that made it.
 *
 * Invariant: whatever piscina 5 answers to a call, this answers too, unless docs/piscina.md says otherwise.
 */
import { EventEmitterAsyncResource } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { badOption } from './errors.js'
import type { PiscinaHistogram } from './histogram.js'
import { type CloseOptions, fill, type FilledOptions, own, type PiscinaOptions, type RunOptions } from './options.js'
import { checkRun, Pool } from './pool.js'
import { ArrayTaskQueue, FixedQueue } from './queue.js'
import * as state from './state.js'
import { move, queueOptionsSymbol, transferableSymbol, valueSymbol } from './symbols.js'

/** The version of piscina whose behaviour this is. */
export const version = '5.3.2' as const

/**
 * piscina's pool over percore's workers. Use it to move a program that is written for piscina by changing an import; a new one is better served by
 * `ExecGroup`, which does not wait for one task to end before it sends the next.
 *
 * Handlers are found as piscina finds them: the function a CommonJS module exports, the default export, or the export called `name`. Errors are
 * piscina's, with a `code` of percore's beside; what a handler throws is rejected with as it is.
 *
 * Events: `error`, `message` (what a worker posts to its `parentPort`), `drain`, `needsDrain`, `workerCreate`, `workerDestroy`, `close`.
 *
 * @throws TypeError, RangeError with code ERR_PERCORE_INVALID_OPTION
 *
 * @example
 * ```ts
 * // word-count.ts
 * import { workerData } from 'percore/piscina'
 *
 * const between = new RegExp(workerData?.between ?? ' +')
 * export default (text: string): number => text.split(between).length
 * export const ofBytes = (bytes: Uint8Array): number => new TextDecoder().decode(bytes).split(between).length
 * ```
 *
 * @example
 * ```ts
 * import { Piscina } from 'percore/piscina'
 *
 * const pool = new Piscina({ filename: new URL('./word-count.js', import.meta.url).href, maxThreads: 2, workerData: { between: ',' } })
 * console.log(await pool.run('a,b,c')) // 3
 *
 * const controller = new AbortController()
 * const call = pool.run('never counted', { signal: controller.signal })
 * controller.abort()
 * await call.catch((error: Error) => console.log(error.message)) // The task has been aborted
 * await pool.close()
 * ```
 */
// piscina's own types leave tasks and results open, and programs rely on it.
// oxlint-disable-next-line typescript/no-explicit-any
export class Piscina<T = any, R = any> extends EventEmitterAsyncResource {
  readonly #pool: Pool
  readonly #histogram: PiscinaHistogram

  constructor(options: PiscinaOptions = {}) {
    super({ name: 'Piscina' })
    const filled = fill(own(options))
    structuredClone(filled.workerData) // throws here what no worker could be given
    const pool = new Pool(filled, this, this.asyncResource.asyncId())
    this.#pool = pool
    this.#histogram = {
      get runTime() { return pool.runTime?.summary as PiscinaHistogram['runTime'] },
      get waitTime() { return pool.waitTime?.summary as PiscinaHistogram['waitTime'] },
      resetRunTime() { pool.runTime?.reset() },
      resetWaitTime() { pool.waitTime?.reset() },
    }
  }

  /**
   * Runs a task on some thread; the promise of its result. Options say which export of which file, what is moved, and what aborts it.
   *
   * Rejects with what the handler threw, an `AbortError` whose `cause` is the signal's reason, or an Error with code ERR_PERCORE_QUEUE_FULL,
   * ERR_PERCORE_WORKER_DIED, ERR_PERCORE_CLOSED or ERR_PERCORE_INVALID_OPTION.
   */
  async run(task: T, options: RunOptions = {}): Promise<R> {
    if (typeof options !== 'object' || options === null) throw badOption('options must be an object')
    const given = own(options)
    checkRun(given)
    return await (this.#pool.run(task, given) as Promise<R>)
  }

  /** Takes no more tasks, waits until all are done, or `closeTimeout` is over, and ends the threads. */
  async close(options: CloseOptions = {}): Promise<void> {
    if (typeof options !== 'object' || options === null) throw badOption('options must be an object')
    const { force = false } = own(options)
    if (typeof force !== 'boolean') throw badOption('force argument must be a boolean')
    await this.#pool.close(force)
  }

  /** Ends the threads now; tasks reject. */
  destroy(): Promise<void> {
    return this.#pool.destroy()
  }

  [Symbol.dispose](): void {
    void this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get maxThreads(): number {
    return this.#pool.options.maxThreads
  }

  get minThreads(): number {
    return this.#pool.options.minThreads
  }

  get options(): FilledOptions {
    return this.#pool.options
  }

  /** Node's own threads, as many as there are now. Their messages are the pool's: post none. */
  get threads(): Worker[] {
    return [...this.#pool.threads].map((thread) => thread.worker)
  }

  get idleThreads(): number {
    return this.#pool.idleThreads
  }

  /** Tasks that wait and for which no thread is being started. */
  get queueSize(): number {
    return this.#pool.queueSize
  }

  /** Tasks that are over, failed ones included. */
  get completed(): number {
    return this.#pool.completed
  }

  get histogram(): PiscinaHistogram {
    return this.#histogram
  }

  /** The share of the time of `maxThreads` threads that was spent in tasks. */
  get utilization(): number {
    return (this.#pool.runTime?.total ?? 0) / (this.duration * this.maxThreads)
  }

  /** Milliseconds since the pool was made. */
  get duration(): number {
    return performance.now() - this.#pool.startedAtMs
  }

  get needsDrain(): boolean {
    return this.#pool.needsDrain
  }

  static get isWorkerThread(): boolean {
    return state.isWorkerThread
  }

  // oxlint-disable-next-line typescript/no-explicit-any
  static get workerData(): any {
    return state.workerData
  }

  static get version(): string {
    return version
  }

  static get Piscina(): typeof Piscina {
    return Piscina
  }

  static get default(): typeof Piscina {
    return Piscina
  }

  static get FixedQueue(): typeof FixedQueue {
    return FixedQueue
  }

  static get ArrayTaskQueue(): typeof ArrayTaskQueue {
    return ArrayTaskQueue
  }

  static get move(): typeof move {
    return move
  }

  static get transferableSymbol(): typeof transferableSymbol {
    return transferableSymbol
  }

  static get valueSymbol(): typeof valueSymbol {
    return valueSymbol
  }

  static get queueOptionsSymbol(): typeof queueOptionsSymbol {
    return queueOptionsSymbol
  }
}
