/**
 * So many tasks at once, as a program issues them that does not count: how long until the last has settled, and how much memory it takes
 * at its peak. Main thread of a measuring child.
 *
 * The invariant: every result is looked at; the peak is that of the whole process, above what it had before.
 */
import { runTasks, warmUpClock } from './driver.js'
import type { Reading } from './harness/contract.js'
import type { Pool } from './subjects/index.js'

/** Warms up with few tasks in flight, so that the peak is the burst's, then issues `count` numbers at once. */
export async function measureBurst(pool: Pool, count: number, warmupCpuMs: number): Promise<readonly Reading[]> {
  const isWarm = warmUpClock(warmupCpuMs)
  while (!isWarm()) await runTasks(pool, 1, 500, 64)
  const idleBytes = process.memoryUsage.rss()
  const startMs = performance.now()
  const results = await Promise.all(Array.from({ length: count }, (_, n) => pool.run(n)))
  const elapsedMs = performance.now() - startMs
  const wrong = results.findIndex((result, n) => result !== n)
  if (wrong >= 0) throw new Error(`task ${wrong} of ${count} came back as ${results[wrong]}`)
  return [
    { metric: 'elapsed_ms', value: elapsedMs },
    { metric: 'peak_mb_above_idle', value: (process.resourceUsage().maxRSS * 1024 - idleBytes) / 1e6 },
  ]
}
