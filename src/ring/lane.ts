/**
 * A lane: a single-producer single-consumer ring of 64-byte descriptors in shared memory. `LaneProducer` belongs to one
 * thread, `LaneConsumer` to another; neither may be used by a third.
 *
 * Invariant: `head ≤ started ≤ tail ≤ written`, and `written − head ≤ capacity`, all free-running u32 compared by difference.
 *
 * ```
 *  lane (words)         0 ........ 16 ....... 32 ....... 48 .......... 64 + 16 · capacity
 *                       | tail     | head     | written  | started  | slot 0 | slot 1 | … |
 *  written by           | producer | consumer | producer | consumer | producer, plainly    |
 *
 *  producer                                    consumer
 *    write slot plainly
 *    P1: store tail  (publishes the slots)  ─▶  C1: load tail   (sees the slots)
 *                                                 read slots plainly
 *    P2: load head   (slots are free again) ◀─  C2: store head  (gives the slots back)
 * ```
 *
 * P1 pairs with C1, C2 with P2; the producer caches the head and the consumer takes what `poll` counted, so a batch costs one
 * atomic each way and a task none.
 * `written` and `started` are plain words for a third party: after a thread has died, the one who joined it reads there
 * how far it got (see `recover`). They are never used to hand over slots between living threads.
 *
 * The scheme is Lamport's queue with cached indices (FastForward, and DPDK's rte_ring in single/single mode).
 */
import { invariant, isPowerOfTwo, PercoreError, shared } from '../base/index.js'

/** Words of one descriptor: 64 bytes, a cache line. */
export const descriptorWords = 16

const lineWords = 16
const tailAt = 0
const headAt = lineWords
const writtenAt = 2 * lineWords
const startedAt = 3 * lineWords
const slotsAt = 4 * lineWords

/** Words of shared memory taken by a lane of that capacity (a power of two). */
export function laneWords(capacity: number): number {
  if (!isPowerOfTwo(capacity)) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `a lane's capacity must be a power of two, not ${capacity}`)
  }
  return slotsAt + capacity * descriptorWords
}

/** Sets all indices of a lane, before its two threads attach. Tests start near 2^32. */
export function initLane(i32: Int32Array, at: number, index = 0): void {
  for (const word of [tailAt, headAt, writtenAt, startedAt]) shared.store(i32, at + word, index | 0)
}

/**
 * Readies a lane for the successor of a thread that has ended and been joined. Call it with the lane the dead thread
 * consumed: what it never started stays in the lane, beginning at the index returned. Any thread, while nobody consumes.
 *
 * @example
 * ```ts
 * import { initLane, LaneConsumer, LaneProducer, laneWords, recoverConsumed, recoverProduced } from 'percore/ring'
 *
 * const i32 = new Int32Array(new SharedArrayBuffer(4 * laneWords(8)))
 * initLane(i32, 0)
 * const producer = new LaneProducer(i32, 0, 8)
 * for (let n = 0; n < 3; n++) { producer.claim(); producer.commit() }
 * recoverProduced(i32, 0) // it died before it could publish them
 * new LaneConsumer(i32, 0, 8).advance() // and its consumer died within the first
 * console.log(recoverConsumed(i32, 0), new LaneConsumer(i32, 0, 8).poll()) // 1 2
 * ```
 */
export function recoverConsumed(i32: Int32Array, at: number): number {
  const started = i32[at + startedAt]
  shared.store(i32, at + headAt, started)
  return started
}

/**
 * How far the consumer of a lane has got: the index behind the last descriptor it has started. Exact once it has ended and been joined; of a
 * living one a moment old. Any thread.
 *
 * @example
 * ```ts
 * import { initLane, LaneConsumer, laneWords, startedOf } from 'percore/ring'
 *
 * const i32 = new Int32Array(new SharedArrayBuffer(4 * laneWords(8)))
 * initLane(i32, 0)
 * new LaneConsumer(i32, 0, 8).advance()
 * console.log(startedOf(i32, 0)) // 1
 * ```
 */
export function startedOf(i32: Int32Array, at: number): number {
  return i32[at + startedAt]
}

/**
 * The same for the lane the dead thread produced: everything it finished writing is published, so the consumer will see it.
 * Any thread, while nobody produces. Sound the consumer's `alarm` afterwards: the dead thread may have owed it a wake-up.
 */
export function recoverProduced(i32: Int32Array, at: number): void {
  shared.store(i32, at + tailAt, i32[at + writtenAt])
}

/**
 * How many published descriptors the consumer has not started on: an estimate of one moment, for whoever watches. Any thread.
 *
 * @example
 * ```ts
 * import { backlog, initLane, LaneConsumer, LaneProducer, laneWords } from 'percore/ring'
 *
 * const i32 = new Int32Array(new SharedArrayBuffer(4 * laneWords(8)))
 * initLane(i32, 0)
 * const producer = new LaneProducer(i32, 0, 8)
 * for (let n = 0; n < 3; n++) { producer.claim(); producer.commit() }
 * producer.publish()
 * new LaneConsumer(i32, 0, 8).advance()
 * console.log(backlog(i32, 0)) // 2
 * ```
 */
export function backlog(i32: Int32Array, at: number): number {
  return (shared.load(i32, at + tailAt) - shared.load(i32, at + startedAt)) | 0
}

/**
 * The writing end. One thread only; a fresh instance continues where the lane stands. Use a lane to hand small fixed-size records from one
 * thread to another for a few nanoseconds each; publish once per batch, and `ring` the consumer's doorbell if it may sleep.
 *
 * @example
 * ```ts
 * import { initLane, LaneConsumer, LaneProducer, laneWords } from 'percore/ring'
 *
 * const i32 = new Int32Array(new SharedArrayBuffer(4 * laneWords(8)))
 * initLane(i32, 0)
 * const producer = new LaneProducer(i32, 0, 8)
 * for (let n = 1, slot = 0; (slot = producer.claim()) !== -1; n++) {
 *   i32[slot] = n * n // 16 words to fill
 *   producer.commit()
 * }
 * producer.publish()
 * console.log(new LaneConsumer(i32, 0, 8).poll()) // 8
 * ```
 */
export class LaneProducer {
  readonly i32: Int32Array
  readonly at: number
  readonly capacity: number
  readonly #slots: number
  readonly #mask: number
  /** The next index to write; ahead of the published tail by `pending`. */
  written: number
  /** The tail as published. */
  published: number
  #headSeen: number

  constructor(i32: Int32Array, at: number, capacity: number) {
    this.i32 = i32
    this.at = at
    this.capacity = capacity
    this.#slots = at + slotsAt
    this.#mask = capacity - 1
    this.written = shared.load(i32, at + tailAt)
    this.published = this.written
    this.#headSeen = shared.load(i32, at + headAt)
  }

  /** The word index of the next free slot, or -1 when the lane is full. Nothing is taken until `commit`. No atomics unless it looks full. */
  claim(): number {
    if (((this.written - this.#headSeen) | 0) >= this.capacity) {
      this.#headSeen = shared.load(this.i32, this.at + headAt) // P2
      if (((this.written - this.#headSeen) | 0) >= this.capacity) return -1
    }
    return this.#slots + (this.written & this.#mask) * descriptorWords
  }

  /** Takes the claimed slot, completely written by now. Not yet visible to the consumer. */
  commit(): void {
    this.written = (this.written + 1) | 0
    this.i32[this.at + writtenAt] = this.written
  }

  /** Descriptors committed and not yet published. */
  get pending(): number {
    return (this.written - this.published) | 0
  }

  /** Makes every committed descriptor visible: one atomic store. */
  publish(): void {
    this.published = this.written
    shared.store(this.i32, this.at + tailAt, this.written) // P1
  }
}

/**
 * The reading end. One thread only; a fresh instance continues where the lane stands. Take what `poll` counted, then give the slots back at
 * once with `release`.
 *
 * @example
 * ```ts
 * import { initLane, LaneConsumer, LaneProducer, laneWords } from 'percore/ring'
 *
 * const i32 = new Int32Array(new SharedArrayBuffer(4 * laneWords(8)))
 * initLane(i32, 0)
 * const producer = new LaneProducer(i32, 0, 8)
 * i32[producer.claim()] = 42
 * producer.commit()
 * producer.publish()
 *
 * const consumer = new LaneConsumer(i32, 0, 8) // on the other thread, over the same buffer
 * for (let ready = consumer.poll(); ready > 0; ready--) {
 *   console.log(i32[consumer.peek()]) // 42
 *   consumer.advance()
 * }
 * consumer.release()
 * ```
 */
export class LaneConsumer {
  readonly i32: Int32Array
  readonly at: number
  readonly capacity: number
  readonly #slots: number
  readonly #mask: number
  /** The next index to read. */
  head: number

  constructor(i32: Int32Array, at: number, capacity: number) {
    this.i32 = i32
    this.at = at
    this.capacity = capacity
    this.#slots = at + slotsAt
    this.#mask = capacity - 1
    this.head = shared.load(i32, at + headAt)
  }

  /** How many descriptors are ready: one atomic load. */
  poll(): number {
    const ready = (shared.load(this.i32, this.at + tailAt) - this.head) | 0 // C1
    if (ready >>> 0 > this.capacity) invariant(false, `a lane of ${this.capacity} holds ${ready}`)
    return ready
  }

  /** A hint for the price of a plain load: false may be old news, so look with `poll` before going to sleep. */
  mayHaveMore(): boolean {
    return this.i32[this.at + tailAt] !== this.head
  }

  /** The word index of the next ready descriptor; only when `poll` said there is one. */
  peek(): number {
    return this.#slots + (this.head & this.#mask) * descriptorWords
  }

  /** Steps past the descriptor of `peek`. It counts as started: if this thread dies, its successor begins behind it. */
  advance(): void {
    this.head = (this.head + 1) | 0
    this.i32[this.at + startedAt] = this.head
  }

  /** Gives every slot advanced past back to the producer: one atomic store. */
  release(): void {
    shared.store(this.i32, this.at + headAt, this.head) // C2
  }
}
