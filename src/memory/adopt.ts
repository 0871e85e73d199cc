/**
 * Adoption (Route P): a thread may take a page from a living owner that has not looked after it. Off unless the heap is created with
 * `adoption`; the record's holder only.
 *
 * Invariant: only a page that is in nobody's hands changes hands. With adoption on, an owner *disowns* a page as it arms it (the column
 * `home` says so), so that even its own frees go the remote way and no one touches the owner's words. Whoever takes the page out of
 * its home's pending queue, home or adopter, has it alone.
 *
 * ```text
 *   owned ──setFull: home |= DISOWNED, A1 arm──▶ disowned ──R1, E1 enqueue at home, ready bit──▶ announced
 *     ▲                                                                                            │
 *     ├──────────────── owner: E2 exchange(R_PENDING), home = owner's ◀────────────────────────────┤
 *     └──────────────── adopter: five gates, E2, home = adopter's; the rest is sent back ◀─────────┘
 * ```
 *
 * The five gates keep what made adoption fail elsewhere from happening: pages torn from owners that were about to use them. Time is counted
 * in refills, not clocks. Two modes are there to be measured, not to be used: 'eager' has none of the five gates; 'ungated' has not even
 * the must-reuse gate (reuse.ts): a thread adopts before it looks at its own announced pages, and takes a new page before it does.
 */
import { shared } from '../base/index.js'
import type { HeapOptions } from './api.js'
import { C } from './counters.js'
import {
  CLASS_SLOTS, type Geometry, HOME_DISOWNED, PENDING_NEXT, PENDING_STAMP, R_COUNTERS, R_PARTIAL, R_PENDING, R_STATE, R_TAKEN, RECORD_LIVE,
  REMOTE,
} from './layout.js'
import { remoteCount, setHome } from './page.js'
import { classIn, homeWord, recordWord, remoteAt, unitOf, type View } from './view.js'

export const ADOPTION_OFF = 0
export const ADOPTION_GATED = 1
export const ADOPTION_EAGER = 2
export const ADOPTION_UNGATED = 3

/** As the option `adoption` names them. */
export const adoptionModes: Readonly<Record<NonNullable<HeapOptions['adoption']>, number>> = {
  off: ADOPTION_OFF, gated: ADOPTION_GATED, eager: ADOPTION_EAGER, ungated: ADOPTION_UNGATED,
}

/** Refills of the adopter without one of the owner, after which the owner counts as idle. */
const IDLE_REFILLS = 64
/** And how many more it waits for a page that the owner has not once had the chance to take: the right of first refusal. */
const FIRST_REFUSAL_REFILLS = 32
/** Announced pages of the class an owner must have before one is taken. */
const ANNOUNCED_MIN = 4
/** Blocks that must be waiting in the page. */
const WAITING_MIN = 8

/** Ready bits: CLASS_SLOTS rows of one bit per record. */
function readyWord(g: Geometry, c: number, record: number): number {
  return g.ready + c * readyWords(g.recordCount) + (record >>> 5)
}

export function readyWords(recordCount: number): number {
  return Math.ceil(recordCount / 32)
}

export const READY_ROWS: number = CLASS_SLOTS

/** Advice for adopters: bit set, something may be announced. Being wrong costs one look. */
export function setReady(v: View, c: number, record: number, ready: boolean): void {
  const { i32, geometry } = v
  const word = readyWord(geometry, c, record)
  const bit = 1 << (record & 31)
  for (;;) {
    const old = shared.load(i32, word)
    const next = ready ? old | bit : old & ~bit
    if (next === old || shared.compareExchange(i32, word, old, next) === old) return
  }
}

/** How many refills a record has done: its clock. */
export function refillsOf(v: View, record: number): number {
  return v.f64[(recordWord(v.geometry, record) + R_COUNTERS) / 2 + C.refills]!
}

/** The first record but this one with its ready bit set, or −1. */
function firstReady(v: View, c: number): number {
  const { i32, geometry: g, me } = v
  for (let low = 0; low < g.recordCount; low += 32) {
    let word = i32[readyWord(g, c, low)]!
    if (me >>> 5 === low >>> 5) word &= ~(1 << (me & 31))
    if (word !== 0) return low + 31 - Math.clz32(word & -word)
  }
  return -1
}

/** Refills this thread has done since it last saw the other do one. */
function idleFor(v: View, other: number): number {
  const { adoption, me } = v
  const theirs = refillsOf(v, other)
  const mine = refillsOf(v, me)
  if (adoption.seen[other] !== theirs) {
    adoption.seen[other] = theirs
    adoption.at[other] = mine
  }
  return mine - adoption.at[other]!
}

/** Whether all five gates are open for the first page announced to `home`; counts the one that is not. */
function mayAdopt(v: View, home: number, c: number): boolean {
  const { i32, f64, geometry, counters } = v
  const theirs = recordWord(geometry, home)
  const idle = idleFor(v, home)
  const page = i32[theirs + R_PENDING + c]!
  const blocked = (counter: number): boolean => {
    f64[counters + counter]! += 1
    return false
  }
  if (idle < IDLE_REFILLS) return blocked(C.blockedByActivity)
  if (i32[theirs + R_PARTIAL + c] !== 0) return blocked(C.blockedByPartial)
  let announced = 0
  for (let at = page; at !== 0 && announced < ANNOUNCED_MIN; at = i32[remoteAt(geometry, at) + PENDING_NEXT]!) announced++
  if (announced < ANNOUNCED_MIN) return blocked(C.blockedByFew)
  if (remoteCount(i32[remoteAt(geometry, page) + REMOTE]!) < WAITING_MIN) return blocked(C.blockedByWaiting)
  const declined = (refillsOf(v, home) | 0) !== i32[remoteAt(geometry, page) + PENDING_STAMP]
  if (!declined && idle < IDLE_REFILLS + FIRST_REFUSAL_REFILLS) return blocked(C.blockedByFirstRefusal)
  return true
}

/**
 * Takes one page of class `c` from another living record, or returns 0. The page is this record's own afterwards, its blocks still in the
 * remote list. At most one page per refill.
 */
export function adoptPage(v: View, c: number): number {
  const { i32, pages, f64, geometry, record, me, counters } = v
  if (v.adoption.mode === ADOPTION_OFF || i32[record + R_TAKEN + c] !== 0) return 0
  const home = firstReady(v, c)
  if (home < 0) return 0
  const theirs = recordWord(geometry, home)
  if (i32[theirs + R_PENDING + c] === 0 || i32[theirs + R_STATE] !== RECORD_LIVE) {
    if (i32[theirs + R_PENDING + c] === 0) setReady(v, c, home, false)
    return 0
  }
  if (v.adoption.mode === ADOPTION_GATED && !mayAdopt(v, home, c)) return 0
  setReady(v, c, home, false)
  i32[record + R_TAKEN + c] = shared.exchange(i32, theirs + R_PENDING + c, 0) // E2, as the owner would
  const page = i32[record + R_TAKEN + c]!
  if (page === 0 || (v.units.home[unitOf(page)]! & HOME_DISOWNED) === 0 || classIn(v, page) !== c) return 0
  setHome(v, page, homeWord(me)) // while the list still says that it was announced
  i32[record + R_TAKEN + c] = i32[remoteAt(geometry, page) + PENDING_NEXT]!
  pages.watched[page] = 0
  f64[counters + C.adopted]! += 1
  return page
}
