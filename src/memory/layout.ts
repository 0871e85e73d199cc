/**
 * Where everything lies in the shared buffer: the only file that knows numbers of words. Pure; any thread.
 *
 * Invariant: nothing here depends on the thread, so every thread that opens the same handle finds the same places.
 *
 * ```text
 *  byteOffset                                                                                                byteOffset + byteLength
 *  | header | records | unit table | ready bits | unit bitmap | granules | page metadata | … | unit | unit | … | unit |
 *    1 KiB    2 KiB each  4 B/unit                  1 bit/unit   4 B/16 units  192 B/unit       64 KiB each, aligned in the buffer
 * ```
 *
 * Every address is an index of a 4-byte word of the whole buffer, so `pointer >>> UNIT_SHIFT` is the unit, and the unit table
 * answers in one load which page it belongs to (0: none). All of it starts as zeros and is touched only when used.
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
/** A page that is always full and never anyone's: what a class without an active page points at. */
export const H_NO_PAGE = 64
const HEADER_WORDS = 256

/** What records reserve from the common reserve at a time: 1 MiB, 16 units. */
export const GRANULE_SHIFT = 4
export const GRANULE_UNITS: number = 1 << GRANULE_SHIFT
export const GRANULE_BYTES: number = GRANULE_UNITS * UNIT_BYTES

// Page metadata, first line: the owner's alone, plain.
/** First block of the free list, 0 when none. Links are the first word of each free block. */
export const FREE = 0
/** Blocks carved and not in the free list: held by callers, batched by senders, or in the remote list. */
export const USED = 1
/** A free that brings USED to EDGE or below changes the page's state: −1 active, 0 partial, all when full. */
export const EDGE = 2
/** The word after the last carved block. */
export const LIMIT = 3
export const STATE = 4
export const NEXT = 5
export const PREV = 6
/** 1 from the owner arming REMOTE until the page comes back through the pending queue or is disarmed. */
export const WATCHED = 7
// Second line: read by every thread; written by the owner when it forms the page, OWNER also when the page is handed on.
/** Record of the owner; ~record of a page that its owner disowned for adoption (adopt.ts); OWNER_NONE. */
export const OWNER = 16
export const CLASS = 17
export const START = 18
export const MAGIC = 19
/** The word after the last block the page can hold. */
export const END = 20
export const STRIDE = 21
export const CAPACITY = 22
export const SPAN = 23
// Third line: all threads, Atomics only (the owner may poll REMOTE plainly; a sender writes PENDING_NEXT before it publishes).
export const REMOTE = 32
export const PENDING_NEXT = 33
/** How many refills the owner had done when the page was announced; only with adoption. */
export const PENDING_STAMP = 34
export const META_WORDS = 48

/** CLASS of a large block and of an unformed page; OWNER of a large block (no thread's, so every free takes the slow path). */
export const CLASS_LARGE = 255
export const CLASS_NONE = 254
export const OWNER_NONE = 0x10000

export const STATE_ACTIVE = 1
export const STATE_PARTIAL = 2
export const STATE_FULL = 3
export const STATE_EMPTY = 4

/** EDGE of a full page: any free is one. */
export const EDGE_ANY = 0x7fffffff

/**
 * REMOTE, one word: the list of blocks other threads freed.
 *
 * ```text
 *   31 30 29 | 28    | 27 … 15        | 14 … 0
 *      0     | ARMED | count 0..4096  | first block: (pointer − START) / 4 words
 * ```
 */
export const REMOTE_ARMED: number = 1 << 28
export const REMOTE_COUNT_SHIFT = 15
export const REMOTE_COUNT_MASK = 0x1fff
export const REMOTE_FIRST_MASK = 0x7fff

// A free block: its first word is the link to the next one (0: last). Its second says that it is free, so that a second free is noticed;
// malloc wipes it, and whoever finds it in a block that comes back makes sure by walking the lists.
export const MARK = 1
/** The mark of the free block at `ptr` is `ptr ^ MARK_KEY`. */
export const MARK_KEY = 0x5bd1e995

// Heap record. R_STATE: Atomics, everyone. R_PENDING: Atomics, everyone. The rest: the holder's alone, plain.
export const R_STATE = 0
export const CLASS_SLOTS = 48
export const R_ACTIVE = 16
export const R_PARTIAL: number = R_ACTIVE + CLASS_SLOTS
/** Pages taken from R_PENDING and not yet looked at. */
export const R_TAKEN: number = R_PARTIAL + CLASS_SLOTS
export const BATCH_SLOTS = 16
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
export const R_EMPTY_SMALL: number = R_OWED + 4
export const R_EMPTY_MID: number = R_OWED + 6
/** Number of blocks in R_BATCH. */
export const R_BATCHED: number = R_OWED + 8
/** How many granules the record has reserved, how many times it did, and where the lowest free unit of them may be. */
export const R_GRANULES: number = R_OWED + 9
export const R_LEVEL: number = R_OWED + 10
export const R_LOWEST: number = R_OWED + 11
/** The slot of R_BATCH last written to. */
export const R_LAST_BATCH: number = R_OWED + 12
/** The page this holder is about to arm: while it is set, the arming has not happened. */
export const R_ARMING: number = R_OWED + 13
export const R_PENDING: number = alignUp(R_OWED + 14, LINE_WORDS) + LINE_WORDS
export const R_COUNTERS: number = R_PENDING + CLASS_SLOTS + LINE_WORDS
export const COUNTER_SLOTS = 48
export const RECORD_WORDS: number = alignUp(R_COUNTERS + COUNTER_SLOTS * 2, 64)

export const RECORD_FRESH = 0
export const RECORD_LIVE = 1
export const RECORD_POOLED = 2
/** Pooled, and for the moment held by a thread that takes a page from it. */
export const RECORD_BORROWED = 3
/** Held by a thread that is parked; and lent meanwhile to one that starves (lend.ts). */
export const RECORD_PARKED = 4
export const RECORD_PARKED_BORROWED = 5

// Debug map.
export const D_NEVER = 0
export const D_LIVE = 1
export const D_FREED = 2
export const D_ALIGNED = 3

/** Where the parts of one heap lie, in words and units of the whole buffer. */
export interface Geometry {
  readonly base: number
  readonly recordCount: number
  readonly records: number
  /** Indexed by absolute unit. */
  readonly unitTable: number
  /** Indexed by absolute unit >>> 5. */
  readonly bitmap: number
  /** Indexed by absolute unit >>> GRANULE_SHIFT: 1 + the record that reserved the granule, or 0. */
  readonly granules: number
  /** Ready bits of adoption: CLASS_SLOTS rows of one bit per record. */
  readonly ready: number
  /** First byte of the debug map, one byte per 16 bytes of the buffer (D_… below); 0 without debug. */
  readonly debugMap: number
  /** `metas + unit * META_WORDS` is the metadata of an absolute unit. */
  readonly metas: number
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
  const unitTable = records + recordCount * RECORD_WORDS
  const ready = alignUp(unitTable + endUnit, LINE_WORDS)
  const bitmap = alignUp(ready + CLASS_SLOTS * Math.ceil(recordCount / 32), LINE_WORDS)
  const granules = alignUp(bitmap + Math.ceil(endUnit / 32), LINE_WORDS)
  const metasLow = alignUp(granules + Math.ceil(endUnit / GRANULE_UNITS), LINE_WORDS)
  const metasEnd = metasLow + Math.max(0, endUnit - lowUnit) * META_WORDS
  const firstUnit = Math.ceil((metasEnd + (debug ? (endUnit * UNIT_WORDS) / 16 : 0)) / UNIT_WORDS)
  if (!(firstUnit < endUnit)) {
    const least = (firstUnit + 1) * UNIT_BYTES - byteOffset
    throw bad(`${byteLength} bytes hold no page beside ${recordCount} records: give at least ${least} bytes`)
  }
  const debugMap = debug ? metasEnd * 4 : 0
  const metas = metasLow - lowUnit * META_WORDS
  return { base, recordCount, records, unitTable, ready, bitmap, granules, debugMap, metas, firstUnit, endUnit }
}
