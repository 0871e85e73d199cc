/**
 * Balancers: which worker a task is pushed to. They see a load view and never the workers, and run on the calling thread, once per
 * task, so they must not allocate and must not call the group.
 *
 * Invariant: a balancer says where a task should go, never that it goes. The dispatcher holds the credits: a task for a worker that is
 * full waits for it, in the order of the calls.
 */
import { createPrng, hashKey, mix32, PercoreError } from '../base/index.js'

/** What a balancer may know of the workers. Numbers of this moment, on the group's thread. */
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
  /** Whether it takes tasks at all: a full one does, one that was given up does not. */
  serves(worker: number): boolean
  /** Another number whenever `workers` or what `serves` says has changed. A worker that died and is replaced changes nothing. */
  readonly membership: number
}

/** What a balancer may know of the task. Valid during the call only. */
export interface TaskView {
  /** The handler's name; empty for `runFunction`. */
  readonly handler: string
  readonly value: unknown
  /** The `key` option of the call. */
  readonly key: string | number | undefined
}

/**
 * Chooses by load alone. `pick` returns a worker; or −1 when none has room, and then the task waits for the first that has, or `push`
 * says false. A task whose worker is full waits for that worker.
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
 * Chooses by what the task is. What it returns means the same as for {@link Balancer}; what it throws, the call rejects with.
 *
 * While workers come and go (`resize`, or by load), the group keeps the order of a key only for what `balance.key` made, passed as it is. A placement of your own is exempt from
 * that handover, also where it asks one that `balance.key` made, and for calls with the option `key`: a key that moves starts on its new worker while the one before may
 * still have tasks of it. Where that matters, pass `balance.key(of)` itself and name the `worker` of the exceptions in their calls; or stop calling and `await group.drain()` before `resize`.
 *
 * @example
 * ```ts
 * import { ExecGroup, type Placement } from 'percore'
 * import type handlers from './handlers.js'
 *
 * // Names have worker 1 to themselves.
 * const apart: Placement = (task, load) => (task.handler === 'greet' ? 1 % load.workers : 0)
 * const url = new URL('./handlers.js', import.meta.url)
 * const group = await ExecGroup.start<typeof handlers>(url, { workers: 2, balance: apart })
 * console.log(await group.run('greet', 'Ada')) // Hello Ada, from worker 1
 * await group.close()
 * ```
 */
export type Placement = (task: TaskView, load: LoadView) => number

/** A worker that holds so many tasks more than the one behind it is passed over: tens of microseconds of the shortest tasks, some ms of longer ones. */
const lagMax = 64

/**
 * Each task to the next worker that has room: the default, right when tasks are alike. One that falls behind, since it shares its core
 * with the caller or has met long tasks, gets fewer: see {@link lagMax}. And when
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
        const room = load.room(last)
        if (room > 0 && room + lagMax >= load.room(last + 1 < workers ? last + 1 : 0)) return last
      }
      return -1
    },
  }
}

/**
 * Each task to the worker that holds fewest; the one that had the last task wins a tie, for the reason given at round robin. Looks at
 * every worker.
 */
function leastDepth(): Balancer {
  let last = 0
  return {
    pick(load) {
      const { workers } = load
      let best = -1
      let fewest = Infinity
      for (let i = 0, worker = last < workers ? last : 0; i < workers; i++) {
        const held = load.inFlight(worker)
        if (held < fewest && load.room(worker) > 0) {
          best = worker
          fewest = held
        }
        worker = worker + 1 < workers ? worker + 1 : 0
      }
      if (best >= 0) last = best
      return best
    },
  }
}

/**
 * Each task to the less loaded of two workers drawn by lot: nearly as even as least depth at the price of two looks, however many
 * workers there are (Mitzenmacher, "The power of two choices in randomized load balancing", 2001).
 */
function twoChoices(seed = 1): Balancer {
  const prng = createPrng(seed)
  const spill = roundRobin()
  let last = 0
  return {
    pick(load) {
      const { workers } = load
      if (load.inFlightTotal === 0 && load.room(last) > 0 && load.isAwake(last)) return last
      const a = prng.below(workers)
      const b = workers > 1 ? (a + 1 + prng.below(workers - 1)) % workers : a
      const roomA = load.room(a)
      const roomB = load.room(b)
      last = roomA === 0 && roomB === 0 ? spill.pick(load) : roomB > roomA ? b : a
      if (last >= 0) return last
      last = 0
      return -1
    },
  }
}

/** Keys are dealt to workers in this many parts, by their hash. */
const parts = 4096

/** Which worker has which keys, and which the last task had: what a placement by key and the group share. */
export class Keys {
  /** By part. −1 where nobody serves. */
  readonly owners: Int32Array = new Int32Array(parts)
  /** That of the last task that was placed; −1 when it had no key. */
  part = -1
  #load: LoadView | undefined
  #membership = -1

  /** The worker that has a key. Throws ERR_PERCORE_INVALID_OPTION for what is none. */
  place(key: unknown, load: LoadView): number {
    this.part = hashKey(checkKey(key)) & (parts - 1)
    if (load.membership !== this.#membership) {
      this.#load = load
      this.deal()
    }
    return this.owners[this.part]
  }

  /** Each part of the keys goes to the worker that bids highest for it. */
  deal(): void {
    const load = this.#load
    if (load === undefined) return
    this.#membership = load.membership
    for (let part = 0; part < parts; part++) {
      let best = -1
      let highest = -1
      for (let worker = 0; worker < load.workers; worker++) {
        if (!load.serves(worker)) continue
        const bid = mix32(mix32(part + 1) ^ Math.imul(worker + 1, 0x9e3779b1))
        if (bid > highest) {
          highest = bid
          best = worker
        }
      }
      this.owners[part] = best
    }
  }
}

const keysOfPlacement = new WeakMap<Placement, Keys>()

/** The keys of a placement that `balance.key` made. */
export function keysOf(placement: Placement): Keys | undefined {
  return keysOfPlacement.get(placement)
}

/**
 * Tasks of one key all go to one worker, which runs them in the order of the calls, also across the death of its thread. Tasks without
 * a key go round. When workers join or leave, few keys move: each part of the keys goes to the worker that bids highest for it
 * (rendezvous hashing, Thaler and Ravishankar 1996), worked out once per change. Tasks of a key that has moved wait until the worker before has ended
 * those it had; within a {@link Placement} of your own they do not wait.
 *
 * `of` finds the key in a task's value; the `key` option of a call comes first.
 */
function key(of?: (value: never) => string | number | undefined): Placement {
  const keys = new Keys()
  const rest = roundRobin()
  const placement: Placement = (task, load) => {
    keys.part = -1
    const found = task.key ?? of?.(task.value as never)
    return found === undefined ? rest.pick(load) : keys.place(found, load)
  }
  keysOfPlacement.set(placement, keys)
  return placement
}

/** A key as it may be, or ERR_PERCORE_INVALID_OPTION. */
export function checkKey(value: unknown): string | number {
  if (typeof value === 'string' || (typeof value === 'number' && !Number.isNaN(value))) return value
  const what = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : typeof value
  throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `a key must be a string or a number, not ${what}. Make one of it, for example with String().`)
}

/** All tasks to one worker. For a single task, pass the `worker` option or call `group.to(worker)`. */
function pinned(worker: number): Balancer {
  return { pick: () => worker }
}

/**
 * The balancers that come with percore. Each call makes a fresh one, for one group: `roundRobin()` when tasks are alike, the default;
 * `leastDepth()` when they differ in length; `twoChoices(seed?)` for the same with many workers; `key(of?)` when tasks of one key must
 * keep their order; `pinned(worker)` for all to one. Or write a {@link Balancer} or a {@link Placement}; one that wraps what `key` made gives up the order across `resize`.
 *
 * @example
 * ```ts
 * import { balance, ExecGroup } from 'percore'
 * import type handlers from './handlers.js'
 *
 * const url = new URL('./handlers.js', import.meta.url)
 * const group = await ExecGroup.start<typeof handlers>(url, { workers: 4, balance: balance.key((name: string) => name) })
 * const said = await Promise.all(['Ada', 'Ada', 'Ada'].map((name) => group.run('greet', name)))
 * console.log(new Set(said).size) // 1
 * await group.close()
 * ```
 */
export const balance: {
  roundRobin(): Balancer
  leastDepth(): Balancer
  twoChoices(seed?: number): Balancer
  key(of?: (value: never) => string | number | undefined): Placement
  pinned(worker: number): Balancer
} = { roundRobin, leastDepth, twoChoices, key, pinned }
