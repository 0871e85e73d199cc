/**
 * One call that cannot go straight into a lane: it waits for room, or it has options. One thread.
 *
 * Calls without options that find room never become one of these: they are numbers and two functions, see `Dispatcher.call`.
 */
import type { ReportListener } from './reports.js'
import { type Reject, rejectThrough, type Resolve } from './slab.js'

/** Any worker will do: the balancer decides. */
export const anyWorker = -1

export interface Call {
  readonly handler: number
  readonly value: unknown
  readonly resolve: Resolve
  /** Undefined when `resolve` is a promise's: see `rejectThrough`. */
  readonly reject: Reject | undefined
  readonly key: string | number | undefined
  /** The worker it names, or {@link anyWorker}. */
  readonly wanted: number
  /** It is one of a bounded number, which `maxQueue` does not limit. */
  readonly exempt: boolean
  /** Who listens to its progress. */
  readonly listener: ReportListener | undefined
  /** The worker it waits for, or {@link anyWorker}. */
  worker: number
  /** In the order of the calls; given when it begins to wait. */
  turn: number
  /** It has been taken out of its line, and is skipped when its turn comes. */
  gone: boolean
}

/** What a call may differ in from the plainest one. */
export interface CallSpec {
  readonly wanted?: number
  readonly key?: string | number | undefined
  readonly exempt?: boolean
  readonly listener?: ReportListener | undefined
}

const plain: CallSpec = {}

export function makeCall(handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined, spec: CallSpec = plain): Call {
  const { wanted = anyWorker, key, exempt = false, listener } = spec
  return { handler, value, resolve, reject, key, wanted, exempt, listener, worker: anyWorker, turn: 0, gone: false }
}

/** Tells whoever made the call that it has failed: never before the call has returned, nor in the middle of anything here. */
export function fail(resolve: Resolve, reject: Reject | undefined, error: unknown): void {
  if (reject === undefined) rejectThrough(resolve, error)
  else queueMicrotask(() => reject(error))
}

export function failCall(call: Call, error: unknown): void {
  fail(call.resolve, call.reject, error)
}
