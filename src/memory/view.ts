/**
 * What every part of one thread's heap shares: its views of the buffer, the layout, and the record it holds. One thread only.
 *
 * Invariant: views have a fixed length; the record is held by this thread alone.
 */
import type { Geometry } from './layout.js'
import { R_COUNTERS, RECORD_WORDS } from './layout.js'

declare const ptrBrand: unique symbol

/** Address of a block: the index of its first 4-byte word in the heap's buffer. A multiple of 4 (16 bytes); 0 is none. */
export type Ptr = number & { readonly [ptrBrand]: never }

export interface View {
  readonly buffer: SharedArrayBuffer
  readonly i32: Int32Array
  readonly f64: Float64Array
  readonly geometry: Geometry
  /** Number of the record this thread holds, and its first word. */
  readonly me: number
  readonly record: number
  /** Index in f64 of this record's counters. */
  readonly counters: number
}

export function recordWord(geometry: Geometry, record: number): number {
  return geometry.records + record * RECORD_WORDS
}

export function viewOf(buffer: SharedArrayBuffer, geometry: Geometry, me: number): View {
  const words = geometry.endUnit * 2 ** 14
  const record = recordWord(geometry, me)
  return {
    buffer,
    i32: new Int32Array(buffer, 0, words),
    f64: new Float64Array(buffer, 0, words / 2),
    geometry,
    me,
    record,
    counters: (record + R_COUNTERS) / 2,
  }
}
