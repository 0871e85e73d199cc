/**
 * Remote frees: how a block comes back to a page another thread owns. Senders on any thread; {@link takePending} the owner.
 *
 * ```text
 *  sender                                              owner
 *  ------                                              -----
 *  free(ptr): the block joins the sender's batch       malloc, own list dry:
 *    of its page (R_BATCH, plain, 16 blocks)            P1 poll REMOTE, plain
 *  send:                                                R2 exchange(REMOTE, 0) ........ pairs with R1: links are visible
 *    link the batch before the list REMOTE names       nothing there, and the page is to leave the owner's sight:
 *    R1 compare-exchange(REMOTE, old → list+count)      A1 compare-exchange(REMOTE, 0 → ARMED), WATCHED = 1
 *       ARMED in old: this sender alone disarmed it        fails: frees came first, adopt them, do not hide the page
 *       R_OWED = page                                  next refill of the class:
 *    E1 compare-exchange(R_PENDING, h → page) ........  E2 exchange(R_PENDING, 0): pages, chained by PENDING_NEXT
 *       R_OWED = 0                                         WATCHED = 0; adopt (R2) or arm again (A1)
 * ```
 *
 * Invariant: a page that is FULL is armed, or owed by exactly one sender, or in exactly one pending queue; so no remote free is
 * out of its owner's reach. While WATCHED a page is never given back, so a sender's page cannot vanish under it.
 *
 * Every shared step is one compare-exchange and is followed at once by the plain store that notes it (batch emptied, R_OWED), so what
 * a dead sender left can be finished exactly by whoever reclaims its record. The idea of the armed edge is mimalloc's (Leijen 2019);
 * count and head in one word are rpmalloc's (Jansson); batches by page snmalloc's (Liétar et al. 2019).
 */
import { shared } from '../base/index.js'
import { refillsOf, setReady } from './adopt.js'
import { C } from './counters.js'
import { badPointer, corrupt } from './faults.js'
import * as layout from './layout.js'
import { refuseSecondFree, setHome } from './page.js'
import { capacityOf, classIn, homeWord, ownerOf, recordWord, remoteAt, type View } from './view.js'

// Local names, because V8 does not fold imported bindings (heap.ts).
const { BATCH_SLOTS, BATCH_WORDS, B_COUNT, B_FIRST, B_LAST, B_PAGE, MARK, MARK_FREE, PENDING_NEXT, PENDING_STAMP } = layout
const { REMOTE, REMOTE_ARMED, REMOTE_COUNT_MASK, REMOTE_COUNT_SHIFT, REMOTE_FIRST_MASK, R_BATCH, R_BATCHED } = layout
const { R_LAST_BATCH, R_OWED, R_PENDING, R_TAKEN, PAGE_SHIFT, START_SHIFT } = layout

const BATCH_MAX = 16

/** Puts a page this thread owes into the pending queue of its owner. */
function enqueue(v: View, page: number): void {
  const { i32, geometry, record } = v
  const c = classIn(v, page)
  const home = ownerOf(v, page)
  const queue = recordWord(geometry, home) + R_PENDING + c
  for (let head = i32[queue]!; ; ) { // a guess; the compare-exchange knows
    i32[remoteAt(geometry, page) + PENDING_NEXT] = head
    const found = shared.compareExchange(i32, queue, head, page) // E1
    if (found === head) {
      i32[record + R_OWED] = 0
      if (v.adoption.mode !== 0) setReady(v, c, home, true)
      return
    }
    head = found
  }
}

/** Finishes an enqueue the holder of the record owes; for the owner of `v` and for who reclaims it. */
export function payOwed(v: View): void {
  const page = v.i32[v.record + R_OWED]!
  if (page === 0) return
  v.f64[v.counters + C.remoteEnqueues]! += 1
  enqueue(v, page)
}

/** Publishes one batch on its page. */
export function send(v: View, slot: number): void {
  const { i32, geometry, record } = v
  const page = i32[slot + B_PAGE]!
  const first = i32[slot + B_FIRST]!
  const last = i32[slot + B_LAST]!
  const count = i32[slot + B_COUNT]!
  const start = page << START_SHIFT
  const at = remoteAt(geometry, page)
  for (let old = i32[at + REMOTE]!; ; ) { // a guess; the compare-exchange knows
    const before = (old >>> REMOTE_COUNT_SHIFT) & REMOTE_COUNT_MASK
    if (before + count > capacityOf(v, page)) {
      i32[record + R_BATCHED] = i32[record + R_BATCHED]! - count
      i32[slot + B_COUNT] = 0
      v.f64[v.counters + C.badFrees]! += count
      throw corrupt(v, page, `${before + count} blocks freed by other threads`)
    }
    i32[last] = before === 0 ? 0 : start + ((old & REMOTE_FIRST_MASK) << 2)
    const next = ((first - start) >>> 2) | ((before + count) << REMOTE_COUNT_SHIFT)
    const found = shared.compareExchange(i32, at + REMOTE, old, next) // R1
    if (found === old) {
      if ((old & REMOTE_ARMED) !== 0) i32[record + R_OWED] = page
      i32[record + R_BATCHED] = i32[record + R_BATCHED]! - count
      i32[slot + B_COUNT] = 0
      break
    }
    old = found
  }
  v.f64[v.counters + C.remotePushes]! += 1
  v.f64[v.counters + C.remoteBlocks]! += count
  if (v.adoption.mode !== 0 && i32[record + R_OWED] !== 0) i32[at + PENDING_STAMP] = refillsOf(v, ownerOf(v, page))
  payOwed(v)
}

/**
 * Makes the function that frees a block of a page another thread owns; a closure over constants like the fast paths in heap.ts. The
 * columns that the owner writes are not read.
 */
export function bindFreeRemote(v: View): (ptr: number, page: number) => void {
  const { buffer, i32, record } = v
  const { magic, reach } = v.units
  const batches = record + R_BATCH
  const marks = new Int32Array(buffer, MARK * 4, i32.length - MARK)

  return function freeRemote(ptr: number, page: number): void {
    const unit = page >>> PAGE_SHIFT
    if (Math.imul(ptr - (page << START_SHIFT), magic[unit]!) >>> 0 >= reach[unit]!) {
      throw badPointer(ptr, 'it points into a block, not at its start')
    }
    if (marks[ptr] === MARK_FREE) refuseSecondFree(v, ptr, page)
    const slot = batches + ((unit + (unit >>> 3)) & (BATCH_SLOTS - 1)) * BATCH_WORDS
    let count = i32[slot + B_COUNT]!
    if (count !== 0 && i32[slot + B_PAGE] !== page) {
      v.f64[v.counters + C.batchConflicts]! += 1
      send(v, slot)
      count = 0
    }
    if (count === 0) {
      i32[ptr] = 0
      i32[slot + B_PAGE] = page
      i32[slot + B_LAST] = ptr
    } else {
      i32[ptr] = i32[slot + B_FIRST]!
    }
    marks[ptr] = MARK_FREE
    i32[slot + B_FIRST] = ptr
    i32[slot + B_COUNT] = count + 1
    i32[record + R_BATCHED] = i32[record + R_BATCHED]! + 1
    i32[record + R_LAST_BATCH] = slot
    if (count + 1 >= BATCH_MAX) send(v, slot)
  }
}

/** Sends every batch to the owners. */
export function flush(v: View): void {
  const { i32, record } = v
  if (i32[record + R_BATCHED] === 0) return
  v.f64[v.counters + C.flushes]! += 1
  const latest = i32[record + R_LAST_BATCH]!
  if (i32[latest + B_COUNT] !== 0) send(v, latest) // often the only one
  if (i32[record + R_BATCHED] === 0) return
  const end = record + R_BATCH + BATCH_SLOTS * BATCH_WORDS
  for (let slot = record + R_BATCH; slot < end; slot += BATCH_WORDS) if (i32[slot + B_COUNT] !== 0) send(v, slot)
}

/** The next page of class `c` that other threads told this owner about, or 0. It is no longer watched. */
export function takePending(v: View, c: number): number {
  const { i32, pages, geometry, record } = v
  for (;;) {
    forwardTaken(v, c) // a page may have moved to another owner since it was announced here
    if (i32[record + R_TAKEN + c] === 0) {
      if (i32[record + R_PENDING + c] === 0) return 0
      if (v.adoption.mode !== 0) setReady(v, c, v.me, false)
      i32[record + R_TAKEN + c] = shared.exchange(i32, record + R_PENDING + c, 0) // E2
    }
    const page = i32[record + R_TAKEN + c]!
    if (page !== 0 && ownerOf(v, page) === v.me) { // 0: an adopter was first
      if (v.adoption.mode !== 0) setHome(v, page, homeWord(v.me)) // while the list still says that it is ours
      i32[record + R_TAKEN + c] = i32[remoteAt(geometry, page) + PENDING_NEXT]!
      pages.watched[page] = 0
      v.f64[v.counters + C.pendingDrained]! += 1
      return page
    }
  }
}

/** Sends home the pages at the front of R_TAKEN that are not this record's. */
export function forwardTaken(v: View, c: number): void {
  const { i32, geometry, record } = v
  for (;;) {
    const page = i32[record + R_TAKEN + c]!
    if (page === 0 || ownerOf(v, page) === v.me) return
    i32[record + R_TAKEN + c] = i32[remoteAt(geometry, page) + PENDING_NEXT]!
    i32[record + R_OWED] = page
    v.f64[v.counters + C.pendingForwarded]! += 1
    enqueue(v, page)
  }
}
