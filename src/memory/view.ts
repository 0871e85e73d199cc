/**
 * What every part of one thread's heap shares: its views of the buffer, the layout, and the record it holds. One thread only.
 *
 * Invariant: views have a fixed length; the record is held by this thread alone.
 */
import type { Geometry } from './layout.js'
import { H_ADOPTION, R_COUNTERS, RECORD_WORDS } from './layout.js'

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
  /** Mode of adoption (adopt.ts), and what this thread has seen of the refills of others, and when in its own. */
  readonly adoption: { readonly mode: number; readonly seen: Float64Array; readonly at: Float64Array }
}

export function recordWord(geometry: Geometry, record: number): number {
  return geometry.records + record * RECORD_WORDS
}

/** The record a page belongs to, also while it is disowned. */
export function homeOf(owner: number): number {
  return owner < 0 ? ~owner : owner
}

/** The same thread's view of another record, which it holds for the moment. Of the same shape, so that V8 keeps one code for both. */
export function viewFor({ buffer, i32, f64, geometry, counters, adoption }: View, me: number): View {
  return { buffer, i32, f64, geometry, me, record: recordWord(geometry, me), counters, adoption }
}

export function viewOf(buffer: SharedArrayBuffer, geometry: Geometry, me: number): View {
  const words = geometry.endUnit * 2 ** 14
  const record = recordWord(geometry, me)
  const i32 = new Int32Array(buffer, 0, words)
  const mode = i32[geometry.base + H_ADOPTION]!
  const others = mode === 0 ? 0 : geometry.recordCount
  return {
    buffer,
    i32,
    f64: new Float64Array(buffer, 0, words / 2),
    geometry,
    me,
    record,
    counters: (record + R_COUNTERS) / 2,
    adoption: { mode, seen: new Float64Array(others), at: new Float64Array(others) },
  }
}
