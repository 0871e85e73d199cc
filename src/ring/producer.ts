/**
 * The producing end of every ring. Each producer has a lane of its own, in all three kinds, so pushing shares nothing with other
 * producers but the ready mask. One thread only; a fresh instance continues where the lane stands.
 *
 * Invariant: what a lane holds changes by one store of its tail. Before it nothing has been pushed, after it everything; there is no state
 * in between in which a thread could die and leave others waiting.
 *
 * ```
 *  producer                                      consumer
 *    write slots plainly
 *    P1: store tail (publishes the slots)   ─▶     C1: load tail
 *    P2: load mask; own bit clear → set it  ─▶     takes the lane from the mask (mpsc.ts, mpmc.ts; not with one producer)
 *    P3: ring the consumers' bell                  read slots plainly
 *    P4: load head, when it looks full      ◀─     C2: store or compare-exchange head (gives the slots back), ring the lane's bell
 * ```
 */
import { shared, type Words } from '../base/index.js'
import { bad, laneAt, laneWordsOf, type RingLayout, slotMaskOf } from './ring-layout.js'
import { type Bell, itemsBell, RingEnd, roomBell } from './ring-end.js'

/** When the consumers' bell is rung: at each publish, or when this lane was not yet known to be ready. */
const everyTime = 0
const onEdge = 1

/**
 * Pushes records, by copy or in place. `push`, `pushBulk` (all or nothing) and `pushBurst` (as many as possible) copy from an array of
 * words; `claim`, `slot` and `publish` let you write where the record will lie. Full is an answer, never an exception.
 *
 * @example
 * ```ts
 * import { SpscRing } from 'percore/ring'
 *
 * const producer = SpscRing.create({ capacity: 3, recordWords: 2 }).producer()
 * console.log(producer.push([1, 10]), producer.pushBulk([2, 20, 3, 30, 4, 40], 3)) // true 0
 * console.log(producer.pushBurst([2, 20, 3, 30, 4, 40], 3)) // 2
 * console.log(producer.claim(1), producer.depth(), producer.isHigh()) // 0 3 true
 * ```
 */
export class RingProducer extends RingEnd {
  readonly highWater: number
  readonly #tailAt: number
  readonly #headAt: number
  readonly #slotsAt: number
  readonly #mask: number
  /** The word of the ready mask, or -1 without one; and when to ring. */
  readonly #readyAt: number
  readonly #readyBit: number
  readonly #ringing: number
  readonly #items: Bell
  #tail: number
  #headSeen: number

  /** Made by a ring's `producer()`. */
  constructor(words: Words, layout: RingLayout, lane: number) {
    const at = laneAt(layout, lane)
    super(words, layout, lane, at + laneWordsOf.seat, roomBell(words.i32, layout, lane))
    this.#items = itemsBell(words.i32, layout)
    this.highWater = layout.highWater
    this.#tailAt = at + laneWordsOf.tail
    this.#headAt = at + laneWordsOf.head
    this.#slotsAt = at + laneWordsOf.slots
    this.#mask = slotMaskOf(layout)
    this.#readyAt = layout.kind === 'spsc' ? -1 : layout.readyAt + (lane >>> 5)
    this.#readyBit = 1 << (lane & 31)
    this.#ringing = layout.kind === 'mpsc' ? onEdge : everyTime
    this.#tail = shared.load(words.i32, this.#tailAt)
    this.#headSeen = shared.load(words.i32, this.#headAt)
  }

  /** For how many of `count` records there is room. Nothing is taken until `publish`. No atomics unless it looks too full. */
  claim(count = 1): number {
    let room = this.capacity - ((this.#tail - this.#headSeen) | 0)
    if (room < count) {
      this.#headSeen = shared.load(this.i32, this.#headAt) // P4
      room = this.capacity - ((this.#tail - this.#headSeen) | 0)
    }
    return room < count ? room : count
  }

  /** Where the n-th of the claimed records is to be written, as an index into `i32`. */
  slot(n = 0): number {
    return this.#slotsAt + ((this.#tail + n) & this.#mask) * this.recordWords
  }

  /**
   * How many of the first `count` claimed records lie side by side from the n-th on: to write them, step by `recordWords` from `slot(n)`.
   * Fewer than there are only where the ring begins again.
   */
  run(count: number, n = 0): number {
    const toEnd = this.#mask + 1 - ((this.#tail + n) & this.#mask)
    return count - n < toEnd ? count - n : toEnd
  }

  /**
   * Makes the first `count` of the claimed records visible, completely written by now. Two or three atomics, however many records.
   *
   * @throws PercoreError ERR_PERCORE_INVALID_OPTION for more than the ring has room for
   */
  publish(count = 1): void {
    const tail = (this.#tail + count) | 0
    if (!(count >= 0) || ((tail - this.#headSeen) | 0) > this.capacity) throw bad(`${count} records cannot be published: publish at most as many as claim() returned`)
    this.#tail = tail
    shared.store(this.i32, this.#tailAt, this.#tail) // P1
    if (this.#readyAt >= 0) {
      const known = this.#announce()
      if (known && this.#ringing === onEdge) return
    }
    this.#items.ring(count) // P3
  }

  /** Copies one record in; false when there is no room. */
  push(record: ArrayLike<number>, from = 0): boolean {
    return this.pushBurst(record, 1, from) === 1
  }

  /** Copies `count` records in, or none. Returns `count` or 0. */
  pushBulk(records: ArrayLike<number>, count: number, from = 0): number {
    this.#check(records, count, from)
    if (this.claim(count) < count) return 0
    this.#copy(records, count, from)
    return count
  }

  /** Copies in as many of `count` records as there is room for, and returns how many. */
  pushBurst(records: ArrayLike<number>, count: number, from = 0): number {
    this.#check(records, count, from)
    const room = this.claim(count)
    if (room > 0) this.#copy(records, room, from)
    return room
  }

  /** Records pushed here and not yet taken. */
  depth(): number {
    this.#headSeen = shared.load(this.i32, this.#headAt)
    return (this.#tail - this.#headSeen) | 0
  }

  /** Whether so many of its records wait that the ring's `highWater` is reached: time to push less. No atomics while it looks low. */
  isHigh(): boolean {
    return ((this.#tail - this.#headSeen) | 0) >= this.highWater && this.depth() >= this.highWater
  }

  /** Whether there is room for so many, by looking at what consumers have given back. */
  look(count = 1): boolean {
    return this.capacity - this.depth() >= count
  }

  override close(): void {
    this.#items.close()
    super.close()
  }

  /** P2: sets this lane's bit in the ready mask; true when it was set already, so that the consumer is going to look. */
  #announce(): boolean {
    for (;;) {
      const mask = shared.load(this.i32, this.#readyAt)
      if ((mask & this.#readyBit) !== 0) return true
      if (shared.compareExchange(this.i32, this.#readyAt, mask, mask | this.#readyBit) === mask) return false
    }
  }

  #check(records: ArrayLike<number>, count: number, from: number): void {
    if (from < 0 || from + count * this.recordWords > records.length) {
      throw bad(`${count} records of ${this.recordWords} words from word ${from} on are more than an array of ${records.length} has`)
    }
  }

  #copy(records: ArrayLike<number>, count: number, from: number): void {
    const { i32 } = this
    for (let n = 0; n < count;) {
      const run = this.run(count, n)
      let slot = this.slot(n)
      for (const end = slot + run * this.recordWords; slot < end; slot++) i32[slot] = records[from++]
      n += run
    }
    this.publish(count)
  }
}
