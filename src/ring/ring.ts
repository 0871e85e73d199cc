/**
 * A ring as a whole: the places at it, how full it is, and what is done for a thread that has died. Any thread; a `Ring` holds no state,
 * all is in shared memory.
 *
 * Invariant: every place is taken by at most one thread: taking is one compare-exchange, giving back one store.
 */
import { PercoreError, shared, type Words, wordsOf } from '../base/index.js'
import type { RingConsumer } from './consumer.js'
import { RingProducer } from './producer.js'
import { itemsBell, roomBell } from './ring-end.js'
import {
  bad, checkShape, consumerAt, consumerWordsOf, laneAt, laneWordsOf, readLayout, type RingHandle, type RingKind, type RingLayout,
} from './ring-layout.js'

/** What can be seen of a ring from any thread, at no cost to those who use it. */
export interface RingStats {
  /** Records that wait, by producer. */
  readonly depths: readonly number[]
  /** The most records of one producer that a consumer has ever found waiting. */
  readonly peak: number
  /** Which places are taken. */
  readonly producers: readonly boolean[]
  readonly consumers: readonly boolean[]
}

const free = 0
const taken = 1

/** The bytes of shared memory that a ring of this shape takes. */
export function bytesOf(capacity: number, recordWords: number, producers: number, consumers: number): number {
  return 4 * checkShape({ capacity, recordWords, producers, consumers }, capacity)
}

export abstract class Ring {
  /** What another thread needs to attach: may be posted or put into `workerData`. */
  readonly handle: RingHandle
  readonly capacity: number
  readonly recordWords: number
  protected readonly words: Words
  protected readonly layout: RingLayout

  protected constructor(kind: RingKind, handle: RingHandle) {
    this.layout = readLayout(kind, handle)
    const { buffer, byteOffset } = handle
    this.handle = { buffer, byteOffset }
    this.words = wordsOf(buffer)
    this.capacity = this.layout.capacity
    this.recordWords = this.layout.recordWords
  }

  protected abstract openConsumer(index: number): RingConsumer

  /**
   * Takes a producer's place, the first free one or that of this number, for the calling thread. Throws `ERR_PERCORE_RING_TAKEN` when
   * there is none, `ERR_PERCORE_INVALID_OPTION` when there is no such place.
   */
  producer(index?: number): RingProducer {
    const seatAt = (lane: number): number => this.#laneAt(lane) + laneWordsOf.seat
    return new RingProducer(this.words, this.layout, this.#take('producer', this.layout.producers, seatAt, index))
  }

  /** Takes a consumer's place, as `producer` does a producer's. */
  consumer(index?: number): RingConsumer {
    const seatAt = (consumer: number): number => this.#consumerAt(consumer) + consumerWordsOf.seat
    return this.openConsumer(this.#take('consumer', this.layout.consumers, seatAt, index))
  }

  /**
   * Gives back the place of a producer whose thread has ended, and wakes whoever it may have owed a wake-up. All that it had published is in
   * the ring. Nobody is blocked without this: a sleeper that it did not wake finds out within half a second, and its place stays taken.
   */
  recoverProducer(index: number): void {
    this.#mustExist('producer', index, this.layout.producers)
    if (this.layout.kind !== 'spsc') this.#setReady(index)
    shared.store(this.words.i32, this.#laneAt(index) + laneWordsOf.seat, free)
    this.alarm()
  }

  /** The same for a consumer. What it had peeked at and not released is still in the ring. */
  recoverConsumer(index: number): void {
    this.#mustExist('consumer', index, this.layout.consumers)
    if (this.layout.kind === 'mpmc') for (let lane = 0; lane < this.layout.producers; lane++) this.#setReady(lane)
    shared.store(this.words.i32, this.#consumerAt(index) + consumerWordsOf.seat, free)
    this.alarm()
  }

  /** Wakes every thread that sleeps at this ring, so that it looks again. */
  alarm(): void {
    const rooms = this.#each(this.layout.producers, (lane) => roomBell(this.words.i32, this.layout, lane))
    for (const bell of [itemsBell(this.words.i32, this.layout), ...rooms]) {
      bell.alarm()
      bell.close()
    }
  }

  /** What is in the ring now. The producers' and consumers' own words: no atomics on their side. */
  stats(): RingStats {
    const { i32 } = this.words
    const { producers, consumers } = this.layout
    return {
      depths: this.#each(producers, (lane) => {
        const head = shared.load(i32, this.#laneAt(lane) + laneWordsOf.head)
        return Math.min((shared.load(i32, this.#laneAt(lane) + laneWordsOf.tail) - head) | 0, this.capacity)
      }),
      peak: Math.max(...this.#each(consumers, (consumer) => i32[this.#consumerAt(consumer) + consumerWordsOf.peak])),
      producers: this.#each(producers, (lane) => shared.load(i32, this.#laneAt(lane) + laneWordsOf.seat) === taken),
      consumers: this.#each(consumers, (consumer) => shared.load(i32, this.#consumerAt(consumer) + consumerWordsOf.seat) === taken),
    }
  }

  #laneAt(lane: number): number {
    return laneAt(this.layout, lane)
  }

  #consumerAt(consumer: number): number {
    return consumerAt(this.layout.at, consumer)
  }

  #each<T>(count: number, of: (index: number) => T): T[] {
    return Array.from({ length: count }, (_, index) => of(index))
  }

  #take(role: string, count: number, seatAt: (index: number) => number, wanted?: number): number {
    if (wanted !== undefined) this.#mustExist(role, wanted, count)
    for (let index = wanted ?? 0; index <= (wanted ?? count - 1); index++) {
      if (shared.compareExchange(this.words.i32, seatAt(index), free, taken) === free) return index
    }
    const which = wanted === undefined ? `all ${count} places of ${role}s are taken` : `the place of ${role} ${wanted} is taken`
    throw new PercoreError('ERR_PERCORE_RING_TAKEN', `${which}; close one, or recover the place of a thread that has ended`)
  }

  #mustExist(role: string, index: number, count: number): void {
    if (Number.isSafeInteger(index) && index >= 0 && index < count) return
    throw bad(`there is no ${role} ${index}: this ring has ${count}, numbered from 0`)
  }

  #setReady(lane: number): void {
    const { i32 } = this.words
    const at = this.layout.readyAt + (lane >>> 5)
    for (;;) {
      const mask = shared.load(i32, at)
      if (shared.compareExchange(i32, at, mask, mask | (1 << (lane & 31))) === mask) return
    }
  }
}
