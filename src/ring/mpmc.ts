/**
 * The ring from many threads to many: a lane for each producer, of which any consumer may take.
 *
 * Invariant: of two consumers who read the same records, the one whose compare-exchange moves the head has them; the other has nothing.
 *
 * ```
 *  producer                                     consumer
 *    P1: store tail                               M1: load mask, choose a lane whose bit is set
 *    P2: load mask; own bit clear → set it        C1: load tail, then head; read slots plainly
 *                                                 C2: compare-exchange head from what was read to behind it: taken, or read again
 *                                                 M2: looks empty → clear its bit, look again, set it if there is something
 * ```
 *
 * Reading before taking means that nothing is ever half taken: a consumer that dies has either done nothing or has all the records of its
 * C2 in its hands, and the producer, who waits for heads only, never waits for a reader. What a loser has read may be torn; he throws it
 * away. M2 leaves a gap between clearing and setting; whoever dies in it leaves a lane unmarked until its next publish, and before it
 * sleeps, and now and then when it polls, every consumer looks at each lane itself and marks what it finds, so nothing stays unseen.
 *
 * The head could move by 2^32 between C1 and C2 and look unmoved; at 100 M records/s that is a reader who stands still for 43 s, and for
 * exactly so long. Order holds for each producer. Alternatives and their figures: docs/design/060-rings.md.
 */
import { shared, type Words } from '../base/index.js'
import { looksInVain, RingConsumer } from './consumer.js'
import { laneWordsOf, layOut, lowestBit, maskWords, type RingHandle, type RingLayout, type RingOptions, shapeOf, tooManyReleased } from './ring-layout.js'
import { bytesOf, Ring } from './ring.js'

const { tail: tailOf, head: headOf, slots: slotsOf } = laneWordsOf

/** As {@link RingOptions}; `capacity` is for each producer. */
export interface MpmcOptions extends RingOptions {
  /** How many threads may push, 1 to 512. */
  readonly producers: number
  /** How many threads may pop, 1 to 64. */
  readonly consumers: number
}

/**
 * Passes records from many threads to whichever of many takes them first: a queue of work. Each producer has room for `capacity` records,
 * and its records are taken in order. A bulk pop takes records of one producer. A thread that dies at any moment blocks nobody. Throws
 * `ERR_PERCORE_INVALID_OPTION` for options it cannot use.
 *
 * @example
 * ```ts
 * import { isMainThread, Worker, workerData } from 'node:worker_threads'
 * import { MpmcRing, MpscRing } from 'percore/ring'
 *
 * if (isMainThread) {
 *   const work = MpmcRing.create({ capacity: 64, recordWords: 1, producers: 1, consumers: 2 })
 *   const done = MpscRing.create({ capacity: 64, recordWords: 1, producers: 2 })
 *   for (let n = 0; n < 2; n++) new Worker(new URL(import.meta.url), { workerData: [work.handle, done.handle] })
 *   const [producer, results] = [work.producer(), done.consumer()]
 *   for (let n = 1; n <= 1000; n++) while (!producer.push([n])) await producer.ready()
 *   while (!producer.pushBulk([0, 0], 2)) await producer.ready() // one for each: no more
 *   const result = new Int32Array(1)
 *   let sum = 0
 *   for (let n = 0; n < 2; n++) {
 *     while (!results.pop(result)) await results.ready()
 *     sum += result[0]
 *   }
 *   console.log(sum) // 500500
 * } else {
 *   const consumer = MpmcRing.attach(workerData[0]).consumer()
 *   const item = new Int32Array(1)
 *   let sum = 0
 *   for (;;) {
 *     while (!consumer.pop(item)) consumer.block()
 *     if (item[0] === 0) break
 *     sum += item[0]
 *   }
 *   MpscRing.attach(workerData[1]).producer().push([sum])
 * }
 * ```
 */
export class MpmcRing extends Ring {
  private constructor(handle: RingHandle) {
    super('mpmc', handle)
  }

  /** Makes an empty ring, in a buffer of its own or in a region of yours. */
  static create(options: MpmcOptions): MpmcRing {
    return new MpmcRing(layOut('mpmc', { ...shapeOf(options), producers: options.producers, consumers: options.consumers }, options))
  }

  /** The ring behind a handle that came from another thread. */
  static attach(handle: RingHandle): MpmcRing {
    return new MpmcRing(handle)
  }

  /** The bytes of shared memory that `create` takes for such a ring. */
  static bytes({ capacity, recordWords, producers, consumers }: MpmcOptions): number {
    return bytesOf(capacity, recordWords, producers, consumers)
  }

  protected override openConsumer(index: number): MpmcConsumer {
    return new MpmcConsumer(this.words, this.layout, index)
  }
}

export class MpmcConsumer extends RingConsumer {
  readonly #lanesAt: number
  readonly #laneWords: number
  readonly #readyAt: number
  readonly #producers: number
  /** The lane being read, and its tail as seen; `head` is what we believe its head to be. */
  #lane: number
  #laneAt = 0
  #inVain = 0
  #tailSeen = 0

  constructor(words: Words, layout: RingLayout, index: number) {
    super(words, layout, index)
    this.#lanesAt = layout.lanesAt
    this.#laneWords = layout.laneWords
    this.#readyAt = layout.readyAt
    this.#producers = layout.producers
    this.#lane = index % layout.producers // consumers begin at different lanes
    this.#turnTo(this.#lane)
    this.look()
  }

  override peek(count = 1): number {
    let ready = (this.#tailSeen - this.head) | 0
    if (ready === 0) {
      ready = this.#findReady() // never the same lane twice while others wait
      if (ready === 0 && ++this.#inVain % looksInVain === 0 && this.look()) ready = this.#findReady()
    }
    return ready < count ? ready : count
  }

  override release(count = 1): boolean {
    if (!(count >= 0) || ((this.#tailSeen - this.head) | 0) < count) throw tooManyReleased(count)
    const was = shared.compareExchange(this.i32, this.#laneAt + headOf, this.head, (this.head + count) | 0) // C2
    if (was !== this.head) {
      this.head = was
      this.#tailSeen = was // what was seen behind the old head tells nothing of the new one
      return false
    }
    this.head = (was + count) | 0
    this.rooms[this.#lane].ring(1)
    return true
  }

  override popBulk(into: Int32Array, count: number, at = 0): number {
    this.check(into, count, at)
    for (let n = 0; n < this.#producers; n++) {
      while (this.#poll() >= count) {
        this.copy(into, count, at)
        if (this.release(count)) return count
      }
      this.#turnTo(this.#lane + 1 === this.#producers ? 0 : this.#lane + 1)
    }
    return 0
  }

  /** Whether any producer has so many records waiting. Marks every lane that holds something and was not marked. */
  override look(count = 1): boolean {
    let most = 0
    for (let lane = 0; lane < this.#producers; lane++) {
      const at = this.#lanesAt + lane * this.#laneWords
      const ready = (shared.load(this.i32, at + tailOf) - shared.load(this.i32, at + headOf)) | 0
      if (ready > 0) this.#mark(lane)
      if (ready > most) most = ready
    }
    return most >= count
  }

  #turnTo(lane: number): void {
    this.#lane = lane
    this.#laneAt = this.#lanesAt + lane * this.#laneWords
    this.slotsAt = this.#laneAt + slotsOf
    this.head = 0
    this.#tailSeen = 0
  }

  /** C1. The tail first: the other way round, records of a head long gone might seem to be there. */
  #poll(): number {
    this.#tailSeen = shared.load(this.i32, this.#laneAt + tailOf)
    this.head = shared.load(this.i32, this.#laneAt + headOf)
    const ready = (this.#tailSeen - this.head) | 0
    if (ready <= 0) {
      this.#tailSeen = this.head // others have taken all that, and perhaps more
      return 0
    }
    this.notePeak(ready)
    return ready
  }

  /** M1: turns to the next lane that is marked and holds something, round and round; 0 when none does. */
  #findReady(): number {
    for (let visits = 0; visits < this.#producers; visits++) {
      const lane = this.#nextMarked()
      if (lane < 0) return 0
      this.#turnTo(lane)
      const ready = this.#poll()
      if (ready > 0) return ready
      this.#unmark(lane) // M2
      const now = this.#poll()
      if (now === 0) continue
      this.#mark(lane)
      return now
    }
    return 0
  }

  /** The first marked lane behind the one being read; -1 when none is. */
  #nextMarked(): number {
    const words = maskWords(this.#producers)
    const from = this.#lane + 1 === this.#producers ? 0 : this.#lane + 1
    const first = from >>> 5
    const mask = shared.load(this.i32, this.#readyAt + first)
    const behind = mask & (-1 << (from & 31))
    if (behind !== 0) return (first << 5) | lowestBit(behind)
    for (let n = 1; n < words; n++) {
      const word = (first + n) % words
      const bits = shared.load(this.i32, this.#readyAt + word)
      if (bits !== 0) return (word << 5) | lowestBit(bits)
    }
    return mask === 0 ? -1 : (first << 5) | lowestBit(mask)
  }

  #mark(lane: number): void {
    const at = this.#readyAt + (lane >>> 5)
    const bit = 1 << (lane & 31)
    for (;;) {
      const mask = shared.load(this.i32, at)
      if ((mask & bit) !== 0 || shared.compareExchange(this.i32, at, mask, mask | bit) === mask) return
    }
  }

  #unmark(lane: number): void {
    const at = this.#readyAt + (lane >>> 5)
    const mask = shared.load(this.i32, at)
    // One try: a mark too many costs a look, and whoever changed the mask meanwhile knows something newer.
    shared.compareExchange(this.i32, at, mask, mask & ~(1 << (lane & 31)))
  }
}
