/**
 * Waiting for one task on the group's own thread, which does nothing else meanwhile. On a thread that may block: never a browser's main one.
 *
 * Invariant: the wait ends. A result, a time-out, or the end of the worker's thread ends it: that one cannot be told by an event, since
 * events do not get in, so it is looked for.
 */
import { PercoreError } from '../base/index.js'
import type { Sleeper } from '../ring/index.js'

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

export function endedError(worker: number): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_WORKER_DIED',
    `${worker < 0 ? 'every worker' : `worker ${worker}`} ended while this thread waited for it. Let the event loop turn, so that it is replaced, before runSync is called again.`,
  )
}
