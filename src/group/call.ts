/**
 * One call that cannot go straight into a lane: it waits for room, or it has options. One thread.
 *
 * Calls without options that find room never become one of these: they are numbers and two functions, see `Dispatcher.call`.
 */
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
  /** The worker it waits for, or {@link anyWorker}. */
  worker: number
  /** In the order of the calls; given when it begins to wait. */
  turn: number
}

export function makeCall(
  handler: number, value: unknown, resolve: Resolve, reject: Reject, wanted: number = anyWorker, key?: string | number,
): Call {
  return { handler, value, resolve, reject, key, wanted, worker: anyWorker, turn: 0 }
}
