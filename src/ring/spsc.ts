/**
 * The ring from one thread to one other: one lane, nothing else.
 *
 * Invariant: the producer alone writes the tail, the consumer alone the head (see producer.ts for the pairs of orderings).
 *
 * Lamport's queue with cached indices (FastForward; DPDK's rte_ring in single/single mode), at the record size you want.
 */
import { invariant, shared, type Words } from '../base/index.js'
import { RingConsumer } from './consumer.js'
import { laneAt, laneWordsOf, layOut, type RingHandle, type RingLayout, type RingOptions, shapeOf, tooManyReleased } from './ring-layout.js'
import { bytesOf, Ring } from './ring.js'

const { tail: tailOf, head: headOf } = laneWordsOf

/**
 * Passes records from one thread to one other for a few nanoseconds each. Use it for a stream between two threads; it is the fastest of
 * the three. Throws `ERR_PERCORE_INVALID_OPTION` for options it cannot use.
 *
 * @example
 * ```ts
 * import { isMainThread, Worker, workerData } from 'node:worker_threads'
 * import { SpscRing } from 'percore/ring'
 *
 * if (isMainThread) {
 *   const ring = SpscRing.create({ capacity: 1000, recordWords: 4 })
 *   new Worker(new URL(import.meta.url), { workerData: ring.handle })
 *   const producer = ring.producer()
 *   for (let n = 1; n <= 100_000; n++) {
 *     while (!producer.push([n, 0, 0, 0])) producer.block() // full: sleep until there is room
 *   }
 * } else {
 *   const consumer = SpscRing.attach(workerData).consumer()
 *   const records = new Int32Array(64 * 4)
 *   let sum = 0
 *   for (let got = 0; got < 100_000;) {
 *     const count = consumer.popBurst(records, 64)
 *     for (let n = 0; n < count; n++) sum += records[n * 4]
 *     got += count
 *     if (count === 0) await consumer.ready() // empty: back to the event loop until there is something
 *   }
 *   console.log(sum) // 5000050000
 * }
 * ```
 */
export class SpscRing extends Ring {
  private constructor(handle: RingHandle) {
    super('spsc', handle)
  }

  /** Makes an empty ring, in a buffer of its own or in a region of yours. */
  static create(options: RingOptions): SpscRing {
    return new SpscRing(layOut('spsc', { ...shapeOf(options), producers: 1, consumers: 1 }, options))
  }

  /** The ring behind a handle that came from another thread. */
  static attach(handle: RingHandle): SpscRing {
    return new SpscRing(handle)
  }

  /** The bytes of shared memory that `create` takes for such a ring. */
  static bytes({ capacity, recordWords }: RingOptions): number {
    return bytesOf(capacity, recordWords, 1, 1)
  }

  protected override openConsumer(index: number): SpscConsumer {
    return new SpscConsumer(this.words, this.layout, index)
  }
}

export class SpscConsumer extends RingConsumer {
  readonly #tailAt: number
  readonly #headAt: number
  #tailSeen: number

  constructor(words: Words, layout: RingLayout, index: number) {
    super(words, layout, index)
    this.#tailAt = laneAt(layout, 0) + tailOf
    this.#headAt = laneAt(layout, 0) + headOf
    this.head = shared.load(words.i32, this.#headAt)
    this.#tailSeen = this.head
  }

  override peek(count = 1): number {
    let ready = (this.#tailSeen - this.head) | 0
    if (ready < count) ready = this.#poll()
    return ready < count ? ready : count
  }

  override release(count = 1): boolean {
    const head = (this.head + count) | 0
    const left = (this.#tailSeen - head) | 0
    if (!(count >= 0) || left < 0) throw tooManyReleased(count)
    this.head = head
    shared.store(this.i32, this.#headAt, this.head) // C2
    this.tellProducer(0, count, left)
    return true
  }

  override popBulk(into: Int32Array, count: number, at = 0): number {
    this.check(into, count, at)
    return this.peek(count) < count ? 0 : this.popBurst(into, count, at)
  }

  override look(count = 1): boolean {
    return this.#poll() >= count
  }

  #poll(): number {
    this.#tailSeen = shared.load(this.i32, this.#tailAt) // C1
    const ready = (this.#tailSeen - this.head) | 0
    if (ready >>> 0 > this.capacity) invariant(false, `a ring of ${this.capacity} holds ${ready}`)
    this.notePeak(ready)
    return ready
  }
}
