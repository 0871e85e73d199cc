/**
 * The ring from many threads to one: a lane for each producer, and a mask of the lanes that may hold something.
 *
 * Invariant: a lane whose tail moved after the consumer last read it has its bit set, or its producer is just about to set it.
 *
 * ```
 *  producer                                     consumer
 *    P1: store tail                               M1: exchange mask with 0, and visit each lane whose bit was set
 *    P2: load mask; own bit clear → set it        C1: load tail: all that it shows is taken
 * ```
 *
 * If C1 did not see P1, it precedes P1, and so M1 precedes P2: the producer finds its bit clear and sets it. So a visit is one load,
 * silent lanes cost nothing, and a busy producer touches the mask once per visit; it rings the bell only when it has set its bit, too.
 * Before it sleeps the consumer takes the mask and looks at every lane itself, so a producer that died between P1 and P2 leaves nothing
 * behind that is not found.
 *
 * Order holds for each producer, and not between producers. Alternatives and their figures: docs/design/060-rings.md.
 */
import { invariant, shared, type Words } from '../base/index.js'
import { looksInVain, RingConsumer } from './consumer.js'
import { laneAt, laneWordsOf, layOut, lowestBit, maskWords, type RingHandle, type RingLayout, type RingOptions, shapeOf, tooManyReleased } from './ring-layout.js'
import { bytesOf, Ring } from './ring.js'

const { tail: tailOf, head: headOf, slots: slotsOf } = laneWordsOf

/** As {@link RingOptions}; `capacity` is for each producer. */
export interface MpscOptions extends RingOptions {
  /** How many threads may push, 1 to 512. */
  readonly producers: number
}

/**
 * Passes records from many threads to one. Each producer has room for `capacity` records that no other can take from it, and its records
 * keep their order. A producer that dies at any moment blocks nobody. Throws `ERR_PERCORE_INVALID_OPTION` for options it cannot use.
 *
 * @example
 * ```ts
 * import { isMainThread, Worker, workerData } from 'node:worker_threads'
 * import { MpscRing } from 'percore/ring'
 *
 * if (isMainThread) {
 *   const ring = MpscRing.create({ capacity: 256, recordWords: 2, producers: 2 })
 *   for (let n = 0; n < 2; n++) new Worker(new URL(import.meta.url), { workerData: ring.handle })
 *   const consumer = ring.consumer()
 *   const record = new Int32Array(2)
 *   let sum = 0
 *   for (let got = 0; got < 2000; got++) {
 *     while (!consumer.pop(record)) await consumer.ready()
 *     sum += record[1]
 *   }
 *   console.log(sum) // 1001000
 * } else {
 *   const producer = MpscRing.attach(workerData).producer() // the first free place
 *   for (let n = 1; n <= 1000; n++) while (!producer.push([producer.index, n])) producer.block()
 * }
 * ```
 */
export class MpscRing extends Ring {
  private constructor(handle: RingHandle) {
    super('mpsc', handle)
  }

  /** Makes an empty ring, in a buffer of its own or in a region of yours. */
  static create(options: MpscOptions): MpscRing {
    return new MpscRing(layOut('mpsc', { ...shapeOf(options), producers: options.producers, consumers: 1 }, options))
  }

  /** The ring behind a handle that came from another thread. */
  static attach(handle: RingHandle): MpscRing {
    return new MpscRing(handle)
  }

  /** The bytes of shared memory that `create` takes for such a ring. */
  static bytes({ capacity, recordWords, producers }: MpscOptions): number {
    return bytesOf(capacity, recordWords, producers, 1)
  }

  protected override openConsumer(index: number): MpscConsumer {
    return new MpscConsumer(this.words, this.layout, index)
  }
}

export class MpscConsumer extends RingConsumer {
  readonly #lanesAt: number
  readonly #laneWords: number
  readonly #readyAt: number
  readonly #producers: number
  /** Bits taken from the mask whose lanes are still to be visited. */
  readonly #toVisit: Int32Array
  /** Of the lanes not being read: the index of their next record. */
  readonly #heads: Int32Array
  /** The lane being read, and its tail as seen. */
  #lane = 0
  #laneAt: number
  #inVain = 0
  #tailSeen: number

  constructor(words: Words, layout: RingLayout, index: number) {
    super(words, layout, index)
    this.#lanesAt = layout.lanesAt
    this.#laneWords = layout.laneWords
    this.#readyAt = layout.readyAt
    this.#producers = layout.producers
    this.#toVisit = new Int32Array(maskWords(layout.producers))
    this.#heads = Int32Array.from({ length: layout.producers }, (_, lane) => shared.load(words.i32, laneAt(layout, lane) + headOf))
    this.#laneAt = layout.lanesAt
    this.head = this.#heads[0]
    this.#tailSeen = this.head
    this.#survey() // what a predecessor had taken from the mask and not visited
  }

  override peek(count = 1): number {
    let ready = (this.#tailSeen - this.head) | 0
    if (ready === 0) {
      ready = this.#visitNext() // never the same lane twice while others wait
      if (ready === 0 && ++this.#inVain % looksInVain === 0 && this.#survey() > 0) ready = this.#visitNext()
    }
    return ready < count ? ready : count
  }

  override release(count = 1): boolean {
    const head = (this.head + count) | 0
    const left = (this.#tailSeen - head) | 0
    if (!(count >= 0) || left < 0) throw tooManyReleased(count)
    this.head = head
    shared.store(this.i32, this.#laneAt + headOf, this.head) // C2
    this.tellProducer(this.#lane, count, left)
    return true
  }

  override popBulk(into: Int32Array, count: number, at = 0): number {
    this.check(into, count, at)
    return this.peek(count) < count && this.#survey() < count ? 0 : this.popBurst(into, count, at)
  }

  override look(count = 1): boolean {
    return this.#survey() >= count
  }

  /**
   * Looks at every lane, mask or no mask, notes those that hold something for a visit, and returns how many records there are. The mask
   * is taken first: a bit left standing would keep its producer from ringing when this thread sleeps.
   */
  #survey(): number {
    this.#takeMask()
    this.#heads[this.#lane] = this.head
    let sum = 0
    for (let lane = 0; lane < this.#producers; lane++) {
      const ready = (shared.load(this.i32, this.#lanesAt + lane * this.#laneWords + tailOf) - this.#heads[lane]) | 0
      if (ready === 0) continue
      this.#toVisit[lane >>> 5] |= 1 << (lane & 31)
      sum += ready
    }
    return sum
  }

  #poll(): number {
    this.#tailSeen = shared.load(this.i32, this.#laneAt + tailOf) // C1
    const ready = (this.#tailSeen - this.head) | 0
    if (ready >>> 0 > this.capacity) invariant(false, `a lane of ${this.capacity} holds ${ready}`)
    this.notePeak(ready)
    return ready
  }

  /** Turns to the next lane that holds something, round and round; 0 when none does. */
  #visitNext(): number {
    for (;;) {
      const lane = this.#nextToVisit()
      if (lane < 0) return 0
      this.#heads[this.#lane] = this.head
      this.#lane = lane
      this.#laneAt = this.#lanesAt + lane * this.#laneWords
      this.slotsAt = this.#laneAt + slotsOf
      this.head = this.#heads[lane]
      const ready = this.#poll()
      if (ready > 0) return ready
    }
  }

  /** Takes a bit off `#toVisit`, the first behind the lane that was read last; -1 when neither it nor the mask has any. */
  #nextToVisit(): number {
    const found = this.#findVisit()
    const lane = found >= 0 || !this.#takeMask() ? found : this.#findVisit()
    if (lane >= 0) this.#toVisit[lane >>> 5] &= ~(1 << (lane & 31))
    return lane
  }

  #findVisit(): number {
    const visits = this.#toVisit
    const from = this.#lane + 1 === this.#producers ? 0 : this.#lane + 1
    const first = from >>> 5
    const behind = visits[first] & (-1 << (from & 31))
    if (behind !== 0) return (first << 5) | lowestBit(behind)
    for (let n = 1; n <= visits.length; n++) {
      const word = (first + n) % visits.length
      if (visits[word] !== 0) return (word << 5) | lowestBit(visits[word])
    }
    return -1
  }

  /** M1 */
  #takeMask(): boolean {
    let any = false
    for (let word = 0; word < this.#toVisit.length; word++) {
      if (shared.load(this.i32, this.#readyAt + word) === 0) continue
      this.#toVisit[word] |= shared.exchange(this.i32, this.#readyAt + word, 0)
      any = true
    }
    return any
  }
}
