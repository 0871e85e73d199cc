/**
 * Waiting for one task on the group's own thread, which does nothing else meanwhile. On a thread that may block: never a browser's main one.
 *
 * Invariant: the wait ends. A result, a time-out, or the end of the worker's thread ends it: that one cannot be told by an event, since
 * events do not get in, so it is looked for.
 */
import { PercoreError, shared } from '../base/index.js'
import { isThreadAlive } from '../platform/index.js'
import type { Sleeper } from '../ring/index.js'
import type { Admission } from './admission.js'
import { anyWorker, type Call } from './call.js'
import { slotAt, slotLayout, slotState } from './fabric.js'
import { count, type Ledger } from './ledger.js'
import type { Submission } from './submission.js'

/** Looking for the result without sleeping, before going to sleep: about what being woken costs. */
const spinMs = 0.05

/** Between two looks at whether the worker's thread is still there. */
const lookMs = 100

export interface WaitParts {
  readonly sleeper: Sleeper
  /** Settles what has come back; returns how many. */
  readonly drain: () => number
  readonly isSettled: () => boolean
  readonly hasEnded: () => boolean
  readonly maySpin: boolean
}

/** Waits until it is settled: `done`. Else what ended the wait. */
export function waitFor(parts: WaitParts, timeoutMs: number): 'done' | 'timed out' | 'worker ended' {
  const { sleeper, drain, isSettled, hasEnded } = parts
  const startMs = performance.now()
  const spinUntilMs = startMs + (parts.maySpin ? spinMs : 0)
  const endsMs = startMs + timeoutMs
  let looksMs = startMs + lookMs
  for (;;) {
    if (drain() > 0 && isSettled()) return 'done'
    const nowMs = performance.now()
    if (nowMs >= endsMs) return 'timed out'
    if (nowMs < spinUntilMs) continue
    if (nowMs >= looksMs) {
      looksMs = nowMs + lookMs
      if (hasEnded()) {
        drain() // what it completed before
        return isSettled() ? 'done' : 'worker ended'
      }
    }
    sleeper.block(Math.min(looksMs, endsMs) - nowMs)
  }
}

export interface SyncParts {
  readonly i32: Int32Array
  readonly ledger: Ledger
  readonly admission: Admission
  readonly submission: Submission
  readonly sleeper: Sleeper
  /** Whether looking for a result takes no core from a worker. */
  readonly maySpin: boolean
  /** Settles what has come back; returns how many. */
  readonly drain: () => number
}

/** See `Dispatcher.runSync`. */
export function runSync(parts: SyncParts, call: Call, timeoutMs: number, isSettled: () => boolean): 'done' | 'timed out' {
  const { i32, ledger, admission, submission, sleeper, maySpin } = parts
  if (submission.isEncoding()) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', 'runSync was called from a getter of a value that is being sent. Call it before.')
  const endsMs = performance.now() + timeoutMs
  const all = (): number => ledger.counts[count.workers]
  let worker = anyWorker

  function find(): boolean {
    worker = admission.workerOf(call)
    if (call.wanted === anyWorker && worker !== anyWorker && hasEnded(i32, worker)) worker = anyAlive()
    return worker !== anyWorker && ledger.credits[worker] > 0
  }

  function anyAlive(): number {
    for (let any = 0; any < all(); any++) if (ledger.credits[any] > 0 && !hasEnded(i32, any)) return any
    return anyWorker
  }

  function isGone(): boolean {
    if (worker !== anyWorker) return hasEnded(i32, worker) || wasKilled(i32, worker)
    for (let any = 0; any < all(); any++) if (!hasEnded(i32, any) && !wasKilled(i32, any)) return false
    return true
  }

  function drain(): number {
    const settled = parts.drain()
    if (settled > 0) submission.endTurn() // calls that were let in, or made by callbacks: no microtask will publish them
    return settled
  }

  function wait(until: () => boolean): 'done' | 'timed out' {
    submission.endTurn()
    const outcome = waitFor({ sleeper, drain, isSettled: until, hasEnded: isGone, maySpin }, endsMs - performance.now())
    if (outcome === 'worker ended') throw endedError(worker)
    return outcome
  }

  while (!find()) if (wait(find) === 'timed out') return 'timed out'
  if (hasEnded(i32, worker)) throw endedError(worker)
  call.worker = worker
  admission.submit(worker, call)
  return wait(isSettled)
}

/** Whether a worker's thread has ended, and this thread may not have heard of it yet. */
function hasEnded(i32: Int32Array, worker: number): boolean {
  return shared.load(i32, slotAt(worker + 1) + slotLayout.state) === slotState.ended
}

/** The same of one that could not say so, since it was killed: asks the operating system, some µs. */
function wasKilled(i32: Int32Array, worker: number): boolean {
  const id = i32[slotAt(worker + 1) + slotLayout.threadId]
  return id !== 0 && !isThreadAlive(id)
}

function endedError(worker: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_WORKER_DIED',
    `${worker < 0 ? 'every worker' : `worker ${worker}`} ended while this thread waited for it. Let the event loop turn, so that it is replaced, before runSync is called again.`,
  )
}
