/** The options of one call, and what is wrong with them. On the group's thread; a call without options never comes here. */
import type { Transferable } from 'node:worker_threads'
import { checkNames, PercoreError } from '../base/index.js'
import { Moved, SharedBlock } from '../codec/index.js'
import { checkKey } from './balance.js'
import { boundNow } from './caller-context.js'
import { anyWorker, type CallSpec } from './call.js'
import type { GuardSpec, RetryOptions } from './guard.js'
import { ReportListener } from './reports.js'

/**
 * Options of one call. What is out of range, or not an option, rejects with ERR_PERCORE_INVALID_OPTION.
 *
 * @example
 * ```ts
 * import { ExecGroup } from 'percore'
 * import type handlers from './handlers.js'
 *
 * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url), { workers: 2 })
 * console.log(await group.run('greet', 'Ada', { worker: 1 })) // Hello Ada, from worker 1
 * const inOrder = [1, 2, 3].map((n) => group.run('double', n, { key: 'account 7' }))
 * console.log(await Promise.all(inOrder)) // [ 2, 4, 6 ]
 *
 * const controller = new AbortController()
 * const call = group.run('double', 1, { signal: controller.signal, timeoutMs: 500, retry: 2 })
 * controller.abort(new Error('nobody wants it any more'))
 * await call.catch((error: Error) => console.log(error.message)) // nobody wants it any more
 *
 * await group.close()
 * ```
 *
 * @example
 * ```ts
 * // samples.ts
 * export const mean = (samples: Float64Array): number => samples.reduce((a, b) => a + b) / samples.length
 * ```
 *
 * @example
 * ```ts
 * import { ExecGroup } from 'percore'
 * import type * as handlers from './samples.js'
 *
 * const group = await ExecGroup.start<typeof handlers>(new URL('./samples.js', import.meta.url))
 * const samples = new Float64Array(1_000_000).fill(3)
 * const mean = group.run('mean', samples, { transfer: [samples.buffer] })
 * console.log(samples.length, await mean) // 0 3
 * await group.close()
 * ```
 */
export interface CallOptions {
  /**
   * Tasks of one key run on one worker, in the order of their calls, also through its death. When workers come or go, a key that moves to another one does so once the worker
   * before has ended what it had of it; until then its calls wait. Further attempts (`retry`) and `priority: 'high'` are exempt from the order. Not together with `worker`.
   * A {@link Placement} of your own decides itself where a key goes, and there nothing waits when workers come or go.
   */
  readonly key?: string | number
  /** The worker to run on, 0 … workers − 1, whatever the balancer would choose. */
  readonly worker?: number
  /**
   * Aborts the call: it rejects at once with the signal's reason. A task that has not started never does; one that runs sees it as
   * `ctx.signal`. A running handler that pays no heed goes on, unheard, unless `timeoutMs` or `hard` says otherwise.
   */
  readonly signal?: AbortSignal
  /**
   * Rejects with ERR_PERCORE_TIMEOUT so many ms after the call was made, waiting and further attempts included; the task ends as with
   * `signal`. If its handler then keeps the thread for another 250 ms, the worker is replaced.
   */
  readonly timeoutMs?: number
  /**
   * With `signal` or `timeoutMs`: replaces the worker at once if the task has started. Other asynchronous tasks which that worker has started
   * fail with ERR_PERCORE_WORKER_DIED.
   */
  readonly hard?: boolean
  /**
   * Tries again when the handler fails or its worker dies: so many times, or as {@link RetryOptions} say. What the value is by then is
   * encoded anew; a SharedBlock can be sent only once.
   */
  readonly retry?: number | RetryOptions
  /**
   * `high`: goes before all others, while it waits and on its worker, where it waits for the task that runs and at most some 100 µs of those behind
   * it. Not a promise of order: a call of high priority also overtakes others of its key. Default `normal`.
   */
  readonly priority?: 'high' | 'normal'
  /**
   * What moves to the worker instead of being copied, as `postMessage` takes it: ArrayBuffers in the value, which are detached here when the call returns, MessagePorts, and
   * whatever else `structuredClone` transfers. Use it for large buffers that are there already (ArrayBuffers of 64 KiB and more: the way costs some 20 µs whatever the size), and for
   * ports; to fill memory that workers take without a copy, see {@link SharedBlock}. What the engine refuses fails the call with ERR_PERCORE_NOT_TRANSFERABLE, and stays where it was. What was on its way to a worker that
   * died is lost with it, and the call fails with ERR_PERCORE_WORKER_DIED. Not with `retry`, nor for `runMany`; nor for a handler made by {@link view}, which fails with
   * ERR_PERCORE_INVALID_OPTION: it takes its bytes in shared memory, where what moved is not. A handler moves its result with {@link move}, which also marks single values, as the items of `map`.
   */
  readonly transfer?: readonly Transferable[]
  /** Takes what the handler says with `ctx.report`, in order and before the result. What it throws is an uncaught exception. */
  readonly onReport?: (progress: unknown) => void
}

/** What `ExecGroup.runSync` takes. */
export type SyncOptions = Pick<CallOptions, 'worker' | 'key' | 'priority' | 'timeoutMs' | 'transfer'>

const known: readonly (keyof CallOptions)[] = ['key', 'worker', 'signal', 'timeoutMs', 'hard', 'retry', 'priority', 'transfer', 'onReport']

/** Throws ERR_PERCORE_INVALID_OPTION, naming option and value. `workers` is how many there are. */
export function checkCallOptions(options: CallOptions, workers: number): CallSpec {
  checkIsOptions(options)
  for (const name in options) {
    if (!(known as readonly string[]).includes(name)) throw invalid(`a call has no option '${name}'. There are: ${known.join(', ')}`)
  }
  const { key, worker, priority, onReport } = options
  if (priority !== undefined && priority !== 'high' && priority !== 'normal') throw invalid(`priority must be high or normal, not ${String(priority)}`)
  if (onReport !== undefined && typeof onReport !== 'function') throw invalid(`onReport must be a function, not ${typeof onReport}`)
  if (worker !== undefined) {
    checkWorker(worker, workers)
    if (key !== undefined) throw invalid('a call cannot have both a key and a worker: the key chooses the worker. Pass one of them')
  }
  return { key: key === undefined ? undefined : checkKey(key), wanted: worker ?? anyWorker, high: priority === 'high', listener: onReport === undefined ? undefined : new ReportListener(boundNow(onReport)) }
}

/** Throws ERR_PERCORE_INVALID_OPTION for what is no object. */
export function checkIsOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null) throw invalid(`a call's options must be an object, not ${String(options)}`)
}

/** The value as it is to be sent: with what moves, if anything does. Throws ERR_PERCORE_INVALID_OPTION. */
export function sentValue(value: unknown, { transfer, retry }: CallOptions): unknown {
  const marked = value instanceof Moved ? value : undefined
  if (transfer === undefined && marked === undefined) return value
  if (transfer !== undefined && !Array.isArray(transfer)) throw invalid(`transfer must be a list of what moves, not ${typeof transfer}`)
  if (retry !== undefined) throw invalid('what moves can be sent only once, so its call cannot be tried again: leave out retry, or transfer')
  if (transfer === undefined || transfer.length === 0) return value
  const list: readonly Transferable[] = transfer
  return marked === undefined ? new Moved(value, [...list]) : new Moved(marked.value, [...marked.transfer, ...list])
}

/** What guards a call, or undefined when nothing does. Throws ERR_PERCORE_INVALID_OPTION. */
export function checkGuard(options: CallOptions, value: unknown): GuardSpec | undefined {
  const { signal, timeoutMs, hard, retry } = options
  if (hard !== undefined && typeof hard !== 'boolean') throw invalid(`hard must be true or false, not ${String(hard)}`)
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid(`signal must be an AbortSignal, not ${typeof signal}`)
  if (timeoutMs !== undefined && !(Number.isFinite(timeoutMs) && timeoutMs >= 0 && timeoutMs <= timeoutMsMax)) {
    throw invalid(`timeoutMs must be a number from 0 to ${timeoutMsMax}, not ${String(timeoutMs)}`)
  }
  if (hard === true && signal === undefined && timeoutMs === undefined) throw invalid('hard says how a call is stopped: pass a signal or timeoutMs with it')
  if (signal === undefined && timeoutMs === undefined && retry === undefined) return undefined
  return { signal, timeoutMs, hard: hard === true, retry: checkRetry(retry, value) }
}

/** The longest a Node timer can wait. */
const timeoutMsMax = 2 ** 31 - 1

function checkRetry(retry: number | RetryOptions | undefined, value: unknown): RetryOptions | undefined {
  if (retry === undefined) return undefined
  const options = typeof retry === 'number' ? { times: retry } : retry
  if (typeof options !== 'object' || options === null) throw invalid(`retry must be a number or { times, delayMs, when }, not ${String(retry)}`)
  checkNames('retry', options, ['times', 'delayMs', 'when'])
  const { times, delayMs = 0, when } = options
  if (!Number.isSafeInteger(times) || times < 0) throw invalid(`retry must be a whole number of at least 0, not ${String(times)}`)
  if (!(Number.isFinite(delayMs) && delayMs >= 0 && delayMs <= timeoutMsMax)) throw invalid(`retry's delayMs must be from 0 to ${timeoutMsMax}, not ${String(delayMs)}`)
  if (when !== undefined && typeof when !== 'function') throw invalid(`retry's when must be a function, not ${typeof when}`)
  if (value instanceof SharedBlock) throw invalid('a SharedBlock can be sent only once, so its call cannot be tried again: leave out retry, or pass its bytes')
  return when === undefined ? options : { ...options, when: boundNow(when) }
}

/** Throws ERR_PERCORE_INVALID_OPTION when there is no such worker. */
export function checkWorker(worker: number, workers: number): void {
  if (!Number.isInteger(worker) || worker < 0 || worker >= workers) {
    throw invalid(`worker must be a whole number from 0 to ${workers - 1}, not ${String(worker)}`)
  }
}

function invalid(what: string): PercoreError {
  return new PercoreError('ERR_PERCORE_INVALID_OPTION', `${what}.`)
}
