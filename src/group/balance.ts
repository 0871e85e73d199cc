/**
 * Balancers: which worker a task is pushed to. A balancer is a small pure-looking part that sees a load view and never the
 * workers; it runs on the calling thread, once per task, so it must not allocate.
 */

/** What a balancer may know. */
export interface LoadView {
  /** How many workers there are. */
  readonly workers: number
  /** How many more tasks this worker takes before it is full; 0 when it is full or gone. */
  room(worker: number): number
  /** How many tasks all workers hold together. */
  readonly inFlightTotal: number
  /** How many tasks this worker holds. */
  inFlight(worker: number): number
  /** Whether its thread is up, so that a task would start at once: one atomic load. */
  isAwake(worker: number): boolean
}

/**
 * Which worker a task goes to. Write your own when tasks or workers are not all alike. `pick` returns a worker with room, or −1
 * when none has any; then the task waits, or `push` says false. It is called on the group's thread, once per task: it must not
 * allocate, and must not call the group.
 *
 * @example
 * ```ts
 * import { type Balancer, ExecGroup } from 'percore'
 * import type handlers from './handlers.js'
 *
 * const fillFirst: Balancer = {
 *   pick(load) {
 *     for (let worker = 0; worker < load.workers; worker++) if (load.room(worker) > 0) return worker
 *     return -1
 *   },
 * }
 * const url = new URL('./handlers.js', import.meta.url)
 * const group = await ExecGroup.start<typeof handlers>(url, { balance: fillFirst })
 * console.log(await group.run('greet', 'Ada')) // Hello Ada, from worker 0
 * await group.close()
 * ```
 */
export interface Balancer {
  pick(load: LoadView): number
}

/**
 * Each task to the next worker that has room: the default, right when tasks are alike. Except that when
 * all are idle, the last one keeps its turn while its thread is still up: waking another takes 20–40 µs, and a caller with one
 * task at a time would pay it on every task (2 workers on 2 cores: 20 µs per task when strictly taking turns, 2 µs so).
 */
function roundRobin(): Balancer {
  let last = 0
  return {
    pick(load) {
      const { workers } = load
      if (load.inFlightTotal === 0 && load.room(last) > 0 && load.isAwake(last)) return last
      for (let tried = 0; tried < workers; tried++) {
        last = last + 1 < workers ? last + 1 : 0
        if (load.room(last) > 0) return last
      }
      return -1
    },
  }
}

/**
 * The balancers that come with percore. Each call makes a fresh one, for one group.
 *
 * @example
 * ```ts
 * import { balance, ExecGroup } from 'percore'
 *
 * const handlers = new URL('./handlers.js', import.meta.url)
 * const group = await ExecGroup.start(handlers, { balance: balance.roundRobin() })
 * await group.close()
 * ```
 */
export const balance: { roundRobin(): Balancer } = { roundRobin }
