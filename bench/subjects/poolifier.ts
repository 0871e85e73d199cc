/**
 * poolifier's fixed pool of threads: as it comes, and tuned for many small tasks. It hands every task to a worker at once, so its defaults keep
 * workers busy. Main thread of a measuring child.
 *
 * The invariant: both run the same handlers as everybody else, from one worker script.
 */
import { fileURLToPath } from 'node:url'
import { delay } from '../cpu.js'
import type { PoolSubject } from './pool.js'

const workerFile = fileURLToPath(new URL('./poolifier-worker.js', import.meta.url))

/** Now and then `destroy` waits for the end of a thread that has ended already, without end. */
const patienceMs = 1000

/** Its defaults. */
export const poolifier: PoolSubject = {
  subject: 'poolifier',
  needs: 'poolifier',
  start: ({ workers, handler }) => startPoolifier(workers, handler, {}),
}

/** Workers in turn instead of by a comparison. */
export const poolifierTuned: PoolSubject = {
  subject: 'poolifier-tuned',
  needs: 'poolifier',
  start: ({ workers, handler }) => startPoolifier(workers, handler, { workerChoiceStrategy: 'ROUND_ROBIN' }),
}

async function startPoolifier(workers: number, handler: string, options: object): ReturnType<PoolSubject['start']> {
  const { FixedThreadPool } = await import('poolifier')
  const pool = new FixedThreadPool(workers, workerFile, options)
  return { run: (value) => pool.execute(value, handler), close: () => Promise.race([pool.destroy(), delay(patienceMs)]) }
}
