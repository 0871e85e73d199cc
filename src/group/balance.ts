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

/** Picks a worker with room, or −1 when none has any. */
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
 * The balancers that come with percore.
 *
 * @example
 * ```ts
 * const group = await ExecGroup.start(url, { balance: balance.roundRobin() })
 * ```
 */
export const balance: { roundRobin(): Balancer } = { roundRobin }
