/**
 * percore's own group. Main thread of a measuring child.
 *
 * The invariant: nothing is set that a user would not set; `depth` only makes room for the tasks in flight.
 */
import { ExecGroup } from '../../src/index.js'
import type * as handlers from '../handlers.js'
import { handlersUrl, type PoolSubject } from './pool.js'

export const percore: PoolSubject = {
  subject: 'percore',
  async start({ workers, handler, inFlight }) {
    const group = await ExecGroup.start<typeof handlers>(handlersUrl, { workers, depth: Math.max(1024, inFlight) })
    return { run: (value) => group.run(handler, value as never), close: () => group.close() }
  },
}
