/**
 * A call that may be aborted, may run out of time, or is tried again. It stands between the call and whoever made it, so that a call
 * without these options knows nothing of them. On the group's thread.
 *
 * Invariant: whoever made the call is told exactly once, and from then on neither timer nor listener of it is left.
 */
import { PercoreError } from '../base/index.js'
import { type Call, type CallSpec, fail, makeCall } from './call.js'
import { calledOff, mayBeCalledOff } from './called-off.js'
import type { Reject, Resolve } from './slab.js'

/** How often and when a call is tried again. */
export interface RetryOptions {
  /** Further attempts at most. */
  readonly times: number
  /** Before each of them. Default 0. */
  readonly delayMs?: number
  /** Whether to try again after this failure. Default: what a handler throws, and the death of its worker. */
  readonly when?: (error: unknown) => boolean
}

export interface GuardSpec {
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number | undefined
  readonly hard: boolean
  readonly retry: RetryOptions | undefined
}

/** What a guard needs of the dispatcher and the supervisor. */
export interface GuardActions {
  /** False when the group takes no more calls. */
  place(call: Call): boolean
  callOff(call: Call, why: number): void
  progress(call: Call): 'over' | 'queued' | 'started' | 'stuck'
  kill(worker: number, why: PercoreError): void
}

/**
 * How long a handler that was called off may keep its thread from looking up before it is taken for stuck: 250 ms, longer than a thread that is
 * alive waits for a core on a busy machine, and short beside a time-out. Looked at several times, since one timer is late
 * when the whole process was stopped, and then the thread has had no time at all.
 */
const graceLooks = 5
const gracePauseMs = 50

export class Guard {
  /** The attempt under way; undefined when there is none. */
  call: Call | undefined
  readonly #spec: GuardSpec
  readonly #actions: GuardActions
  readonly #resolve: Resolve
  readonly #reject: Reject | undefined
  readonly #again: () => Call
  #attemptsLeft: number
  #timer: NodeJS.Timeout | undefined
  #pause: NodeJS.Timeout | undefined
  #over = false

  /** Makes the call; whoever wants it placed asks for `call`. */
  constructor(spec: GuardSpec, actions: GuardActions, handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined, callSpec: CallSpec) {
    this.#spec = spec
    this.#actions = actions
    this.#resolve = resolve
    this.#reject = reject
    this.#attemptsLeft = spec.retry?.times ?? 0
    const flagged = { ...callSpec, flags: (callSpec.flags ?? 0) | mayBeCalledOff }
    this.#again = () => makeCall(handler, value, (result) => this.#succeeded(result), (error) => this.#failed(error), flagged)
    const { signal, timeoutMs } = spec
    if (signal?.aborted === true) this.#end(signal.reason)
    else {
      this.call = this.#again()
      if (signal !== undefined) listen(signal, this.#aborted)
      if (timeoutMs !== undefined) this.#timer = setTimeout(this.#timedOut, timeoutMs)
    }
  }

  /** It was not taken after all, and nobody is to be told. */
  dismiss(): void {
    this.#over = true
    if (this.#spec.signal !== undefined) unlisten(this.#spec.signal, this.#aborted)
    clearTimeout(this.#timer)
    clearTimeout(this.#pause)
  }

  #succeeded(result: unknown): void {
    if (this.#over) return
    this.dismiss()
    this.#resolve(result)
  }

  #failed(error: unknown): void {
    if (this.#over) return
    if (this.#attemptsLeft > 0 && this.#isWorthRetrying(error)) {
      this.#attemptsLeft--
      this.call = undefined
      this.#pause = setTimeout(() => {
        this.call = this.#again()
        if (!this.#actions.place(this.call)) this.#end(error)
      }, this.#spec.retry?.delayMs ?? 0)
    } else this.#end(error)
  }

  #isWorthRetrying(error: unknown): boolean {
    const when = this.#spec.retry?.when
    try {
      return when !== undefined ? when(error) : !(error instanceof PercoreError) || error.code === 'ERR_PERCORE_WORKER_DIED'
    } catch (thrown) {
      this.#end(thrown)
      return false
    }
  }

  readonly #aborted = (): void => {
    this.#callOff(this.#spec.signal?.reason, calledOff.aborted, 'the signal of a call was aborted')
  }

  readonly #timedOut = (): void => {
    const error = timedOutError(this.#spec)
    this.#callOff(error, calledOff.timedOut, `a call took longer than its timeoutMs of ${this.#spec.timeoutMs}`)
  }

  #callOff(error: unknown, why: number, what: string): void {
    const { call } = this
    this.#end(error)
    if (call !== undefined) stop(this.#spec, this.#actions, call, why, what)
  }

  #end(error: unknown): void {
    if (this.#over) return
    this.dismiss()
    fail(this.#resolve, this.#reject, error)
  }
}

/** A call that nobody guarded has run out of time: it is called off, and stopped if need be. What to tell whoever made it. */
export function timeOut(spec: GuardSpec, actions: GuardActions, call: Call): PercoreError {
  stop(spec, actions, call, calledOff.timedOut, `a call took longer than its timeoutMs of ${spec.timeoutMs}`)
  return timedOutError(spec)
}

function timedOutError(spec: GuardSpec): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_TIMEOUT',
    `the call took longer than its timeoutMs of ${spec.timeoutMs}. Give it more time, or let the handler look at ctx.signal and end sooner.`,
  )
}

/** Calls a task off, and replaces its worker if that is needed and wanted. */
function stop(spec: GuardSpec, actions: GuardActions, call: Call, why: number, what: string): void {
  const { hard, timeoutMs } = spec
  const killable = hard ? ['started', 'stuck'] : ['stuck']
  const killIf = (): boolean => {
    if (!killable.includes(actions.progress(call))) return false
    actions.kill(call.worker, new PercoreError('ERR_PERCORE_WORKER_DIED', `${what}, so the thread was ended`))
    return true
  }
  actions.callOff(call, why)
  if ((hard && killIf()) || (!hard && timeoutMs === undefined) || actions.progress(call) === 'over') return
  // Even if it looked queued: its thread may have started it in the same moment.
  let looks = 0
  const look = (): void => {
    if (!killable.includes(actions.progress(call))) return
    if (++looks < graceLooks) setTimeout(look, gracePauseMs)
    else killIf()
  }
  setTimeout(look, gracePauseMs)
}

/** What is to be told when a signal is aborted. One listener for all, since Node takes many for a leak. */
const listeners = new WeakMap<AbortSignal, Set<() => void>>()

function listen(signal: AbortSignal, told: () => void): void {
  let all = listeners.get(signal)
  if (all === undefined) {
    all = new Set()
    listeners.set(signal, all)
  }
  if (all.size === 0) signal.addEventListener('abort', tellAll)
  all.add(told)
}

function unlisten(signal: AbortSignal, told: () => void): void {
  const all = listeners.get(signal)
  if (all === undefined) return
  all.delete(told)
  if (all.size === 0) signal.removeEventListener('abort', tellAll)
}

function tellAll(event: Event): void {
  for (const told of listeners.get(event.target as AbortSignal) ?? []) told()
}
