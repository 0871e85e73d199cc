/**
 * How long tasks wait, from the call until a worker starts them: the caller notes the time of a few tasks, and the worker that starts one of them looks
 * at the clock, too. Either end on its own thread.
 *
 * Invariant: each task has the same chance to be stamped, whatever the pattern of the calls: the distance to the next one is drawn by lot. It is
 * longer while tasks come fast, so a stamp counts for as many tasks as there were to one.
 *
 * ```
 *  caller                                             worker
 *    commits a task; it is the one:                     finds `stamped` in a head:
 *    two words of the task = time, weight                 meter: now − time, weight times
 *    head |= stamped
 *    publishes (P1)                               ─▶    (C1)
 * ```
 *
 * Cost: nothing for a task that has no stamp, as the caller counts tasks anyway to publish them, and a worker sees by the same comparison that a
 * descriptor is plain. A stamp takes some 0.1 µs at either end, at most some 4,000 times a second per worker.
 */
import { createPrng, mix32, type Prng } from '../base/index.js'
import { monotonicUs } from '../platform/index.js'

/** In a task's descriptor, beside the payload tag: the task that was put into it last has a stamp. */
export const stamped: number = 1 << 27

/** Words of a task's stamp. */
export const stampWords = 2

/** Tasks per stamp, on average. Between them, it doubles when stamps come closer than the one, and halves when they are farther apart than the other. */
const tasksPerStampMin = 32
const tasksPerStampMax = 8192
const closeUs = 250
const farUs = 1000

/** Draws the distances of one stream of tasks. */
export class Sampler {
  /** How many tasks the one counts for that was drawn last. */
  weight = tasksPerStampMin
  readonly #prng: Prng
  #lastUs = 0

  constructor(seed: number) {
    this.#prng = createPrng(mix32(seed + 1))
  }

  /** Tasks until the next one that is measured, that one included. */
  draw(): number {
    return 1 + this.#prng.below(2 * this.weight - 1)
  }

  /** One is measured now: they are to be drawn so that there are not too many, nor too few. */
  took(nowUs: number): void {
    const sinceUs = (nowUs - this.#lastUs) >>> 0
    this.#lastUs = nowUs
    if (sinceUs < closeUs) this.weight = Math.min(2 * this.weight, tasksPerStampMax)
    else if (sinceUs > farUs) this.weight = Math.max(this.weight / 2, tasksPerStampMin)
  }
}

/** The time as it is stamped: only differences mean something, up to 35 minutes. */
export function stampUs(): number {
  return monotonicUs() | 0
}

/** `at` is where the stamps of all tasks begin. The task's descriptor has not been published. */
export function stamp(i32: Int32Array, at: number, task: number, sinceUs: number, weight: number): void {
  i32[at + stampWords * task] = sinceUs
  i32[at + stampWords * task + 1] = weight
}

/** How long a stamped task has waited until now, in µs. */
export function waitedUs(i32: Int32Array, at: number, task: number): number {
  return Math.max(0, (stampUs() - i32[at + stampWords * task]) | 0)
}

/** For how many tasks that counts. */
export function weightOf(i32: Int32Array, at: number, task: number): number {
  return i32[at + stampWords * task + 1]
}
