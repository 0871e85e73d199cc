/**
 * A lane: a single-producer single-consumer ring of 64-byte descriptors in shared memory. {@link laneWriters} and {@link laneReaders} are the ends of
 * one thread in any number of lanes of one capacity, by number; lane.ts has each end of a single lane as an object.
 *
 * Invariant: `head ≤ started ≤ tail ≤ written`, and `written − head ≤ capacity`, all free-running u32 compared by difference.
 *
 * ```
 *  lane (words)         0 ........ 16 ....... 32 ....... 48 ............ 64 + 16 · capacity
 *                       | tail     | head     | written  | started, part | slot 0 | slot 1 | … |
 *  written by           | producer | consumer | producer | consumer      | producer, plainly    |
 *
 *  producer                                    consumer
 *    write slot plainly
 *    P1: store tail  (publishes the slots)  ─▶  C1: load tail   (sees the slots)
 *                                                 read slots plainly
 *    P2: load head   (slots are free again) ◀─  C2: store head  (gives the slots back)
 * ```
 *
 * P1 pairs with C1, C2 with P2; the producer caches the head and the consumer takes what `poll` counted, so a batch costs one
 * atomic each way and a task none. The scheme is Lamport's queue with cached indices (FastForward, and DPDK's rte_ring in single/single mode).
 *
 * Closures over typed arrays, because V8 then folds every address where the number of the lane is a constant, as it is in a worker: its
 * cost per task fell to two fifths of what it was over fields of objects.
 */
import { cellsOf, invariant, shared } from '../base/index.js'
import * as layout from './lane-layout.js'

// Not folded when they are imported.
const { descriptorShift, headAt, partAt, slotsAt, startedAt, tailAt, writtenAt } = layout

/** The writing ends of lanes. One thread only; made anew they continue where the lanes stand. */
export interface LaneWriters {
  /** The word index of the next free slot, or -1 when the lane is full. Nothing is taken until `commit`. No atomics unless it looks full. */
  claim(lane: number): number
  /** Takes the claimed slot, completely written by now. Not yet visible to the consumer. */
  commit(lane: number): void
  /** Descriptors committed and not yet published. */
  pending(lane: number): number
  /** Makes every committed descriptor visible: one atomic store. */
  publish(lane: number): void
  /** The index that is written next. */
  written(lane: number): number
  /** The word index of the descriptor that was committed last. It is still the caller's own if it has not been published. */
  last(lane: number): number
}

/** The reading ends of lanes. One thread only; made anew they continue where the lanes stand. */
export interface LaneReaders {
  /** How many descriptors are ready: one atomic load. */
  poll(lane: number): number
  /** A hint for the price of a plain load: false may be old news, so look with `poll` before going to sleep. */
  mayHaveMore(lane: number): boolean
  /** The word index of the next ready descriptor; only when `poll` said there is one. */
  peek(lane: number): number
  /** Steps past the descriptor of `peek`. It counts as started: if this thread dies, its successor begins behind it. */
  advance(lane: number): void
  /**
   * For descriptors whose parts are started one by one: says that so many of the descriptor of `peek` are, when another one is about to be. `pass` steps past it
   * when all are done. If this thread dies, its successor goes on at `part`, see `recoverPartly`.
   */
  begin(lane: number, parts: number): void
  pass(lane: number): void
  /** How many parts of the descriptor of `peek` have been started already. */
  part(lane: number): number
  /** Gives every slot advanced past back to the producer: one atomic store. */
  release(lane: number): void
  /** The index that is read next. */
  head(lane: number): number
}

/**
 * The writing ends of a thread that has several, or that writes many records: a {@link LaneProducer} for each costs twice as much. `ats` are the
 * words at which the lanes begin; a lane is named by its place among them.
 *
 * @example
 * ```ts
 * import { initLane, laneReaders, laneWords, laneWriters } from 'percore/ring'
 *
 * const ats = [0, laneWords(8)] // to two threads, say
 * const i32 = new Int32Array(new SharedArrayBuffer(8 * laneWords(8)))
 * for (const at of ats) initLane(i32, at)
 * const writers = laneWriters(i32, ats, 8)
 * for (const lane of [0, 1, 1]) {
 *   i32[writers.claim(lane)] = 42 // 16 words to fill
 *   writers.commit(lane)
 * }
 * writers.publish(1)
 * const readers = laneReaders(i32, ats, 8)
 * console.log(readers.poll(0), readers.poll(1)) // 0 2
 * ```
 */
export function laneWriters(i32: Int32Array, ats: readonly number[], capacity: number): LaneWriters {
  const mask = capacity - 1
  const bases = cellsOf(ats)
  /** The tail as published; ahead of it by what is pending, the index that is written next; and the head as last seen. */
  const tails = cellsOf(ats.map((at) => shared.load(i32, at + tailAt)))
  const next = cellsOf([...tails])
  const heads = cellsOf(ats.map((at) => shared.load(i32, at + headAt)))

  function isFull(lane: number): boolean {
    heads[lane] = shared.load(i32, bases[lane] + headAt) // P2
    return ((next[lane] - heads[lane]) | 0) >= capacity
  }

  return {
    claim(lane) {
      const index = next[lane]
      if (((index - heads[lane]) | 0) >= capacity && isFull(lane)) return -1
      return bases[lane] + slotsAt + ((index & mask) << descriptorShift)
    },
    commit(lane) {
      const index = (next[lane] + 1) | 0
      next[lane] = index
      i32[bases[lane] + writtenAt] = index
    },
    pending: (lane) => (next[lane] - tails[lane]) | 0,
    publish(lane) {
      const index = next[lane]
      tails[lane] = index
      shared.store(i32, bases[lane] + tailAt, index) // P1
    },
    written: (lane) => next[lane],
    last: (lane) => bases[lane] + slotsAt + (((next[lane] - 1) & mask) << descriptorShift),
  }
}

/**
 * The reading ends of a thread, see {@link laneWriters}. Take what `poll` counted, then give the slots back at once with `release`.
 *
 * @example
 * ```ts
 * import { initLane, laneReaders, laneWords, laneWriters } from 'percore/ring'
 *
 * const i32 = new Int32Array(new SharedArrayBuffer(4 * laneWords(8)))
 * initLane(i32, 0)
 * const writers = laneWriters(i32, [0], 8)
 * i32[writers.claim(0)] = 42
 * writers.commit(0)
 * writers.publish(0)
 *
 * const readers = laneReaders(i32, [0], 8) // on the other thread, over the same buffer
 * for (let ready = readers.poll(0); ready > 0; ready--) {
 *   console.log(i32[readers.peek(0)]) // 42
 *   readers.advance(0)
 * }
 * readers.release(0)
 * ```
 */
export function laneReaders(i32: Int32Array, ats: readonly number[], capacity: number): LaneReaders {
  const mask = capacity - 1
  const bases = cellsOf(ats)
  /** The index that is read next. */
  const heads = cellsOf(ats.map((at) => shared.load(i32, at + headAt)))
  const parts = cellsOf(ats.map((at, lane) => (((i32[at + startedAt] - heads[lane]) | 0) === 1 ? i32[at + partAt] : 0)))

  return {
    poll(lane) {
      const ready = (shared.load(i32, bases[lane] + tailAt) - heads[lane]) | 0 // C1
      if (ready >>> 0 > capacity) invariant(false, `a lane of ${capacity} holds ${ready}`)
      return ready
    },
    mayHaveMore: (lane) => i32[bases[lane] + tailAt] !== heads[lane],
    peek: (lane) => bases[lane] + slotsAt + ((heads[lane] & mask) << descriptorShift),
    advance(lane) {
      const index = (heads[lane] + 1) | 0
      const base = bases[lane]
      heads[lane] = index
      i32[base + startedAt] = index
      i32[base + partAt] = 1
    },
    begin(lane, count) {
      const base = bases[lane]
      parts[lane] = count
      i32[base + startedAt] = (heads[lane] + 1) | 0
      i32[base + partAt] = count
    },
    pass(lane) {
      parts[lane] = 0
      heads[lane] = (heads[lane] + 1) | 0
    },
    part: (lane) => parts[lane],
    release(lane) {
      shared.store(i32, bases[lane] + headAt, heads[lane]) // C2
    },
    head: (lane) => heads[lane],
  }
}
