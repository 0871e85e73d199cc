/**
 * A wait with a time limit. One thread; internal, behind `exec.timeout`.
 *
 * Invariant: when it is over, neither the wait nor the timer waits any more.
 */
import { PercoreError } from '../base/index.js'
import { phase, type Source, Wait } from './wait.js'

/** What `wait` gives, or ERR_PERCORE_TIMEOUT if `timer` is over first. */
export function limit<T>(wait: Wait<T>, timer: Wait<void>, ms: number): Wait<T> {
  const source: Source = {
    begin: (limited) => {
      wait.listen(() => {
        if (limited.phase !== phase.waiting) return
        timer.abandon()
        if (wait.phase === phase.fired) limited.fire(wait.result)
        else limited.fail(wait.result)
      })
      if (limited.phase !== phase.waiting) return
      timer.listen(() => {
        if (timer.phase !== phase.fired || limited.phase !== phase.waiting) return
        const error = new PercoreError('ERR_PERCORE_TIMEOUT', `nothing came for ${ms} ms`)
        limited.fail(error)
        wait.abandon(error)
      })
    },
    leave: () => {
      timer.abandon()
      wait.abandon()
    },
    undo: () => wait.abandon(),
  }
  return new Wait<T>(source, undefined)
}
