/** The options of one call, and what is wrong with them. On the group's thread; a call without options never comes here. */
import { PercoreError } from '../base/index.js'
import { checkKey } from './balance.js'
import { anyWorker, type CallSpec } from './call.js'
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
 * await group.close()
 * ```
 */
export interface CallOptions {
  /** Tasks of one key run on one worker, in the order of their calls. Not together with `worker`. */
  readonly key?: string | number
  /** The worker to run on, 0 … workers − 1, whatever the balancer would choose. */
  readonly worker?: number
  /** Takes what the handler says with `ctx.report`, in order and before the result. What it throws is an uncaught exception. */
  readonly onReport?: (progress: unknown) => void
}

const known: readonly (keyof CallOptions)[] = ['key', 'worker', 'onReport']

/** Throws ERR_PERCORE_INVALID_OPTION, naming option and value. `workers` is how many there are. */
export function checkCallOptions(options: CallOptions, workers: number): CallSpec {
  if (typeof options !== 'object' || options === null) throw invalid(`a call's options must be an object, not ${String(options)}`)
  for (const name in options) {
    if (!(known as readonly string[]).includes(name)) throw invalid(`a call has no option '${name}'. There are: ${known.join(', ')}`)
  }
  const { key, worker, onReport } = options
  if (onReport !== undefined && typeof onReport !== 'function') throw invalid(`onReport must be a function, not ${typeof onReport}`)
  if (worker !== undefined) {
    checkWorker(worker, workers)
    if (key !== undefined) throw invalid('a call cannot have both a key and a worker: the key chooses the worker. Pass one of them')
  }
  return { key: key === undefined ? undefined : checkKey(key), wanted: worker ?? anyWorker, listener: onReport === undefined ? undefined : new ReportListener(onReport) }
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
