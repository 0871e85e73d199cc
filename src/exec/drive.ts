/**
 * Turns an executor from the host's event loop until something is over. One thread: the executor's; internal, behind `exec.run`.
 *
 * Invariant: between two turns the event loop has had one of its own; and whoever rests is woken by whatever could make a turn worth while: a
 * timer, a task made ready by a promise, or the turn of another who drives the same executor.
 */
import { afterMs, afterTurn } from './host.js'

/** What is needed of an executor to drive it. */
interface Drivable {
  turn(budgetUs: number): number
  hasWork(): boolean
  nextDeadline(): number
  whenWork(callback: () => void): () => void
}

/** How long the event loop is kept waiting. */
const budgetUs = 1000

/** Resolves once `over` says so after a turn. `now` is the executor's clock. */
export function drive(exec: Drivable, over: () => boolean, now: () => number): Promise<void> {
  return new Promise((resolve) => {
    const step = (): void => {
      exec.turn(budgetUs)
      if (over()) resolve()
      else if (exec.hasWork()) afterTurn(step)
      else rest(exec, step, now)
    }
    step()
  })
}

function rest(exec: Drivable, step: () => void, now: () => number): void {
  const wake = (): void => {
    forgetTimer()
    forgetWork()
    afterTurn(step)
  }
  const deadline = exec.nextDeadline()
  const forgetTimer = deadline === Infinity ? () => {} : afterMs(deadline - now(), wake)
  const forgetWork = exec.whenWork(wake)
}
