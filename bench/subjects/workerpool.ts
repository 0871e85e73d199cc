/**
 * workerpool, with a dedicated worker script. It gives a worker one task at a time and has no option that changes it, so there is nothing to
 * tune. Main thread of a measuring child.
 *
 * The invariant: the promise that is waited for is its own, not one of ours around it.
 */
import { fileURLToPath } from 'node:url'
import type { PoolSubject } from './pool.js'

const workerFile = fileURLToPath(new URL('./workerpool-worker.js', import.meta.url))

/** Threads, as many from the start as there may be. */
export const workerpool: PoolSubject = {
  subject: 'workerpool',
  needs: 'workerpool',
  async start({ workers, handler }) {
    const { default: library } = await import('workerpool')
    const pool = library.pool(workerFile, { workerType: 'thread', minWorkers: workers, maxWorkers: workers })
    return {
      // Its promises have a `then` of two callbacks, which is all that a driver needs.
      run: (value) => pool.exec(handler, [value]) as unknown as Promise<unknown>,
      close: async () => { await pool.terminate(true) },
    }
  },
}
