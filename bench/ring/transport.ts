/**
 * What is measured by `ring`: something that carries records of a few words between threads. Any thread.
 *
 * The invariant: every transport moves the same records in the same order, each word of which is written and read; a producer ends with a
 * record whose first word is 0.
 */

/** The same for every transport of a cell. */
export interface Shape {
  /** Words of a record. */
  readonly words: number
  readonly capacity: number
  /** Records published and taken at a time. */
  readonly batch: number
  /** Producers that there is room for; fewer may push. */
  readonly lanes: number
  readonly consumers: number
  /** Whether there are more threads than cores: then looking again and again takes the core from who has something to do. */
  readonly shortOfCores: boolean
}

/** Pushes so many records, and with `ends` the last one. */
export type Produce = (count: number, ends: boolean) => void
/** Takes records until so many producers have ended; returns the sum of all words. */
export type Consume = (ends: number) => number

export interface Transport<Handle> {
  create(shape: Shape): Handle
  produce(handle: Handle, shape: Shape, producer: number): Produce
  consume(handle: Handle, shape: Shape, consumer: number): Consume
}

/** Looks before a thread that cannot go on lets another one run. */
const looksMax = 1000
const still = new Int32Array(new SharedArrayBuffer(4))

/** How rivals wait that have no way of their own: look again and again, and step aside for a moment when that has not helped. */
export function stepAside(looks: number): number {
  if (looks < looksMax) return looks + 1
  Atomics.wait(still, 0, 0, 0.02)
  return 0
}

/** Writes a record of 4 or 16 words. */
export function writeRecord(i32: Int32Array, slot: number, words: number, value: number): void {
  i32[slot] = value
  i32[slot + 1] = value
  i32[slot + 2] = value
  i32[slot + 3] = value
  if (words === 16) for (let word = 4; word < 16; word++) i32[slot + word] = value
}

/** Reads a record of 4 or 16 words. */
export function readRecord(i32: Int32Array, slot: number, words: number): number {
  let sum = (i32[slot]! + i32[slot + 1]! + i32[slot + 2]! + i32[slot + 3]!) | 0
  if (words === 16) for (let word = 4; word < 16; word++) sum = (sum + i32[slot + word]!) | 0
  return sum
}
