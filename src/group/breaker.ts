/**
 * When to start a worker's successor: at once, after a pause, or not for a long while. Pure; one per worker.
 *
 * A thread that ended after it had started a task is blamed on the task. One that never did, or never got ready, is blamed on the worker:
 * so many of these in a row and the circuit opens, which means that its tasks fail at once instead of waiting for a start that
 * will fail. It is tried again after a longer and longer pause, and closes once a thread has run a task.
 *
 * ```
 *  closed ─ barren: pause 50 ms, 100 ms ─▶ … the 3rd: open ─ pause 1 s, 2 s … 30 s ─▶ half open (one try) ─ barren ─▶ open
 *     ▲───────────────────────── a thread has run a task ─────────────────────────────────┘
 * ```
 */

/** Barren lives in a row that open the circuit. */
const barrenMax = 3

/** The pause after the first of them; it doubles for each further one. */
const pauseMs = 50

const openPauseMs = 1000
const openPauseMsMax = 30_000

export interface Decision {
  /** How long to wait before a successor is started. */
  readonly pauseMs: number
  /** True when tasks must not wait for it. */
  readonly open: boolean
}

export class Breaker {
  #barren = 0

  /** A thread has ended, or could not be started; `fruitful` when it had started a task. */
  ended(fruitful: boolean): Decision {
    this.#barren = fruitful ? 0 : this.#barren + 1
    if (this.#barren === 0) return { pauseMs: 0, open: false }
    if (this.#barren < barrenMax) return { pauseMs: pauseMs * 2 ** (this.#barren - 1), open: false }
    return { pauseMs: Math.min(openPauseMsMax, openPauseMs * 2 ** (this.#barren - barrenMax)), open: true }
  }
}
