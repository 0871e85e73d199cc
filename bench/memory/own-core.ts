/**
 * A core for each thread of a bench. Left alone, the scheduler at times puts two threads that wake each other on one core, where a
 * producer and its consumer come to a tenth of their rate. native.c does the same. Any thread, for itself.
 */
import { availableCpus, pinThread } from '../../src/platform/index.js'

/** Ties the calling thread to the `thread`-th core, counted round. Does nothing where the host cannot. */
export function takeCore(thread: number): void {
  const cpus = availableCpus() ?? []
  const cpu = cpus[thread % cpus.length]
  if (cpu !== undefined) pinThread(cpu)
}
