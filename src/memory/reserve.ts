/**
 * The common reserve: which 64 KiB units of the buffer are taken, one bit each. Any thread, on behalf of the record it names.
 *
 * Invariant: a set bit belongs to exactly one page, one large block, or the run noted in one record (R_RUN_START, R_RUN_END).
 * A run is claimed word by word; each compare-exchange is followed at once by the store that notes it, so when the thread dies
 * in between words, whoever reclaims its record knows exactly which bits were its own.
 */
import { shared } from '../base/index.js'
import { type Geometry, GRANULE_SHIFT, GRANULE_UNITS, R_RUN_END, R_RUN_START, unitColumnAt } from './layout.js'

/** Search where: granules nobody reserved, or anywhere; else 1 + a record, in that record's granules. */
export const IN_UNRESERVED = 0
export const IN_ANY: number = -1

/** Bits of units lo..hi (exclusive, in the same bitmap word). */
function maskOf(lo: number, hi: number): number {
  const width = hi - lo
  return width === 32 ? -1 : ((1 << width) - 1) << (lo & 31)
}

function wordEnd(unit: number, end: number): number {
  return Math.min((unit | 31) + 1, end)
}

/** First-fit: first of `count` free units in a row at or above `from`, in the granules `where` says; or 0. A guess until claimed. */
function findRun(i32: Int32Array, g: Geometry, count: number, from: number, where: number): number {
  let run = 0
  let unit = from
  while (unit < g.endUnit) {
    const granuleEnd = Math.min((unit | (GRANULE_UNITS - 1)) + 1, g.endUnit)
    const taken = (i32[g.bitmap + (unit >>> 5)]! >>> (unit & 31)) & (2 ** (granuleEnd - unit) - 1)
    if (taken === 2 ** (granuleEnd - unit) - 1 || (where !== IN_ANY && i32[g.granules + (unit >>> GRANULE_SHIFT)] !== where)) {
      run = 0
      unit = granuleEnd
    } else if (taken === 0 && run + granuleEnd - unit < count) {
      run += granuleEnd - unit
      unit = granuleEnd
    } else {
      run = (taken & 1) === 1 ? 0 : run + 1
      unit++
      if (run === count) return unit - run
    }
  }
  return 0
}

/** Takes [start, start + count), all or nothing. True leaves it noted in the record. */
function claimRun(i32: Int32Array, g: Geometry, record: number, start: number, count: number): boolean {
  const end = start + count
  i32[record + R_RUN_START] = start
  i32[record + R_RUN_END] = start
  let unit = start
  while (unit < end) {
    const word = g.bitmap + (unit >>> 5)
    const next = wordEnd(unit, end)
    const mask = maskOf(unit, next)
    const old = shared.load(i32, word)
    if ((old & mask) !== 0) {
      releaseNotedRun(i32, g, record)
      return false
    }
    if (shared.compareExchange(i32, word, old, old | mask) === old) {
      i32[record + R_RUN_END] = next
      unit = next
    }
  }
  return true
}

/**
 * Claims `count` consecutive units at or above `from`, in the granules `where` says; returns the first, or 0 when there is no such
 * run. The run stays noted in the record until the caller has registered what it made of it and sets R_RUN_END to 0 with its last store.
 */
export function claimUnits(i32: Int32Array, g: Geometry, record: number, count: number, from: number, where: number): number {
  for (;;) {
    const start = findRun(i32, g, count, from, where)
    if (start === 0 || claimRun(i32, g, record, start, count)) return start
  }
}

/** Gives back the run noted in the record. The bits are this record's own, so subtracting them needs no loop. */
export function releaseNotedRun(i32: Int32Array, g: Geometry, record: number): void {
  const home = unitColumnAt(g, 'home')
  let unit = i32[record + R_RUN_START]!
  const end = i32[record + R_RUN_END]!
  while (unit < end) {
    const next = wordEnd(unit, end)
    for (let at = unit; at < next; at++) i32[home + at] = 0
    shared.add(i32, g.bitmap + (unit >>> 5), -maskOf(unit, next))
    i32[record + R_RUN_START] = next
    unit = next
  }
  i32[record + R_RUN_END] = 0
}

/** Whether a unit is taken, as of now. */
export function isTaken(i32: Int32Array, g: Geometry, unit: number): boolean {
  return ((i32[g.bitmap + (unit >>> 5)]! >>> (unit & 31)) & 1) === 1
}

/** Number of free units, as of now. */
export function freeUnits(i32: Int32Array, g: Geometry): number {
  let free = 0
  for (let unit = g.firstUnit; unit < g.endUnit; unit++) if (!isTaken(i32, g, unit)) free++
  return free
}
