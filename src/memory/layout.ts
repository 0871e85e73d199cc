/**
 * Where everything lies in the shared buffer: the only file that knows numbers of words. Pure; any thread.
 *
 * Invariant: nothing here depends on the thread, so every thread that opens the same handle finds the same places.
 *
 * ```text
 *  byteOffset                                                                                                byteOffset + byteLength
 *  | header | records | ready bits | unit bitmap | granules | unit columns | page lines | remote lines | … | unit | … | unit |
 *    1 KiB    2½ KiB each            1 bit/unit    4 B/16 units  4 B/unit each  64 B/unit    64 B/unit          64 KiB each, aligned
 * ```
 *
 * Every address is an index of a 4-byte word of the whole buffer, so `pointer >>> UNIT_SHIFT` is the unit, and the column `home`
 * answers in one load which page it belongs to and whose that is. All of it starts as zeros and is touched only when used.
 *
 * A SharedArrayBuffer may start 16 bytes off a cache line, so words 12..15 of each group of 16 stay empty between threads.
 */
import { alignUp, PercoreError } from '../base/index.js'

export const UNIT_SHIFT = 14
export const UNIT_WORDS: number = 1 << UNIT_SHIFT
export const UNIT_BYTES: number = UNIT_WORDS * 4

/** Word pointers stay small integers below this. */
const WORDS_MAX = 2 ** 31
export const RECORDS_MAX = 1024
const LINE_WORDS = 16

// Header. Written once by the creator.
export const MAGIC_VALUE = 0x70_63_68_31
export const H_MAGIC = 0
export const H_RECORDS = 1
export const H_END_WORD = 2
/** Sizes of a record's chunks, in granules: the first, the largest, and how often it doubles. */
export const H_CHUNK_FIRST = 4
export const H_CHUNK_MAX = 5
export const H_CHUNK_LEVELS = 6
export const H_DEBUG = 7
export const H_ADOPTION = 8
/** 1 when idle threads make ready what they have learned (learn.ts). */
export const H_ADAPTIVE = 9
/** 1 when no page is longer than its class needs (classes.ts). */
export const H_SHORT_PAGES = 10
export const HEADER_WORDS = 256

/** What records reserve from the common reserve at a time: 1 MiB, 16 units. */
export const GRANULE_SHIFT = 4
export const GRANULE_UNITS: number = 1 << GRANULE_SHIFT
export const GRANULE_BYTES: number = GRANULE_UNITS * UNIT_BYTES

/**
 * Page metadata that only the owner reads and writes: a line for each unit. A page is named by the index of its line, its first unit times
 * 16, and each name here is a view that begins one word later than the one before: so one bounds check serves all the words of a page.
 */
export const pageColumns = [
  /** First block of the free list, 0 when none. Links are the first word of each free block. */
  'free',
  /** Blocks carved and not in the free list, less `edge`: the free that brings it to 0 changes the page's state. */
  'left',
  /** The word after the last carved block, and after the last there is room for. */
  'limit',
  'end',
  /** Tell the start of a block that has been carved from everything else (classes.ts: `strideMagic`, `reachOf`). */
  'magic',
  'reach',
  'state',
  /** How many used blocks the page may fall to unnoticed: −1 active, 0 partial, EDGE_ANY when full. */
  'edge',
  'next',
  'prev',
  /** 1 from the owner arming REMOTE until the page comes back through the pending queue or is disarmed. */
  'watched',
] as const
export type PageColumn = (typeof pageColumns)[number]
export const PAGE_SHIFT = 4
/** `page << START_SHIFT` is the page's first word. */
export const START_SHIFT: number = UNIT_SHIFT - PAGE_SHIFT

/** What every thread reads and few write: a word for each unit, by the number of the unit. */
export const unitColumns = [
  /** For every unit of a page: whose it is, and how far it is from the first unit (HOME_… below). 0: no page. */
  'home',
  /** For the first unit of a page: the class of its blocks. */
  'class',
  /** For the first unit of a page: its units, and how many blocks there is room for. */
  'span',
  'capacity',
  /** For the first unit of a page: what tells the start of a block there is room for; `reach` is 0 where there is none. */
  'magic',
  'reach',
] as const
export type UnitColumn = (typeof unitColumns)[number]

/**
 * home, one word:
 *
 * ```text
 *   31 … 21 | 20       | 19 … 3     | 2 … 0
 *      0    | DISOWNED | record + 1 | distance to the page's first unit
 * ```
 */
export const HOME_SHIFT = 3
export const HOME_DISTANCE = 7
/** Its owner gave the page up for adoption (adopt.ts). */
export const HOME_DISOWNED: number = 1 << 20
/** The first unit of a large block: no thread's, so every free takes the slow path. */
export const HOME_LARGE: number = 0xffff << HOME_SHIFT

// What all threads write, Atomics only: a line for each unit (the owner may poll REMOTE plainly; a sender writes PENDING_NEXT before it
// publishes).
export const REMOTE = 0
export const PENDING_NEXT = 1
/** How many refills the owner had done when the page was announced; only with adoption. */
export const PENDING_STAMP = 2

/** Class of a large block, and of a page without one. */
export const CLASS_LARGE = 255
export const CLASS_NONE = 254

export const STATE_ACTIVE = 1
export const STATE_PARTIAL = 2
export const STATE_FULL = 3
export const STATE_EMPTY = 4

/** The edge of a full page: any free is one. */
export const EDGE_ANY = 0x7fffffff

/**
 * REMOTE, one word: the list of blocks other threads freed.
 *
 * ```text
 *   31 30 29 | 28    | 27 … 15        | 14 … 0
 *      0     | ARMED | count 0..4096  | first block: (pointer − the page's first word) / 4
 * ```
 */
export const REMOTE_ARMED: number = 1 << 28
export const REMOTE_COUNT_SHIFT = 15
export const REMOTE_COUNT_MASK = 0x1fff
export const REMOTE_FIRST_MASK = 0x7fff

// A free block: its first word is the link to the next one (0: last). Its second says that it is free, so that a second free is noticed;
// malloc wipes it, and whoever finds it in a block that comes back makes sure by walking the lists.
export const MARK = 1
export const MARK_FREE = 0x5bd1e995

// Heap record. R_STATE: Atomics, everyone. R_PENDING: Atomics, everyone. The rest: the holder's alone, plain.
export const R_STATE = 0
export const CLASS_SLOTS = 48
export const R_ACTIVE = 16
export const R_PARTIAL: number = R_ACTIVE + CLASS_SLOTS
/** Pages taken from R_PENDING and not yet looked at. */
export const R_TAKEN: number = R_PARTIAL + CLASS_SLOTS
/** With 16, blocks of 64..512 bytes from one other thread went out 5 at a time, with 64 they go 16 at a time: 35.6 → 42.7 M blocks/s. */
export const BATCH_SLOTS = 64
/** Remote frees not yet sent: BATCH_SLOTS × (page, first, last, count). */
export const R_BATCH: number = R_TAKEN + CLASS_SLOTS
export const B_PAGE = 0
export const B_FIRST = 1
export const B_LAST = 2
export const B_COUNT = 3
export const BATCH_WORDS = 4
/** A page this holder disarmed and has not yet enqueued for its owner. */
export const R_OWED: number = R_BATCH + BATCH_SLOTS * BATCH_WORDS
/** Units [R_RUN_START, R_RUN_END) are taken from the reserve and belong to no page: on their way in or out. */
export const R_RUN_START: number = R_OWED + 1
export const R_RUN_END: number = R_OWED + 2
/** 1 + the pooled record this holder is taking a page from. */
export const R_BORROWED: number = R_OWED + 3
/** Empty pages kept: one list per span, head and count. */
export const R_EMPTY_SHORT: number = R_OWED + 4
export const R_EMPTY_LONG: number = R_OWED + 6
/** How many slots of R_BATCH hold blocks. */
export const R_BATCHED: number = R_OWED + 8
/** How many granules the record has reserved, how many times it did, and where the lowest free unit of them may be. */
export const R_GRANULES: number = R_OWED + 9
export const R_LEVEL: number = R_OWED + 10
export const R_LOWEST: number = R_OWED + 11
/** The slot of R_BATCH last begun. */
export const R_LAST_BATCH: number = R_OWED + 12
/** The page this holder is about to arm: while it is set, the arming has not happened. */
export const R_ARMING: number = R_OWED + 13
export const R_PENDING: number = alignUp(R_OWED + 14, LINE_WORDS) + LINE_WORDS
export const R_COUNTERS: number = R_PENDING + CLASS_SLOTS + LINE_WORDS
export const COUNTER_SLOTS = 48
/** Of the adaptive prewarm (learn.ts), by class: blocks carved since the holder was idle, blocks wanted ready; how active it had been by then. */
export const R_FRESH: number = R_COUNTERS + COUNTER_SLOTS * 2
export const R_LEARNED: number = R_FRESH + CLASS_SLOTS
export const R_LEARNED_AT: number = R_LEARNED + CLASS_SLOTS
/** 1 for the classes that have had their first page. */
export const R_GROWN: number = R_LEARNED_AT + 1
export const RECORD_WORDS: number = alignUp(R_GROWN + CLASS_SLOTS, 64)

export const RECORD_FRESH = 0
export const RECORD_LIVE = 1
export const RECORD_POOLED = 2
/** Pooled, and for the moment held by a thread that takes a page from it. */
export const RECORD_BORROWED = 3
/** Held by a thread that is parked; and lent meanwhile to one that starves (lend.ts). */
export const RECORD_PARKED = 4
export const RECORD_PARKED_BORROWED = 5

/** Where the parts of one heap lie, in words and units of the whole buffer. */
export interface Geometry {
  readonly base: number
  readonly recordCount: number
  readonly records: number
  /** Indexed by absolute unit >>> 5. */
  readonly bitmap: number
  /** Indexed by absolute unit >>> GRANULE_SHIFT: 1 + the record that reserved the granule, or 0. */
  readonly granules: number
  /** Ready bits of adoption: CLASS_SLOTS rows of one bit per record. */
  readonly ready: number
  /** First word of the debug map, for unit 0, two bits per 16 bytes of the buffer (states.ts); 0 without debug. */
  readonly debugMap: number
  /** `units + k * unitWords + unit` is the word of column k for an absolute unit. */
  readonly units: number
  readonly unitWords: number
  /** `pages + k + page` is the word of page column k. */
  readonly pages: number
  /** `remotes + page` is the remote line of a page. */
  readonly remotes: number
  /** What a class without an active page names: the line of the unit that the heap's own words begin in, with an empty free list. */
  readonly noPage: number
  readonly firstUnit: number
  readonly endUnit: number
}

/** Computes the layout of a heap in `[byteOffset, byteOffset + byteLength)`. Throws ERR_PERCORE_INVALID_OPTION when it cannot hold one. */
export function geometryOf(byteOffset: number, byteLength: number, recordCount: number, debug: boolean): Geometry {
  const bad = (message: string): PercoreError => new PercoreError('ERR_PERCORE_INVALID_OPTION', message)
  if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || byteOffset % 64 !== 0) {
    throw bad(`the heap's byteOffset is ${byteOffset}; give a multiple of 64`)
  }
  if (!Number.isSafeInteger(recordCount) || recordCount < 1 || recordCount > RECORDS_MAX) {
    throw bad(`a heap has 1 to ${RECORDS_MAX} records, not ${recordCount}`)
  }
  const endWord = Math.floor((byteOffset + byteLength) / 4)
  if (!(endWord <= WORDS_MAX)) {
    throw bad(`a heap must end within the first ${WORDS_MAX * 4} bytes of its buffer; this one ends at ${endWord * 4}`)
  }
  const base = byteOffset / 4
  const endUnit = Math.min(Math.floor(endWord / UNIT_WORDS), WORDS_MAX / UNIT_WORDS - 1) // the word after the last must fit too
  const lowUnit = Math.floor(base / UNIT_WORDS)
  const records = base + HEADER_WORDS
  const ready = records + recordCount * RECORD_WORDS
  const bitmap = alignUp(ready + CLASS_SLOTS * Math.ceil(recordCount / 32), LINE_WORDS)
  const granules = alignUp(bitmap + Math.ceil(endUnit / 32), LINE_WORDS)
  const unitsLow = alignUp(granules + Math.ceil(endUnit / GRANULE_UNITS), LINE_WORDS)
  const unitWords = alignUp(Math.max(0, endUnit - lowUnit), LINE_WORDS)
  const pagesLow = unitsLow + unitColumns.length * unitWords
  const remotesLow = pagesLow + (unitWords << PAGE_SHIFT)
  const remotesEnd = remotesLow + (unitWords << PAGE_SHIFT)
  const firstUnit = Math.ceil((remotesEnd + (debug ? (endUnit * UNIT_WORDS) / 64 : 0)) / UNIT_WORDS)
  if (!(firstUnit < endUnit)) {
    const least = (firstUnit + 1) * UNIT_BYTES - byteOffset
    throw bad(`${byteLength} bytes hold no page beside ${recordCount} records: give at least ${least} bytes`)
  }
  const debugMap = debug ? remotesEnd : 0
  const low = lowUnit << PAGE_SHIFT
  return {
    base, recordCount, records, bitmap, granules, ready, debugMap, units: unitsLow - lowUnit, unitWords, pages: pagesLow - low,
    remotes: remotesLow - low, noPage: low, firstUnit, endUnit,
  }
}

/** Word of a unit column for unit 0 (which may be outside of the heap). */
export function unitColumnAt(g: Geometry, name: UnitColumn): number {
  return g.units + unitColumns.indexOf(name) * g.unitWords
}
