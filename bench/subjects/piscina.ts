/**
 * piscina, the most used worker pool: as it comes, and tuned the way its own documentation suggests for many small tasks.
 * Main thread of a measuring child.
 *
 * The invariant: both run the same handlers file as everybody else.
 */
import { fileURLToPath } from 'node:url'
import { handlersUrl, type PoolSubject } from './pool.js'

/** Its defaults, but for the number of threads. */
export const piscina: PoolSubject = {
  subject: 'piscina',
  needs: 'piscina',
  start: ({ workers, handler }) => startPiscina({ minThreads: workers, maxThreads: workers, name: handler }),
}

/** Many tasks per worker at once and no histograms: its best for small tasks. */
export const piscinaTuned: PoolSubject = {
  subject: 'piscina-tuned',
  needs: 'piscina',
  start: ({ workers, handler }) =>
    startPiscina({ minThreads: workers, maxThreads: workers, name: handler, concurrentTasksPerWorker: 128, recordTiming: false }),
}

async function startPiscina(options: object): ReturnType<PoolSubject['start']> {
  const { Piscina } = await import('piscina')
  const pool = new Piscina({ filename: fileURLToPath(handlersUrl), ...options })
  return { run: (value) => pool.run(value), close: () => pool.destroy() }
}
