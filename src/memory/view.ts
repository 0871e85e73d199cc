/**
 * What every part of one thread's heap shares: its views of the buffer, the layout, and the record it holds. One thread only.
 *
 * Invariant: views have a fixed length; the record is held by this thread alone.
 */
import {
  type Geometry, H_ADOPTION, HOME_DISOWNED, HOME_DISTANCE, HOME_SHIFT, PAGE_SHIFT, type PageColumn, pageColumns, R_COUNTERS, RECORD_WORDS,
  type UnitColumn, unitColumnAt, unitColumns,
} from './layout.js'

declare const ptrBrand: unique symbol

/** Address of a block: the index of its first 4-byte word in the heap's buffer. A multiple of 4 (16 bytes); 0 is none. */
export type Ptr = number & { readonly [ptrBrand]: never }

/** What products modulo 2^32 are compared with is unsigned like them, or V8 would convert. */
type Columns<Names extends string> = { readonly [name in Names]: name extends 'reach' ? Uint32Array : Int32Array }

/** `pages.free[page]`: words of the owner, where a page is named by the index of its line. All of one length. */
export type Pages = Columns<PageColumn>

/** `units.home[unit]`: words that every thread reads. */
export type Units = Columns<UnitColumn>

export interface View {
  readonly buffer: SharedArrayBuffer
  readonly i32: Int32Array
  readonly f64: Float64Array
  readonly pages: Pages
  readonly units: Units
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

/** The first unit of a page. */
export function unitOf(page: number): number {
  return page >>> PAGE_SHIFT
}

/** The remote line of a page. */
export function remoteAt(geometry: Geometry, page: number): number {
  return geometry.remotes + page
}

/** The class of a page's blocks. */
export function classIn({ units }: View, page: number): number {
  return units.class[page >>> PAGE_SHIFT]!
}

/** How many blocks a page has room for; 0 when it has no class. */
export function capacityOf({ units }: View, page: number): number {
  return units.capacity[page >>> PAGE_SHIFT]!
}

/** The word that column home has for the pages of a record. */
export function homeWord(record: number): number {
  return (record + 1) << HOME_SHIFT
}

/** The record a page belongs to, also while it is disowned; −1 for none. */
export function ownerOf(v: View, page: number): number {
  return ((v.units.home[page >>> PAGE_SHIFT]! & ~HOME_DISOWNED) >>> HOME_SHIFT) - 1
}

/** Whether a page or a large block begins with this unit. */
export function isFirstUnit({ units }: View, unit: number): boolean {
  const word = units.home[unit]!
  return word !== 0 && (word & HOME_DISTANCE) === 0
}

/** Blocks of a page carved and not in its free list: held by callers, batched by senders, or in the remote list. */
export function usedOf({ pages }: View, page: number): number {
  return pages.left[page]! + pages.edge[page]!
}

/** The same thread's view of another record, which it holds for the moment. Of the same shape, so that V8 keeps one code for both. */
export function viewFor({ buffer, i32, f64, pages, units, geometry, counters, adoption }: View, me: number): View {
  return { buffer, i32, f64, pages, units, geometry, me, record: recordWord(geometry, me), counters, adoption }
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
    pages: pagesOf(buffer, geometry),
    units: unitsOf(buffer, geometry),
    geometry,
    me,
    record,
    counters: (record + R_COUNTERS) / 2,
    adoption: { mode, seen: new Float64Array(others), at: new Float64Array(others) },
  }
}

/** {@link usedOf} for a page that others may be working on: the two words may be of different moments. */
export function blocksUsed(v: View, page: number): number {
  return Math.min(Math.max(usedOf(v, page), 0), capacityOf(v, page))
}

function pagesOf(buffer: SharedArrayBuffer, { pages, endUnit }: Geometry): Pages {
  const length = (endUnit - 1) << PAGE_SHIFT // the views of the later words must end in the buffer too
  return Object.fromEntries(pageColumns.map((name, k) => [name, column(name, buffer, pages + k, length + 1)])) as Pages
}

function unitsOf(buffer: SharedArrayBuffer, geometry: Geometry): Units {
  const { endUnit } = geometry
  return Object.fromEntries(unitColumns.map((name) => [name, column(name, buffer, unitColumnAt(geometry, name), endUnit)])) as Units
}

function column(name: PageColumn | UnitColumn, buffer: SharedArrayBuffer, word: number, length: number): Int32Array | Uint32Array {
  return name === 'reach' ? new Uint32Array(buffer, word * 4, length) : new Int32Array(buffer, word * 4, length)
}
