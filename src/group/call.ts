/**
 * One call that cannot go straight into a lane: it waits for room, or it has options. One thread.
 *
 * Calls without options that find room never become one of these: they are numbers and two functions, see `Dispatcher.call`.
 */
import { Moved } from '../codec/index.js'
import type { ReportListener } from './reports.js'
import { type Reject, rejectThrough, type Resolve } from './slab.js'

/** Any worker will do: the balancer decides. */
export const anyWorker = -1

/** It found room at once. */
export const neverWaited = -1

export interface Call {
  readonly handler: number
  readonly value: unknown
  readonly resolve: Resolve
  /** Undefined when `resolve` is a promise's: see `rejectThrough`. */
  readonly reject: Reject | undefined
  readonly key: string | number | undefined
  /** The worker it names, or {@link anyWorker}. */
  readonly wanted: number
  /** It goes before those that are not. */
  readonly high: boolean
  /** It is one of a bounded number, which `maxQueue` does not limit. */
  readonly exempt: boolean
  /** Who listens to its progress. */
  readonly listener: ReportListener | undefined
  /** The worker it waits for, or {@link anyWorker}, or the line of its part of the keys, see handover.ts. */
  worker: number
  /** The part of the keys that its key is of, once it was placed; −1 when it has none. */
  part: number
  /** In the order of the calls; given when it begins to wait. */
  turn: number
  /** It is in a line. */
  waits: boolean
  /** Whether it has waited in a line: {@link neverWaited}, 0 when it has, or the weight of its stamp, which says since when. See stamps.ts. */
  stampWeight: number
  sinceUs: number
  /** It has been taken out of its line, and is skipped when its turn comes. */
  gone: boolean
  /** Bits for its descriptor beside the payload tag, see `mayBeCalledOff`. */
  readonly flags: number
  /** Once it was pushed, if it has flags: its index in the slab (−1 before), that one's generation, and where it lies in its worker's lane. */
  task: number
  generation: number
  position: number
}

/** What a call may differ in from the plainest one. */
export interface CallSpec {
  readonly wanted?: number
  readonly key?: string | number | undefined
  readonly exempt?: boolean
  readonly flags?: number
  readonly high?: boolean
  readonly listener?: ReportListener | undefined
}

const plain: CallSpec = {}

export function makeCall(handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined, spec: CallSpec = plain): Call {
  const { wanted = anyWorker, key, exempt = false, listener, flags = 0, high = false } = spec
  return {
    handler, value, resolve, reject, key, wanted, exempt, listener, flags, high,
    worker: anyWorker, part: -1, turn: 0, waits: false, stampWeight: neverWaited, sinceUs: 0, gone: false, task: -1, generation: 0, position: 0,
  }
}

/** What its handler is to be given, of a call's value. */
export function argumentOf(value: unknown): unknown {
  return value instanceof Moved ? value.value : value
}

/** Tells whoever made the call that it has failed: never before the call has returned, nor in the middle of anything here. */
export function fail(resolve: Resolve, reject: Reject | undefined, error: unknown): void {
  if (reject === undefined) rejectThrough(resolve, error)
  else queueMicrotask(() => reject(error))
}

export function failCall(call: Call, error: unknown): void {
  fail(call.resolve, call.reject, error)
}
