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
import { type PercoreError, shared } from '../base/index.js'
import { refillsOf, setReady } from './adopt.js'
import { C } from './counters.js'
import { badPointer, corrupt } from './faults.js'
import * as layout from './layout.js'
import { refuseSecondFree, setHome } from './page.js'
import { classIn, homeWord, ownerOf, recordWord, remoteAt, type View } from './view.js'

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

/** The sending side of one thread. */
export interface Sender {
  /** Frees a block of a page another thread owns. */
  freeRemote(ptr: number, page: number): void
  /** Sends every batch of a record to the owners: of this thread's own, or of one that it reclaims. */
  flush(of: View): void
}

/**
 * Makes the sender of the thread that `v` is of. Closures over constants, like the fast paths in heap.ts: they are two fifths of what a free
 * sent alone costs. No word is read that the owner of the page writes plainly.
 */
export function bindSender(v: View): Sender {
  const { buffer, i32, f64, geometry } = v
  const { capacity, magic, reach } = v.units
  // As in heap.ts: views of one length, so that V8 checks an index once.
  const links = new Int32Array(buffer, 0, i32.length - MARK)
  const marks = new Int32Array(buffer, MARK * 4, i32.length - MARK)
  const batchView = (field: number): Int32Array => new Int32Array(buffer, field * 4, i32.length - BATCH_WORDS)
  const pageOf = batchView(B_PAGE)
  const firstOf = batchView(B_FIRST)
  const lastOf = batchView(B_LAST)
  const countOf = batchView(B_COUNT)
  const own = v.record + R_BATCH
  const batched = v.record + R_BATCHED
  const latest = v.record + R_LAST_BATCH
  const pushes = v.counters + C.remotePushes
  const blocks = v.counters + C.remoteBlocks
  const adoptable = v.adoption.mode !== 0

  /** Publishes one batch on its page. */
  function send(of: View, slot: number): void {
    const page = pageOf[slot]!
    const count = countOf[slot]!
    const last = lastOf[slot]!
    const start = page << START_SHIFT
    const at = geometry.remotes + page + REMOTE
    const room = capacity[page >>> PAGE_SHIFT]! - count
    const first = (firstOf[slot]! - start) >>> 2
    for (let old = i32[at]!; ; ) { // a guess; the compare-exchange knows
      const before = (old >>> REMOTE_COUNT_SHIFT) & REMOTE_COUNT_MASK
      if (before > room) throw tooMany(of, slot, before)
      links[last] = before === 0 ? 0 : start + ((old & REMOTE_FIRST_MASK) << 2)
      const found = shared.compareExchange(i32, at, old, first | ((before + count) << REMOTE_COUNT_SHIFT)) // R1
      if (found === old) {
        if ((old & REMOTE_ARMED) !== 0) i32[of.record + R_OWED] = page
        countOf[slot] = 0
        i32[of.record + R_BATCHED] = i32[of.record + R_BATCHED]! - 1
        f64[pushes]! += 1
        f64[blocks]! += count
        if ((old & REMOTE_ARMED) !== 0) announce(of, page)
        return
      }
      old = found
    }
  }

  function announce(of: View, page: number): void {
    if (adoptable) i32[remoteAt(geometry, page) + PENDING_STAMP] = refillsOf(of, ownerOf(of, page))
    payOwed(of)
  }

  function tooMany(of: View, slot: number, before: number): PercoreError {
    const count = countOf[slot]!
    countOf[slot] = 0
    i32[of.record + R_BATCHED] = i32[of.record + R_BATCHED]! - 1
    f64[of.counters + C.badFrees]! += count
    return corrupt(of, pageOf[slot]!, `${before + count} blocks freed by other threads`)
  }

  /** Another page needs the slot. */
  function makeWay(slot: number): void {
    f64[v.counters + C.batchConflicts]! += 1
    send(v, slot)
  }

  function freeRemote(ptr: number, page: number): void {
    const unit = page >>> PAGE_SHIFT
    if (Math.imul(ptr - (page << START_SHIFT), magic[unit]!) >>> 0 >= reach[unit]!) {
      throw badPointer(ptr, 'it points into a block, not at its start')
    }
    if (marks[ptr] === MARK_FREE) refuseSecondFree(v, ptr, page)
    const slot = own + ((unit + (unit >>> 3)) & (BATCH_SLOTS - 1)) * BATCH_WORDS
    const count = countOf[slot]!
    if (count !== 0 && pageOf[slot] === page) {
      links[ptr] = firstOf[slot]!
      marks[ptr] = MARK_FREE
      firstOf[slot] = ptr
      countOf[slot] = count + 1
      if (count === BATCH_MAX - 1) send(v, slot)
      return
    }
    if (count !== 0) makeWay(slot)
    links[ptr] = 0
    marks[ptr] = MARK_FREE
    pageOf[slot] = page
    firstOf[slot] = ptr
    lastOf[slot] = ptr
    countOf[slot] = 1
    i32[batched] = i32[batched]! + 1
    i32[latest] = slot
  }

  function flush(of: View): void {
    if (i32[of.record + R_BATCHED] === 0) return
    const last = i32[of.record + R_LAST_BATCH]!
    if (countOf[last] !== 0) send(of, last) // often the only one
    if (i32[of.record + R_BATCHED] !== 0) flushAll(of)
  }

  function flushAll(of: View): void {
    const end = of.record + R_BATCH + BATCH_SLOTS * BATCH_WORDS
    for (let slot = of.record + R_BATCH; slot < end; slot += BATCH_WORDS) if (countOf[slot] !== 0) send(of, slot)
  }

  return { freeRemote, flush }
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
