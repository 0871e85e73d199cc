/**
 * How many iterations of the spinning handler take one microsecond on this machine. Called once in the parent, so that all
 * children of a run spin the same number of iterations. Main thread.
 *
 * The invariant: the least of many timings is used; other work on the machine can only make a timing longer.
 */
import { spin } from '../handlers.js'

const probeIterations = 100_000
const probes = 60

/** Iterations of {@link spin} per microsecond. Takes about 20 ms. */
export function calibrateSpin(): number {
  let sink = 0
  // The optimising compiler must have seen both short and long calls, as the workers will.
  for (let i = 0; i < 2000; i++) sink ^= spin(100)
  let fastestMs = Infinity
  for (let i = 0; i < probes; i++) {
    const start = performance.now()
    sink ^= spin(probeIterations)
    fastestMs = Math.min(fastestMs, performance.now() - start)
  }
  if (!Number.isInteger(sink)) throw new Error('unreachable: keeps the loops from being optimised away')
  return probeIterations / (fastestMs * 1000)
}
