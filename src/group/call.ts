/**
 * One call that cannot go straight into a lane: it waits for room, or it has options. One thread.
 *
 * Calls without options that find room never become one of these: they are numbers and two functions, see `Dispatcher.call`.
 */
import type { ReportListener } from './reports.js'
import type { Reject, Resolve } from './slab.js'

/** Any worker will do: the balancer decides. */
export const anyWorker = -1

export interface Call {
  readonly handler: number
  readonly value: unknown
  readonly resolve: Resolve
  readonly reject: Reject
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

export function makeCall(handler: number, value: unknown, resolve: Resolve, reject: Reject, spec: CallSpec = plain): Call {
  const { wanted = anyWorker, key, exempt = false, listener } = spec
  return { handler, value, resolve, reject, key, wanted, exempt, listener, worker: anyWorker, turn: 0, gone: false }
}
