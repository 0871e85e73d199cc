/**
 * The handlers that every worker pool runs in the benches: percore, piscina and raw `postMessage` all load this module.
 * Worker threads, and the main thread for the inline side of break-even.
 *
 * The invariant: nothing here knows which pool called it.
 */
import { setTimeout as sleep } from 'node:timers/promises'

/** Gives the payload back. */
export const echo = (value: unknown): unknown => value

/** Gives a number that is not above 0 back; sleeps so many milliseconds for another. */
export const doze = (value: number): number | Promise<number> => value > 0 ? sleep(value, value) : value

/** Busy for `iterations` steps of a linear congruential generator, each waiting for the one before; the result keeps the loop alive. */
export function spin(iterations: number): number {
  let x = iterations | 0
  for (let i = 0; i < iterations; i++) x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0
  return x
}
