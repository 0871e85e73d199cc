/**
 * When the calling thread looks for completions, and how it sleeps when there are none. It belongs to the group's thread.
 *
 * ```
 *  polling (setImmediate): drain a turn's worth
 *     ├─ 8 turns without one, and every core has a busy worker ─▶ nap ≤ 0.5 ms
 *     └─ 50 turns without one ─▶ arm the doorbell, hold the process alive, sleep until a worker's message
 * ```
 *
 * Invariant: while anything is in flight, this thread polls, or sleeps behind an armed doorbell.
 */
import type { Sleeper } from '../ring/index.js'

/** Turns of the event loop (about 1 µs each) to look for completions before going to sleep. */
const emptyTurnsMax = 50

/**
 * When this thread and the busy workers are more than the cores, looking takes a core from a worker. Then it naps after so many
 * turns: not sooner, since being woken from a nap costs some 20 µs, which tasks of less than a microsecond would feel. Once a
 * look has been in vain it naps after every turn, until one finds something without a nap. With one core there is nothing to be gained by looking
 * again.
 */
const emptyTurnsBeforeNap = 8

/** How long a nap keeps the event loop from the caller's other work at most; a worker that runs out of tasks ends it sooner. */
const napMs = 0.5

export interface PollerParts {
  readonly sleeper: Sleeper
  /** Settles what has come back; returns how many. */
  readonly drain: () => number
  readonly inFlight: () => number
  readonly cores: number
  /** True when the busy workers and this thread are more than the cores. */
  readonly coresAreShort: () => boolean
  /** Keeps the process alive, or no longer. */
  readonly hold: (alive: boolean) => void
  /** True when something may come although nothing is in flight. */
  readonly listens: () => boolean
  /** Called when it begins to look, and when it stops. */
  readonly started: () => void
  readonly stopped: () => void
  /** Instead of {@link emptyTurnsMax}: fewer, where every step is explored. */
  readonly turns?: number
}

export class Poller {
  readonly #parts: PollerParts
  /** Read by the dispatcher at every task, so that it need not call. */
  polling = false
  #armed = false
  #emptyTurns = 0
  readonly #napAfterMost: number
  #napAfter: number
  readonly #turnsMax: number

  constructor(parts: PollerParts) {
    this.#parts = parts
    this.#napAfterMost = parts.cores === 1 ? 1 : emptyTurnsBeforeNap
    this.#napAfter = this.#napAfterMost
    this.#turnsMax = parts.turns ?? emptyTurnsMax
  }

  /** Looks for completions from now on; only when not `polling`. */
  start(): void {
    this.polling = true
    this.#emptyTurns = 0
    if (this.#armed) {
      this.#armed = false
      this.#parts.sleeper.unpark()
    }
    setImmediate(this.#poll)
    this.#parts.started()
  }

  readonly #poll = (): void => {
    if (!this.polling) return
    const { drain, inFlight, coresAreShort, hold, sleeper } = this.#parts
    if (drain() > 0) {
      this.#emptyTurns = 0
      this.#napAfter = this.#napAfterMost
    } else if (++this.#emptyTurns >= this.#napAfter && inFlight() > 0 && coresAreShort()) {
      this.#napAfter = 1
      sleeper.nap(napMs)
      if (drain() > 0) this.#emptyTurns = 0
    }
    if (inFlight() === 0) {
      hold(false)
      if (this.#parts.listens()) this.#sleep()
      else this.#stop()
    } else if (this.#emptyTurns < this.#turnsMax) {
      setImmediate(this.#poll)
    } else {
      hold(true)
      this.#sleep()
    }
  }

  #sleep(): void {
    if (!this.#parts.sleeper.parkInLoop()) {
      setImmediate(this.#poll)
      return
    }
    this.#armed = true
    this.#stop()
  }

  #stop(): void {
    this.polling = false
    this.#parts.stopped()
  }
}
