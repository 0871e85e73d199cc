/**
 * Heap records: one per thread, pooled when their thread ends, so that the next thread owns all their pages at once.
 *
 * Invariant: R_STATE moves only by compare-exchange from FRESH or POOLED to LIVE (by the thread that attaches) or BORROWED (by one
 * that takes a page), and back to POOLED by whoever holds it, or by the supervisor once the holder is dead; lend.ts draws all of it.
 * Everything else in a record is the holder's alone. Records are pooled, not threads, after snmalloc and rpmalloc.
 */
import { PercoreError, shared } from '../base/index.js'
import { recountArena } from './arena.js'
import { CLASS_COUNT, strideWords } from './classes.js'
import { C } from './counters.js'
import {
  CLASS_NONE, type Geometry, PAGE_SHIFT, PENDING_NEXT, R_ACTIVE, R_ARMING, R_BORROWED, R_EMPTY_LONG, R_EMPTY_SHORT, R_OWED, R_PARTIAL,
  R_PENDING, R_STATE, R_TAKEN, RECORD_BORROWED, RECORD_FRESH, RECORD_LIVE, RECORD_POOLED, START_SHIFT,
} from './layout.js'
import { awaitReturn, giveBack, poolParked } from './lend.js'
import { disarm, isBlock, mergeRemote, noPage, pushPartial, returnPage, setFull, setHome } from './page.js'
import { payOwed, type Sender } from './remote.js'
import { releaseNotedRun } from './reserve.js'
import { classIn, homeWord, ownerOf, recordWord, remoteAt, usedOf, type View, viewFor } from './view.js'

/** A record that is lent for the moment is looked at again this often, for a millisecond each; then its borrower must have died. */
const LENT_ROUNDS = 100

/**
 * Takes a record from the pool, else a fresh one; its number. Throws ERR_PERCORE_OUT_OF_MEMORY when all are held. Waits up to 0.1 s
 * when the only ones left are lent.
 */
export function acquireRecord(i32: Int32Array, g: Geometry): number {
  let lent = 0
  for (let round = 0; round === 0 || (lent !== 0 && round < LENT_ROUNDS); round++) {
    if (lent !== 0) awaitReturn(i32, lent, RECORD_BORROWED)
    lent = 0
    for (const wanted of [RECORD_POOLED, RECORD_FRESH]) {
      for (let record = 0; record < g.recordCount; record++) {
        const words = recordWord(g, record)
        let state = shared.load(i32, words + R_STATE)
        if (state === wanted) state = shared.compareExchange(i32, words + R_STATE, wanted, RECORD_LIVE)
        if (state === RECORD_BORROWED) lent = words + R_STATE
        if (state !== wanted) continue
        if (wanted === RECORD_FRESH) for (let c = 0; c < CLASS_COUNT; c++) i32[words + R_ACTIVE + c] = g.noPage
        return record
      }
    }
  }
  throw new PercoreError(
    'ERR_PERCORE_OUT_OF_MEMORY',
    `all ${g.recordCount} records of this heap are held by threads; create it with more records, or detach some`,
  )
}

/** Sends what is batched and puts the record into the pool. */
export function poolRecord(v: View, sender: Sender): void {
  sender.flush(v)
  shared.store(v.i32, v.record + R_STATE, RECORD_POOLED)
}

/**
 * Finishes what a dead thread left half done and pools its record. Only when the thread has ended, and only by one supervisor.
 * Throws ERR_PERCORE_INVALID_OPTION when no thread holds the record.
 */
export function reclaimRecord(own: View, record: number, sender: Sender): void {
  const { i32, geometry } = own
  if (!(Number.isInteger(record) && record >= 0 && record < geometry.recordCount) || record === own.me) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `${record} is not the record of another thread of this heap`)
  }
  const words = recordWord(geometry, record)
  if (poolParked(i32, words + R_STATE)) return
  if (shared.load(i32, words + R_STATE) !== RECORD_LIVE) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `record ${record} is held by no thread, so there is nothing to reclaim`)
  }
  const dead = viewFor(own, record)
  payOwed(dead)
  releaseNotedRun(i32, geometry, words)
  sender.flush(dead)
  const borrowed = i32[words + R_BORROWED]! - 1
  if (borrowed >= 0) {
    const lender = viewFor(own, borrowed)
    payOwed(lender)
    releaseNotedRun(i32, geometry, lender.record)
    rebuild(lender)
    giveBack(dead, borrowed)
  }
  rebuild(dead)
  shared.store(i32, words + R_STATE, RECORD_POOLED)
}

/** Makes all lists of a record anew from what its pages say. Its thread is dead; other threads may go on freeing into the pages. */
function rebuild(v: View): void {
  const { i32, pages, units, geometry, record } = v
  const arming = i32[record + R_ARMING]!
  if (arming !== 0) { // it says that it is watched, but nobody will ever announce it
    pages.watched[arming] = 0
    setHome(v, arming, homeWord(v.me))
    i32[record + R_ARMING] = 0
  }
  for (let c = 0; c < CLASS_COUNT; c++) {
    for (let page = takeAnnounced(v, c); page !== 0; page = takeAnnounced(v, c)) {
      pages.watched[page] = 0
      setHome(v, page, homeWord(v.me))
    }
    i32[record + R_ACTIVE + c] = noPage(v)
    i32[record + R_PARTIAL + c] = 0
  }
  for (const list of [R_EMPTY_SHORT, R_EMPTY_LONG]) {
    i32[record + list] = 0
    i32[record + list + 1] = 0
  }
  for (let unit = geometry.firstUnit; unit < geometry.endUnit; unit++) {
    const page = unit << PAGE_SHIFT
    if (units.home[unit] !== homeWord(v.me)) continue // no page, another's, or disowned and armed: that one is where it should be
    pages.next[page] = 0
    pages.prev[page] = 0
    if (units.class[unit] === CLASS_NONE) returnPage(v, page)
    else relist(v, page)
  }
  recountArena(v)
}

function takeAnnounced(v: View, c: number): number {
  const { i32, geometry, record } = v
  for (;;) {
    if (i32[record + R_TAKEN + c] === 0) i32[record + R_TAKEN + c] = shared.exchange(i32, record + R_PENDING + c, 0)
    const page = i32[record + R_TAKEN + c]!
    if (page === 0) return 0
    i32[record + R_TAKEN + c] = i32[remoteAt(geometry, page) + PENDING_NEXT]!
    if (ownerOf(v, page) === v.me) return page
    i32[record + R_OWED] = page
    payOwed(v)
  }
}

/** Recounts one page and puts it where its counts say it belongs. */
function relist(v: View, page: number): void {
  const { pages } = v
  const c = classIn(v, page)
  const start = page << START_SHIFT
  const carved = (pages.limit[page]! - start) / strideWords[c]!
  setHome(v, page, homeWord(v.me))
  pages.edge[page] = 0
  pages.left[page] = carved - countFree(v, page, carved)
  mergeRemote(v, page)
  if (usedOf(v, page) === 0 && disarm(v, page)) returnPage(v, page)
  else if (pages.free[page] !== 0 || pages.limit[page]! < pages.end[page]! || !setFull(v, page)) pushPartial(v, page)
}

/** Length of the free list. One that is torn is cut short; what is behind the cut is lost, and counted. */
function countFree(v: View, page: number, max: number): number {
  const { i32, pages } = v
  let length = 0
  let last = 0
  for (let block = pages.free[page]!; block !== 0; block = i32[block]!) {
    if (length === max || !isBlock(v, page, block)) {
      if (last === 0) pages.free[page] = 0
      else i32[last] = 0
      v.f64[v.counters + C.quarantined]! += 1
      break
    }
    last = block
    length++
  }
  return length
}
