/**
 * Many values in one task: how they lie in shared memory, and how a worker runs a handler over them. The caller's end is in run-many.ts.
 *
 * ```
 *  numbers   the descriptor has a block: int32s, or float64s. Results are written over the values, and the block goes back
 *  others    the descriptor has one list, each value encoded on its own; so are the results
 * ```
 *
 * Invariant: the block belongs to the descriptor, as every payload's does: whoever releases its tag frees it. When a result does not fit in
 * its place, the block is freed and the results travel as an array.
 */
import { isThenable } from '../base/index.js'
import type { Codec } from '../codec/index.js'
import { blockBit, kind } from '../codec/index.js'
import type { Ptr, SharedHeap } from '../memory/index.js'

/** In a descriptor's first word, beside the payload tag: it has many values, and of which kind. */
export const manyValues: number = 1 << 25
export const manyInts: number = 2 << 25
export const manyFloats: number = 3 << 25
export const isMany: number = 3 << 25

/** The payload tag of numbers. */
const numbersTag = kind.bytes | blockBit

/** Values of one task: those of `values` from `from` until `to`. */
export class Chunk {
  readonly values: ArrayLike<unknown>
  readonly from: number
  readonly to: number
  /** One of {@link manyValues}, {@link manyInts}, {@link manyFloats}. */
  readonly flag: number
  /** The values cannot be sent together. */
  refused = false

  constructor(values: ArrayLike<unknown>, from: number, to: number) {
    this.values = values
    this.from = from
    this.to = to
    this.flag = kindOf(values, from, to)
  }
}

function kindOf(values: ArrayLike<unknown>, from: number, to: number): number {
  let flag = manyInts
  for (let i = from; i < to; i++) {
    const value = values[i]
    if (typeof value !== 'number') return manyValues
    if ((value | 0) !== value || Object.is(value, -0)) flag = manyFloats
  }
  return flag
}

export interface ManyMemory {
  readonly i32: Int32Array
  readonly f64: Float64Array
  readonly heap: Pick<SharedHeap, 'malloc' | 'free'>
  readonly codec: Codec
}

/** Writes a chunk as the payload at `at`; returns its tag. Throws what `encode` throws. */
export function writeChunk(memory: ManyMemory, chunk: Chunk, at: number): number {
  const { i32, f64, heap, codec } = memory
  const { values, from, to, flag } = chunk
  const count = to - from
  if (flag === manyValues) {
    try {
      return codec.encodeList(Array.prototype.slice.call(values, from, to), at)
    } catch (error) {
      chunk.refused = true
      throw error
    }
  }
  const bytes = flag === manyInts ? 4 * count : 8 * count
  const ptr = heap.malloc(bytes)
  if (flag === manyInts) for (let i = 0; i < count; i++) i32[ptr + i] = values[from + i] as number
  else for (let i = 0; i < count; i++) f64[(ptr >>> 1) + i] = values[from + i] as number
  i32[at] = bytes
  i32[at + 1] = ptr
  return numbersTag
}

/** Reads what `head` says is at `at`, values or results, and frees the block. */
export function readMany(memory: ManyMemory, head: number, at: number): unknown[] {
  const { i32, f64, heap, codec } = memory
  if ((head & isMany) === manyValues) return codec.decode((head >>> 16) & 0xff, at) as unknown[]
  const ptr = i32[at + 1]
  const ints = (head & isMany) === manyInts
  const count = i32[at] >>> (ints ? 2 : 3)
  const results: unknown[] = []
  results.length = count // at once: growing bit by bit was a fifth of the caller's time
  if (ints) for (let i = 0; i < count; i++) results[i] = i32[ptr + i]
  else for (let i = 0; i < count; i++) results[i] = f64[(ptr >>> 1) + i]
  heap.free(ptr as Ptr)
  return results
}

/** What running a handler over a task's values came to: results in the place of the values, or as an array, some of which may be promises. */
export interface ManyOutcome {
  readonly inPlace: boolean
  readonly results: readonly unknown[]
  readonly waits: boolean
}

const inPlace: ManyOutcome = { inPlace: true, results: [], waits: false }

/** Runs a handler over the values of the descriptor whose payload is at `at`. Throws what it throws; the block is freed then. */
export function runOver(memory: ManyMemory, head: number, at: number, handler: (value: unknown) => unknown): ManyOutcome {
  if ((head & isMany) === manyValues) return resultsOf(readMany(memory, head, at), 0, handler)
  const { i32, f64 } = memory
  const ptr = i32[at + 1]
  let done = 0
  let odd: unknown
  try {
    if ((head & isMany) === manyInts) {
      const count = i32[at] >>> 2
      for (; done < count; done++) {
        const result = handler(i32[ptr + done])
        if (typeof result !== 'number' || (result | 0) !== result || Object.is(result, -0)) {
          odd = result
          break
        }
        i32[ptr + done] = result
      }
      if (done === count) return inPlace
    } else {
      const first = ptr >>> 1
      const count = i32[at] >>> 3
      for (; done < count; done++) {
        const result = handler(f64[first + done])
        if (typeof result !== 'number') {
          odd = result
          break
        }
        f64[first + done] = result
      }
      if (done === count) return inPlace
    }
  } catch (error) {
    memory.heap.free(ptr as Ptr)
    throw error
  }
  const values = readMany(memory, head, at)
  values[done] = odd
  return resultsOf(values, done + 1, handler)
}

/** The results of the values from `from` on take their places; those before are results already. */
function resultsOf(values: unknown[], from: number, handler: (value: unknown) => unknown): ManyOutcome {
  let waits = from > 0 && isThenable(values[from - 1])
  for (let i = from; i < values.length; i++) {
    const result = handler(values[i])
    values[i] = result
    waits ||= isThenable(result)
  }
  return { inPlace: false, results: values, waits }
}
