/**
 * Where everything of a ring is in shared memory, and what its options may be. All that a ring is lies in its region, so any thread that
 * has the buffer can attach. Any thread; `layOut` by the one that creates the ring, before anybody attaches.
 *
 * Invariant: the words of the first line are written before `magic` is stored, and never again.
 *
 * ```
 *  0        16       32       48                        lanesAt
 *  | what   | items  | ready  | consumer 0 | … |         | lane 0: tail | head | room, seat | slots … | lane 1 …
 *  | it is  | (event | mask   | seat, peak |             |  producer    consumer(s)           producer, plainly
 *             count)
 * ```
 *
 * Every line of 64 bytes has one writer, or is written rarely. Slots are as many as the next power of two, so that a masked index finds
 * one; how many of them may be full at a time is the exact capacity.
 */
import { alignUp, ceilPowerOfTwo, checkNames, PercoreError, shared } from '../base/index.js'

/** What a ring needs to be told. */
export interface RingOptions {
  /** How many records it holds, exactly; of several producers each has room for so many. */
  readonly capacity: number
  /** Size of a record in words of four bytes, 1 to 16384. */
  readonly recordWords: number
  /** From how many records on `isHigh` says so. Default: `capacity`. */
  readonly highWater?: number
  /** Shared memory to lie in; default: a buffer of its own. */
  readonly buffer?: SharedArrayBuffer
  /** Where in `buffer`, a multiple of 64. Default 0. */
  readonly byteOffset?: number
}

/** What another thread needs to attach: may be posted or put into `workerData`. */
export interface RingHandle {
  readonly buffer: SharedArrayBuffer
  readonly byteOffset: number
}

export type RingKind = 'spsc' | 'mpsc' | 'mpmc'
const kinds: readonly RingKind[] = ['spsc', 'mpsc', 'mpmc']

/** Bits of the ready mask: a cache line of them. */
export const producersMax = 512
export const consumersMax = 64
export const recordWordsMax = 16_384

const magic = 0x70_63_72_31
const line = 16
const head = { magic: 0, kind: 1, capacity: 2, recordWords: 3, producers: 4, consumers: 5, highWater: 6, nameHigh: 7, nameLow: 8 } as const
const fixed = { items: line, ready: 2 * line, consumers: 3 * line } as const
/** Words of a lane from its start, and of a consumer's line. */
export const laneWordsOf = { tail: 0, head: line, room: 2 * line, seat: 2 * line + 1, slots: 3 * line } as const
export const consumerWordsOf = { seat: 0, peak: 1 } as const

/** A ring as every thread sees it. */
export interface RingLayout {
  readonly kind: RingKind
  readonly capacity: number
  readonly recordWords: number
  readonly producers: number
  readonly consumers: number
  readonly highWater: number
  /** Unique among rings: what the channels of its sleepers are called. */
  readonly name: string
  /** Word indices within the buffer: of the region, its event count, its ready mask and its first lane. */
  readonly at: number
  readonly itemsAt: number
  readonly readyAt: number
  readonly lanesAt: number
  readonly laneWords: number
  /** Words of the whole region. */
  readonly words: number
}

type Shape = Pick<RingLayout, 'capacity' | 'recordWords' | 'producers' | 'consumers'>

export const consumerAt = (at: number, consumer: number): number => at + fixed.consumers + consumer * line
export const slotMaskOf = ({ capacity }: Pick<RingLayout, 'capacity'>): number => ceilPowerOfTwo(capacity) - 1
export const laneAt = (layout: RingLayout, lane: number): number => layout.lanesAt + lane * layout.laneWords

/** Words of the ready mask that these producers use. */
export const maskWords = (producers: number): number => (producers + 31) >>> 5

/** The number of the lowest bit that is set in a mask that is not 0. */
export const lowestBit = (mask: number): number => 31 - Math.clz32(mask & -mask)

function laneSize({ capacity, recordWords }: Shape): number {
  return laneWordsOf.slots + alignUp(ceilPowerOfTwo(capacity) * recordWords, line)
}

/** Refuses options that cannot be used; returns the words of the region. */
export function checkShape(shape: Shape, highWater: number): number {
  whole('capacity', shape.capacity, 1, 2 ** 30, 'records')
  whole('recordWords', shape.recordWords, 1, recordWordsMax, 'words of four bytes; pass larger things as blocks of a SharedHeap')
  whole('producers', shape.producers, 1, producersMax, 'threads')
  whole('consumers', shape.consumers, 1, consumersMax, 'threads')
  whole('highWater', highWater, 1, shape.capacity, 'records, at most the capacity')
  const words = fixed.consumers + shape.consumers * line + shape.producers * laneSize(shape)
  if (words >= 2 ** 31) throw bad(`a ring of ${words * 4} bytes is too large: at most 8 GiB; give it less capacity or smaller records`)
  return words
}

/** What options a ring of each kind has. */
const optionNames = ['capacity', 'recordWords', 'highWater', 'buffer', 'byteOffset'] as const
const namesOf = { spsc: optionNames, mpsc: [...optionNames, 'producers'], mpmc: [...optionNames, 'producers', 'consumers'] } as const

/** Capacity and record size, and nothing else that options may hold. */
export function shapeOf(options: RingOptions): { readonly capacity: number, readonly recordWords: number } {
  if (typeof options !== 'object' || options === null) throw bad(`a ring needs an object with capacity and recordWords, not ${String(options)}`)
  const { capacity, recordWords } = options
  return { capacity, recordWords }
}

/** Makes a ring of this kind and shape in its region, or in a fresh buffer. */
export function layOut(kind: RingKind, shape: Shape, options: RingOptions): RingHandle {
  checkNames(`a ring of kind ${kind}`, options, namesOf[kind])
  const { highWater = shape.capacity, byteOffset = 0 } = options
  const bytes = 4 * checkShape(shape, highWater)
  const buffer = options.buffer ?? reserve(bytes + byteOffset)
  checkRegion(buffer, byteOffset, bytes)
  const i32 = new Int32Array(buffer, byteOffset, bytes / 4)
  i32.fill(0, 0, fixed.consumers + shape.consumers * line)
  const size = laneSize(shape)
  for (let lane = i32.length - shape.producers * size; lane < i32.length; lane += size) i32.fill(0, lane, lane + laneWordsOf.slots)
  i32[head.kind] = kinds.indexOf(kind)
  i32[head.capacity] = shape.capacity
  i32[head.recordWords] = shape.recordWords
  i32[head.producers] = shape.producers
  i32[head.consumers] = shape.consumers
  i32[head.highWater] = highWater
  i32[head.nameHigh] = Math.random() * 2 ** 32
  i32[head.nameLow] = Math.random() * 2 ** 32
  shared.store(i32, head.magic, magic)
  return { buffer, byteOffset }
}

/** Reads what `layOut` wrote. */
export function readLayout(kind: RingKind, handle: RingHandle): RingLayout {
  if (typeof handle !== 'object' || handle === null) throw bad(`attach takes the handle of a ring, not ${String(handle)}`)
  const { buffer, byteOffset } = handle
  checkRegion(buffer, byteOffset, 4 * fixed.consumers)
  const i32 = new Int32Array(buffer, byteOffset, line)
  const found = shared.load(i32, head.magic) === magic ? kinds[i32[head.kind]] : undefined
  if (found !== kind) {
    const what = found === undefined ? 'no ring' : `a ring of kind ${found}`
    throw bad(`there is ${what} at byte ${byteOffset}, and not one of kind ${kind}`)
  }
  const [capacity, recordWords, producers, consumers] = [i32[head.capacity], i32[head.recordWords], i32[head.producers], i32[head.consumers]]
  const shape = { capacity, recordWords, producers, consumers }
  const words = checkShape(shape, i32[head.highWater])
  const at = byteOffset / 4
  const name = `percore-ring-${(i32[head.nameHigh] >>> 0).toString(36)}${(i32[head.nameLow] >>> 0).toString(36)}`
  const [itemsAt, readyAt, lanesAt] = [at + fixed.items, at + fixed.ready, consumerAt(at, shape.consumers)]
  return { kind, ...shape, highWater: i32[head.highWater], name, at, itemsAt, readyAt, lanesAt, laneWords: laneSize(shape), words }
}

function reserve(bytes: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes)
  } catch (cause) {
    throw new PercoreError('ERR_PERCORE_OUT_OF_MEMORY', `no ${bytes} bytes of shared memory for a ring; give it less capacity`, { cause })
  }
}

function checkRegion(buffer: SharedArrayBuffer, byteOffset: number, bytes: number): void {
  if (!(buffer instanceof SharedArrayBuffer)) throw bad('a ring lies in a SharedArrayBuffer, so that other threads can see it')
  if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || byteOffset % 64 !== 0) {
    throw bad(`byteOffset must be a multiple of 64, not ${byteOffset}`)
  }
  if (byteOffset + bytes > buffer.byteLength) {
    throw bad(`a ring of ${bytes} bytes at byte ${byteOffset} does not fit into a buffer of ${buffer.byteLength}`)
  }
}

function whole(what: string, value: number, min: number, max: number, unit: string): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw bad(`${what} must be a whole number from ${min} to ${max} ${unit}, not ${value}`)
}

export function tooManyReleased(count: number): PercoreError {
  return bad(`${count} records cannot be released: release at most as many as peek() returned`)
}

export function bad(message: string): PercoreError {
  return new PercoreError('ERR_PERCORE_INVALID_OPTION', message)
}
