/**
 * The must-reuse gate: where the next block comes from when the active page is dry. The record's holder only.
 *
 * Invariant: no page is taken from the reserve while the record, or a record whose thread is gone, has a page with a free block of
 * that class within reach. The order, each step counted:
 *
 * 1. the active page: local frees (the fast path), remote frees, blocks not yet carved;
 * 2. partial pages;  3. pages announced by other threads, at most {@link PENDING_BUDGET} looked at;  4. kept empty pages;
 * 5. pages of records in the pool, and of parked threads if all else has failed (lend.ts);
 * 6. with adoption on, at most one page of a living owner;  7. a new page.
 *
 * Only 'ungated' breaks it, to show what it is worth (adopt.ts): step 6 comes first, steps 2 and 3 when all else fails.
 */
import { ADOPTION_UNGATED, adoptPage } from './adopt.js'
import { returnVacant } from './arena.js'
import { CLASS_COUNT } from './classes.js'
import { C } from './counters.js'
import * as layout from './layout.js'
import { borrow, giveBack } from './lend.js'
import {
  activate, adoptRemote, extend, noPage, pushPartial, remoteCount, retire, setFull, setHome, takeEmpty, takeNew, trimPages, unlinkPartial,
} from './page.js'
import { forwardTaken, takePending } from './remote.js'
import { homeWord, recordWord, remoteAt, usedOf, type View, viewFor } from './view.js'

// Local names, because V8 does not fold imported bindings (heap.ts).
const { RECORD_POOLED, REMOTE, R_ACTIVE, R_EMPTY_LONG, R_EMPTY_SHORT, R_PARTIAL, R_PENDING, R_STATE, R_TAKEN } = layout
const { STATE_FULL, STATE_PARTIAL } = layout

/** Announced pages looked at per refill; the first one with blocks ends the search. */
const PENDING_BUDGET = 4

/** Makes a page's free list non-empty from what the page itself has. */
function replenish(v: View, page: number): boolean {
  if (v.pages.free[page] !== 0) return true
  if (adoptRemote(v, page)) {
    v.f64[v.counters + C.activeDrains]! += 1
    return true
  }
  return extend(v, page)
}

function fromPartial(v: View, c: number): number {
  const { i32, record } = v
  for (let page = i32[record + R_PARTIAL + c]!; page !== 0; page = i32[record + R_PARTIAL + c]!) {
    unlinkPartial(v, page)
    activate(v, page)
    if (replenish(v, page) || !setFull(v, page)) {
      v.f64[v.counters + C.partialHits]! += 1
      return page
    }
  }
  return 0
}

function fromPending(v: View, c: number): number {
  const { pages } = v
  for (let budget = 0; budget < PENDING_BUDGET; budget++) {
    const page = takePending(v, c)
    if (page === 0) return 0
    if (pages.state[page] === STATE_FULL) {
      if (adoptRemote(v, page) || !setFull(v, page)) {
        v.f64[v.counters + C.pendingHits]! += 1
        activate(v, page)
        return page
      }
    } else if (pages.state[page] === STATE_PARTIAL && usedOf(v, page) === 0) {
      retire(v, page)
    }
  }
  return 0
}

/** Whether a page has no block to give: none free, none come back, none left to carve. */
function isDry({ i32, geometry, pages }: View, page: number): boolean {
  return pages.limit[page]! >= pages.end[page]! && pages.free[page] === 0 && remoteCount(i32[remoteAt(geometry, page) + REMOTE]!) === 0
}

/**
 * A page of class `c` that a pooled record can spare, taken out of its lists; or 0. May leave it as that record's active page. What was
 * announced to the record is looked at first: a page must not leave while its name is in that queue.
 */
function spare(gone: View, c: number): number {
  const { i32, record } = gone
  drainPending(gone, c)
  const active = i32[record + R_ACTIVE + c]!
  if (active !== noPage(gone) && !isDry(gone, active)) return active
  const partial = i32[record + R_PARTIAL + c]!
  if (partial === 0) return takeEmpty(gone, c)
  unlinkPartial(gone, partial)
  return partial
}

function maySpare(v: View, record: number, c: number): boolean {
  const { i32 } = v
  return (
    i32[record + R_ACTIVE + c] !== noPage(v) || i32[record + R_PARTIAL + c] !== 0 || i32[record + R_PENDING + c] !== 0 ||
    i32[record + R_TAKEN + c] !== 0 || i32[record + R_EMPTY_SHORT] !== 0 || i32[record + R_EMPTY_LONG] !== 0
  )
}

/** Takes one page from a record in the pool or, if `starving`, of a parked thread, holding that record meanwhile. */
function fromGone(v: View, c: number, starving: boolean): number {
  const { i32, geometry } = v
  for (let other = 0; other < geometry.recordCount; other++) {
    const theirs = recordWord(geometry, other)
    if (i32[theirs + R_STATE]! < RECORD_POOLED || !maySpare(v, theirs, c) || !borrow(v, other, starving)) continue
    const active = i32[theirs + R_ACTIVE + c]!
    const page = spare(viewFor(v, other), c)
    i32[theirs + R_ACTIVE + c] = page === active ? noPage(v) : active
    if (page !== 0) {
      setHome(v, page, homeWord(v.me))
      activate(v, page)
    }
    giveBack(v, other)
    if (page === 0) continue
    if (replenish(v, page) || !setFull(v, page)) {
      v.f64[v.counters + C.goneHits]! += 1
      return page
    }
    i32[v.record + R_ACTIVE + c] = noPage(v)
  }
  return 0
}

/** Adopts a page from a living owner, and sends what was taken along with it home again. */
function fromLiving(v: View, c: number): number {
  const page = adoptPage(v, c)
  if (page === 0 && v.i32[v.record + R_TAKEN + c] === 0) return 0
  forwardTaken(v, c)
  if (page === 0) return 0
  activate(v, page)
  if (replenish(v, page) || !setFull(v, page)) return page
  v.i32[v.record + R_ACTIVE + c] = noPage(v)
  return 0
}

/** Gives back what the records in the pool and those of parked threads hold without a block in it: when memory is short. */
export function trimGone(v: View): void {
  const { i32, geometry } = v
  for (let other = 0; other < geometry.recordCount; other++) {
    const theirs = recordWord(geometry, other)
    if (i32[theirs + R_STATE]! < RECORD_POOLED || !borrow(v, other, true)) continue
    trimRecord(viewFor(v, other))
    giveBack(v, other)
  }
}

/** Gives back to the reserve whatever of a record holds no block. */
export function trimRecord(v: View): void {
  for (let c = 0; c < CLASS_COUNT; c++) drainPending(v, c)
  trimPages(v)
  returnVacant(v)
}

/**
 * Gives class `c` an active page with a free block and returns the page, or 0 when the heap is full. `starving`: it is, unless a parked
 * thread has what is needed.
 */
export function refill(v: View, c: number, starving: boolean): number {
  const { i32, record } = v
  v.f64[v.counters + C.refills]! += 1
  const active = i32[record + R_ACTIVE + c]!
  if (active !== noPage(v)) {
    if (replenish(v, active) || !setFull(v, active)) return active
    i32[record + R_ACTIVE + c] = noPage(v)
  }
  const ungated = v.adoption.mode === ADOPTION_UNGATED
  let page = ungated ? fromLiving(v, c) : fromPartial(v, c) || fromPending(v, c)
  if (page !== 0) return page
  i32[record + R_ACTIVE + c] = noPage(v)
  page = takeEmpty(v, c)
  if (page !== 0) {
    v.f64[v.counters + C.emptyHits]! += 1
  } else {
    page = fromGone(v, c, starving) || fromLiving(v, c)
    if (page !== 0) return page
    page = takeNew(v, c)
    if (page === 0 && ungated) return fromPartial(v, c) || fromPending(v, c)
  }
  if (page !== 0) extend(v, page)
  return page
}

/** Looks at every page other threads announced, so that an idle owner's memory is ready for use, or given back. */
export function drainPending(v: View, c: number): void {
  const { pages } = v
  for (let page = takePending(v, c); page !== 0; page = takePending(v, c)) {
    if (pages.state[page] === STATE_FULL) {
      if (!adoptRemote(v, page) && setFull(v, page)) continue // out of sight again, and perhaps no longer ours
      pushPartial(v, page)
    }
    if (pages.state[page] === STATE_PARTIAL && usedOf(v, page) === 0) retire(v, page)
  }
}
