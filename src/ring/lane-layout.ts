/**
 * Where the words of a lane lie, and what a third thread may do with them: lay a lane out, look how far its ends have got, and ready it for
 * the successor of a dead one. lanes.ts has the protocol of its two ends.
 *
 * Invariant: `written` and `started` are words for a third party: after a thread has died, the one who joined it reads there how far it got. They are
 * never used to hand over slots between living threads.
 */
import { isPowerOfTwo, PercoreError, shared } from '../base/index.js'

/** Words of one descriptor: 64 bytes, a cache line. */
export const descriptorWords = 16
export const descriptorShift = 4

const lineWords = 16
export const tailAt = 0
export const headAt: number = lineWords
export const writtenAt: number = 2 * lineWords
export const startedAt: number = 3 * lineWords
/** Of the descriptor before `started`: how many of its parts have been started. */
export const partAt: number = startedAt + 1
export const slotsAt: number = 4 * lineWords

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
  shared.store(i32, at + partAt, 0)
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

/** How far a dead consumer had got: everything before `position` was started, and so many parts of the descriptor there. */
export interface Recovered {
  readonly position: number
  readonly parts: number
}

/**
 * {@link recoverConsumed} for a lane whose descriptors have parts that are started one by one (`LaneReaders.begin`): the successor goes on within
 * the one the dead thread was in. `partsOf` tells how many a descriptor has, by the word index of its slot.
 *
 * @example
 * ```ts
 * import { initLane, LaneProducer, laneReaders, laneWords, recoverPartly } from 'percore/ring'
 *
 * const i32 = new Int32Array(new SharedArrayBuffer(4 * laneWords(8)))
 * initLane(i32, 0)
 * const producer = new LaneProducer(i32, 0, 8)
 * i32[producer.claim()] = 3 // parts, here
 * producer.commit()
 * producer.publish()
 * laneReaders(i32, [0], 8).begin(0, 2) // its consumer died in the second
 * const { position, parts } = recoverPartly(i32, 0, 8, (slot) => i32[slot])
 * console.log(position, parts, laneReaders(i32, [0], 8).part(0)) // 0 2 2
 * ```
 */
export function recoverPartly(i32: Int32Array, at: number, capacity: number, partsOf: (slot: number) => number): Recovered {
  const started = i32[at + startedAt]
  const parts = i32[at + partAt]
  const last = (started - 1) | 0
  if (i32[at + headAt] === started || parts >= partsOf(slotOf(at, capacity, last))) return { position: recoverConsumed(i32, at), parts: 0 }
  shared.store(i32, at + headAt, last)
  return { position: last, parts }
}

/** The word index of the slot that a descriptor has by its position in a lane. */
export function slotOf(at: number, capacity: number, position: number): number {
  return at + slotsAt + ((position & (capacity - 1)) << descriptorShift)
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
 * Of the descriptor before that, how many parts it has started: 1 of one that has none. Any thread.
 *
 * @example
 * ```ts
 * import { initLane, laneReaders, laneWords, partOf, startedOf } from 'percore/ring'
 *
 * const i32 = new Int32Array(new SharedArrayBuffer(4 * laneWords(8)))
 * initLane(i32, 0)
 * laneReaders(i32, [0], 8).begin(0, 2)
 * console.log(startedOf(i32, 0), partOf(i32, 0)) // 1 2
 * ```
 */
export function partOf(i32: Int32Array, at: number): number {
  return i32[at + partAt]
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
