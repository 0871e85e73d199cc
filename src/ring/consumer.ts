/**
 * What the consuming ends of all rings share: records are looked at in place (`peek`, `slot`, `release`) or copied out. How a lane is
 * found and how its head moves is each ring's own (spsc.ts, mpsc.ts, mpmc.ts). One thread only; a fresh instance continues where the ring
 * stands.
 *
 * Invariant: records are taken by the one write of their lane's head, after they were read. A consumer that dies before has taken nothing.
 */
import type { Words } from '../base/index.js'
import { type Bell, itemsBell, RingEnd, roomBell } from './ring-end.js'
import { bad, consumerAt, consumerWordsOf, laneAt, laneWordsOf, type RingLayout, slotMaskOf } from './ring-layout.js'

/** Of so many looks in vain one is at every lane, for a consumer that polls and never sleeps: a dead thread may have left one unmarked. */
export const looksInVain = 64

/**
 * Takes records, by copy or in place. `pop`, `popBulk` (all or nothing) and `popBurst` (as many as possible) copy into an array of words;
 * `peek`, `slot` and `release` let you read where the records lie. Empty is an answer, never an exception.
 *
 * With an `MpmcRing` several consumers may look at the same records: they are yours only once `release` has said true, so act on what you
 * have read after it, and not before. With the other two it always says true.
 *
 * @example
 * ```ts
 * import { SpscRing } from 'percore/ring'
 *
 * const ring = SpscRing.create({ capacity: 100, recordWords: 2 })
 * ring.producer().pushBulk([1, 10, 2, 20, 3, 30], 3)
 *
 * const consumer = ring.consumer() // on the other thread
 * const record = new Int32Array(2)
 * if (consumer.pop(record)) console.log(record) // Int32Array(2) [ 1, 10 ]
 * const ready = consumer.peek(8)
 * let sum = 0
 * for (let n = 0; n < ready; n++) sum += consumer.i32[consumer.slot(n) + 1]
 * console.log(consumer.release(ready), sum, consumer.peek()) // true 50 0
 * ```
 */
export abstract class RingConsumer extends RingEnd {
  protected readonly slotMask: number
  /** The bells of producers that wait for room, by lane. */
  protected readonly rooms: readonly Bell[]
  /** The lane that is being read: its slots, and the index of the next record in it. */
  protected slotsAt: number
  protected head = 0
  readonly #peakAt: number
  #peak: number
  /** Records given back since the lane's bell was rung, and how many there may be. */
  readonly #untoldMax: number
  #untold = 0

  protected constructor(words: Words, layout: RingLayout, index: number) {
    const at = consumerAt(layout.at, index)
    super(words, layout, index, at + consumerWordsOf.seat, itemsBell(words.i32, layout))
    this.rooms = Array.from({ length: layout.producers }, (_, lane) => roomBell(words.i32, layout, lane))
    this.slotMask = slotMaskOf(layout)
    this.slotsAt = laneAt(layout, 0) + laneWordsOf.slots
    this.#peakAt = at + consumerWordsOf.peak
    this.#peak = words.i32[this.#peakAt]
    this.#untoldMax = Math.max(1, layout.capacity >>> 2)
  }

  /**
   * How many records are ready to be read in place: at most `count`, all of one producer, 0 only when there is none. Of several producers
   * it shows what was there when it turned to that one, so that none who never stops can starve the others.
   */
  abstract peek(count?: number): number

  /**
   * Takes the first `count` of the records of `peek`, and gives their slots back. True when they are yours; false only with an
   * `MpmcRing`, when another consumer was faster: what you have read is then not yours, and perhaps torn.
   *
   * @throws PercoreError ERR_PERCORE_INVALID_OPTION for more than there are
   */
  abstract release(count?: number): boolean

  /** Copies so many records out, or none. Returns `count` or 0. */
  abstract popBulk(into: Int32Array, count: number, at?: number): number

  /** Where the n-th of the records of `peek` is to be read, as an index into `i32`. */
  slot(n = 0): number {
    return this.slotsAt + ((this.head + n) & this.slotMask) * this.recordWords
  }

  /**
   * How many of the first `count` records of `peek` lie side by side from the n-th on: to read them, step by `recordWords` from
   * `slot(n)`. Fewer than there are only where the ring begins again.
   */
  run(count: number, n = 0): number {
    const toEnd = this.slotMask + 1 - ((this.head + n) & this.slotMask)
    return count - n < toEnd ? count - n : toEnd
  }

  /** Copies one record out; false when there is none. */
  pop(into: Int32Array, at = 0): boolean {
    return this.popBurst(into, 1, at) === 1
  }

  /** Copies out as many of `count` records as there are, and returns how many. */
  popBurst(into: Int32Array, count: number, at = 0): number {
    this.check(into, count, at)
    let got = 0
    while (got < count) {
      const ready = this.peek(count - got)
      if (ready === 0) break
      this.copy(into, ready, at + got * this.recordWords)
      if (this.release(ready)) got += ready
    }
    return got
  }

  override close(): void {
    for (const room of this.rooms) {
      room.ring(1)
      room.close()
    }
    super.close()
  }

  protected copy(into: Int32Array, count: number, at: number): void {
    const { i32 } = this
    for (let n = 0; n < count;) {
      const run = this.run(count, n)
      let slot = this.slot(n)
      for (const end = slot + run * this.recordWords; slot < end; slot++) into[at++] = i32[slot]
      n += run
    }
  }

  protected check(into: Int32Array, count: number, at: number): void {
    if (at < 0 || at + count * this.recordWords > into.length) {
      throw bad(`${count} records of ${this.recordWords} words do not fit into an array of ${into.length} from word ${at} on`)
    }
  }

  /**
   * Rings the bell of a producer that waits for room: not for each record given back, but when nothing is `left` of what this consumer
   * knows of, or a quarter of the lane has come together. It spares an atomic per release, and a woken producer finds more than one slot.
   */
  protected tellProducer(lane: number, count: number, left: number): void {
    this.#untold += count
    if (left > 0 && this.#untold < this.#untoldMax) return
    this.#untold = 0
    this.rooms[lane].ring(1)
  }

  /** Remembers the most records that were ever seen waiting in one lane. */
  protected notePeak(ready: number): void {
    if (ready > this.#peak) this.i32[this.#peakAt] = this.#peak = ready
  }
}
