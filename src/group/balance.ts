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
}

/** Picks a worker with room, or −1 when none has any. */
export interface Balancer {
  pick(load: LoadView): number
}

/** Each task to the next worker that has room: the default, right when tasks are alike. */
function roundRobin(): Balancer {
  let next = 0
  return {
    pick(load) {
      const { workers } = load
      for (let tried = 0; tried < workers; tried++) {
        const worker = next < workers ? next : 0
        next = worker + 1
        if (load.room(worker) > 0) return worker
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
