/**
 * tinypool, the fork of piscina that Vitest runs on: as it comes, and tuned for many small tasks. Main thread of a measuring child.
 *
 * The invariant: both run the same handlers file as everybody else.
 */
import { fileURLToPath } from 'node:url'
import { handlersUrl, type PoolSubject } from './pool.js'

/** Its defaults, but for the number of threads. */
export const tinypool: PoolSubject = {
  subject: 'tinypool',
  needs: 'tinypool',
  start: ({ workers, handler }) => startTinypool({ minThreads: workers, maxThreads: workers, name: handler }),
}

/** Many tasks per worker at once, no worker that sleeps in `Atomics.wait`, nobody who counts its open files: its best for small tasks. */
export const tinypoolTuned: PoolSubject = {
  subject: 'tinypool-tuned',
  needs: 'tinypool',
  start: ({ workers, handler }) => startTinypool({
    minThreads: workers, maxThreads: workers, name: handler, concurrentTasksPerWorker: 1024, useAtomics: false, trackUnmanagedFds: false,
  }),
}

async function startTinypool(options: object): ReturnType<PoolSubject['start']> {
  const { Tinypool } = await import('tinypool')
  const pool = new Tinypool({ filename: fileURLToPath(handlersUrl), ...options })
  return { run: (value) => pool.run(value), close: () => pool.destroy() }
}
