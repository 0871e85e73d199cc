/**
 * What the whole process uses while something goes on, all its threads included. Main thread of a measuring child.
 *
 * The invariant: work of before the stretch is not counted, so whoever measures idleness waits for `settleMs` first.
 */

/** The tail of work (a spin before parking, a garbage collection, a compilation) takes no longer than this. */
export const settleMs = 200

/** Resolves after so many ms. */
export const delay = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })

/** CPU time, user and system, in percent of one processor, from now until what `stretch` returns has settled. */
export async function cpuPercentDuring(stretch: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  const start = process.cpuUsage()
  await stretch()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000 / (performance.now() - startMs) * 100
}
