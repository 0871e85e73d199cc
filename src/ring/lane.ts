/**
 * The two ends of a single lane as objects; lanes.ts has the protocol. `LaneProducer` belongs to one thread, `LaneConsumer` to another;
 * neither may be used by a third.
 */
import { type LaneReaders, laneReaders, type LaneWriters, laneWriters } from './lanes.js'

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
  readonly #end: LaneWriters

  constructor(i32: Int32Array, at: number, capacity: number) {
    this.i32 = i32
    this.at = at
    this.capacity = capacity
    this.#end = laneWriters(i32, [at], capacity)
  }

  /** The word index of the next free slot, or -1 when the lane is full. Nothing is taken until `commit`. No atomics unless it looks full. */
  claim(): number {
    return this.#end.claim(0)
  }

  /** Takes the claimed slot, completely written by now. Not yet visible to the consumer. */
  commit(): void {
    this.#end.commit(0)
  }

  /** The next index to write; ahead of the published tail by `pending`. */
  get written(): number {
    return this.#end.written(0)
  }

  /** Descriptors committed and not yet published. */
  get pending(): number {
    return this.#end.pending(0)
  }

  /** Makes every committed descriptor visible: one atomic store. */
  publish(): void {
    this.#end.publish(0)
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
  readonly #end: LaneReaders

  constructor(i32: Int32Array, at: number, capacity: number) {
    this.i32 = i32
    this.at = at
    this.capacity = capacity
    this.#end = laneReaders(i32, [at], capacity)
  }

  /** The next index to read. */
  get head(): number {
    return this.#end.head(0)
  }

  /** How many descriptors are ready: one atomic load. */
  poll(): number {
    return this.#end.poll(0)
  }

  /** A hint for the price of a plain load: false may be old news, so look with `poll` before going to sleep. */
  mayHaveMore(): boolean {
    return this.#end.mayHaveMore(0)
  }

  /** The word index of the next ready descriptor; only when `poll` said there is one. */
  peek(): number {
    return this.#end.peek(0)
  }

  /** Steps past the descriptor of `peek`. It counts as started: if this thread dies, its successor begins behind it. */
  advance(): void {
    this.#end.advance(0)
  }

  /** Gives every slot advanced past back to the producer: one atomic store. */
  release(): void {
    this.#end.release(0)
  }
}
