/** Time as a parameter: a clock that moves when it is told to, or by a step at each look. One thread. */
import { Exec, type ExecOptions } from '../../src/exec/index.js'

export class Clock {
  ms = 1000
  /** What each look at the clock takes. */
  stepMs = 0
  readonly now = (): number => (this.ms += this.stepMs)
}

/** An executor on a clock of its own, with indices near their wrap. Errors nobody joins are kept. */
export function startExec(options: ExecOptions = {}): { exec: Exec; clock: Clock; errors: unknown[] } {
  const clock = new Clock()
  const errors: unknown[] = []
  const exec = new Exec({ now: clock.now, onError: (error) => errors.push(error), firstIndex: 2 ** 31 - 3, ...options })
  return { exec, clock, errors }
}

/** Turns until nothing is alive, moving the clock to each deadline. */
export function runOut(exec: Exec, clock: Clock): void {
  for (let turns = 0; exec.tasks > 0; turns++) {
    exec.runUntilIdle()
    if (exec.tasks > 0) {
      if (exec.nextDeadline() === Infinity) throw new Error(`${exec.tasks} tasks wait for ever`)
      clock.ms = Math.max(clock.ms, exec.nextDeadline())
    }
    if (turns > 1_000_000) throw new Error('this never ends')
  }
}
