/** Makes the call that options ask for: with its guard, and with whoever listens to its reports. On the group's thread. */
import { type Call, type CallSpec, makeCall } from './call.js'
import { type CallOptions, checkCallOptions, checkGuard, sentValue } from './call-options.js'
import { Guard, type GuardActions } from './guard.js'
import type { Reports } from './reports.js'
import { type Reject, rejectThrough, type Resolve } from './slab.js'

export interface CallWithParts {
  readonly actions: GuardActions
  readonly reports: Reports
  readonly workers: number
}

export interface PreparedCall {
  /** To be placed; undefined when the call is over before it began. */
  readonly call: Call | undefined
  /** It was not placed after all. */
  dismiss(): void
}

/** Throws ERR_PERCORE_INVALID_OPTION. Nothing has begun then. `base` is what the call is beside its options. */
export function callWith(
  parts: CallWithParts, handler: number, argument: unknown, options: CallOptions, resolve: Resolve, reject: Reject | undefined, base?: CallSpec,
): PreparedCall {
  const spec = { ...checkCallOptions(options, parts.workers), ...base }
  const guard = checkGuard(options, argument)
  const value = sentValue(argument, options)
  const { listener } = spec
  if (listener !== undefined) {
    const ended = (tell: (outcome: unknown) => void) => (outcome: unknown): void => {
      parts.reports.end(listener)
      queueMicrotask(() => tell(outcome)) // reports come in microtasks, too
    }
    const rejectPromise = resolve
    reject = ended(reject ?? ((error) => rejectThrough(rejectPromise, error)))
    resolve = ended(resolve)
  }
  if (guard === undefined) return { call: makeCall(handler, value, resolve, reject, spec), dismiss: nothing }
  return new Guard(guard, parts.actions, handler, value, resolve, reject, spec)
}

function nothing(): void {}
