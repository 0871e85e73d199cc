/**
 * Pages of one owner: forming, carving, listing, and giving back. The owner's thread only, except where a function says that it
 * also serves the one who reclaims a dead owner's record.
 *
 * Invariants, for every page with an owner (STATE names where it is):
 * ```text
 *   carved = (LIMIT − START) / STRIDE ≤ CAPACITY
 *   USED   = carved − |free list|              = held by callers + batched by senders + count in REMOTE
 *   ACTIVE   R_ACTIVE[class] points at it      EDGE −1   (a free below 0 is a double free)
 *   PARTIAL  in the list R_PARTIAL[class]      EDGE 0    (the free that empties it retires it; −1 when it stays, empty, as the last)
 *   FULL     in no list; free list empty, all carved, REMOTE armed or the page on its way through R_PENDING; EDGE any
 *   EMPTY    in a list of empty pages, of no class; nothing carved
 * ```
 * Each function does its loops first and then commits with straight-line stores, so that a thread ended at a loop or call boundary
 * leaves every single list intact; rebuilding a dead record repairs what was between two of them.
 */
import { shared } from '../base/index.js'
import { returnNoted, takeUnits } from './arena.js'
import { CLASS_COUNT, spanUnits, strideBytes, strideMagic } from './classes.js'
import { C } from './counters.js'
import { badPointer, corrupt } from './faults.js'
import * as layout from './layout.js'
import type { View } from './view.js'

// Local names, because V8 does not fold imported bindings (heap.ts).
const { CAPACITY, CLASS, CLASS_NONE, D_NEVER, EDGE, EDGE_ANY, END, FREE, H_NO_PAGE, LIMIT, MAGIC, MARK, MARK_KEY, META_WORDS } = layout
const { NEXT, OWNER, OWNER_NONE, PENDING_NEXT, PREV, REMOTE, REMOTE_ARMED, REMOTE_COUNT_MASK, REMOTE_COUNT_SHIFT } = layout
const { REMOTE_FIRST_MASK, R_ACTIVE, R_ARMING, R_EMPTY_MID, R_EMPTY_SMALL, R_PARTIAL, R_RUN_END, R_RUN_START, SPAN, START, STATE } = layout
const { STATE_ACTIVE, STATE_EMPTY, STATE_FULL, STATE_PARTIAL, STRIDE, UNIT_SHIFT, UNIT_WORDS, USED, WATCHED } = layout

/** Words carved at a time: building the list of a whole page at once would touch all of it. */
const CARVE_WORDS = 1024
/** Empty pages a record keeps for itself, by span; one more goes back to the reserve. */
const EMPTY_SMALL_MAX = 8
const EMPTY_MID_MAX = 4

export function remoteCount(remote: number): number {
  return (remote >>> REMOTE_COUNT_SHIFT) & REMOTE_COUNT_MASK
}

/** The sentinel page every class without an active page points at: its free list is always empty. */
export function noPage(v: View): number {
  return v.geometry.base + H_NO_PAGE
}

export function pushPartial(v: View, page: number): void {
  const { i32, record } = v
  const head = record + R_PARTIAL + i32[page + CLASS]!
  const next = i32[head]!
  i32[page + NEXT] = next
  i32[page + PREV] = 0
  i32[page + STATE] = STATE_PARTIAL
  i32[page + EDGE] = 0
  if (next !== 0) i32[next + PREV] = page
  i32[head] = page
}

export function unlinkPartial(v: View, page: number): void {
  const { i32, record } = v
  const next = i32[page + NEXT]!
  const prev = i32[page + PREV]!
  if (next !== 0) i32[next + PREV] = prev
  if (prev !== 0) i32[prev + NEXT] = next
  else i32[record + R_PARTIAL + i32[page + CLASS]!] = next
  i32[page + NEXT] = 0
  i32[page + PREV] = 0
}

export function activate(v: View, page: number): void {
  const { i32, record } = v
  i32[page + STATE] = STATE_ACTIVE
  i32[page + EDGE] = -1
  i32[record + R_ACTIVE + i32[page + CLASS]!] = page
}

/** Carves up to 4 KiB more of a page whose free list is empty. False when all of it is carved. */
export function extend(v: View, page: number): boolean {
  const { i32 } = v
  const first = i32[page + LIMIT]!
  const end = i32[page + END]!
  if (first >= end) return false
  const stride = i32[page + STRIDE]!
  const count = Math.max(1, Math.min(Math.floor(CARVE_WORDS / stride), (end - first) / stride))
  const limit = first + count * stride
  for (let block = first; block < limit - stride; block += stride) i32[block] = block + stride
  i32[limit - stride] = 0
  i32[page + FREE] = first
  i32[page + LIMIT] = limit
  v.f64[v.counters + C.extensions]! += 1
  return true
}

/**
 * Moves the remote list into the empty free list of a page: one compare-exchange, no walk.
 * R2: takes what senders published with R1 (remote.ts); afterwards the links of the list are ours to read plainly.
 */
export function adoptRemote(v: View, page: number): boolean {
  const { i32 } = v
  const seen = i32[page + REMOTE]! // a plain poll: only an owner empties this word, and a miss is found by the armed edge
  if (remoteCount(seen) === 0) return false
  const remote = shared.exchange(i32, page + REMOTE, 0)
  const count = (remote >>> REMOTE_COUNT_SHIFT) & REMOTE_COUNT_MASK // no call between taking the list and having it
  i32[page + FREE] = i32[page + START]! + ((remote & REMOTE_FIRST_MASK) << 2)
  i32[page + USED] = i32[page + USED]! - count
  v.f64[v.counters + C.remoteAdopted]! += count
  if (i32[page + USED]! < 0) throw corrupt(v, page, `${count} blocks came back from other threads, more than were out`)
  return true
}

/**
 * Moves the remote list in front of a free list that is not empty. It walks first and takes then, because the end of a list that others
 * only add to at its head stays where it is. False when there was none, or when its links make no sense and it was dropped.
 */
export function mergeRemote(v: View, page: number): boolean {
  const { i32 } = v
  for (;;) {
    const remote = shared.load(i32, page + REMOTE)
    const count = remoteCount(remote)
    if (count === 0) return false
    const start = i32[page + START]!
    const first = start + ((remote & REMOTE_FIRST_MASK) << 2)
    let last = first
    let left = count - 1
    for (; left > 0 && isBlock(v, page, last); left--) last = i32[last]!
    if (!isBlock(v, page, last) || i32[page + USED]! < count) {
      if (shared.compareExchange(i32, page + REMOTE, remote, 0) !== remote) continue
      v.f64[v.counters + C.quarantined]! += count
      return false
    }
    if (shared.compareExchange(i32, page + REMOTE, remote, 0) === remote) {
      i32[last] = i32[page + FREE]!
      i32[page + FREE] = first
      i32[page + USED] = i32[page + USED]! - count
      v.f64[v.counters + C.remoteAdopted]! += count
      return true
    }
  }
}

/** Whether `ptr` is the start of a carved block of the page. */
export function isBlock(v: View, page: number, ptr: number): boolean {
  const { i32 } = v
  const offset = ptr - i32[page + START]!
  return offset >= 0 && ptr < i32[page + LIMIT]! && Number.isInteger(offset / i32[page + STRIDE]!)
}

/**
 * Takes a dry page out of sight: from now on the next remote free tells the owner (the armed edge), a local free lists it again.
 * False when remote frees arrived first; then they are adopted and the page stays as it is.
 */
export function setFull(v: View, page: number): boolean {
  const { i32, me, record } = v
  if (i32[page + WATCHED] === 0) {
    const state = i32[page + STATE]!
    const edge = i32[page + EDGE]!
    i32[page + STATE] = STATE_FULL
    i32[page + EDGE] = EDGE_ANY
    i32[record + R_ARMING] = page
    i32[page + WATCHED] = 1
    if (v.adoption.mode !== 0) i32[page + OWNER] = ~me // all of this before A1: afterwards the page may be someone else's
    if (shared.compareExchange(i32, page + REMOTE, 0, REMOTE_ARMED) === 0) { // A1
      i32[record + R_ARMING] = 0
      v.f64[v.counters + C.armed]! += 1
      return true
    }
    i32[record + R_ARMING] = 0
    i32[page + OWNER] = me
    i32[page + WATCHED] = 0
    i32[page + STATE] = state
    i32[page + EDGE] = edge
    return !adoptRemote(v, page)
  }
  if (adoptRemote(v, page)) return false
  i32[page + STATE] = STATE_FULL
  i32[page + EDGE] = EDGE_ANY
  return true
}

/** Empties lists are stacks through NEXT; [head, count] at the record. */
function emptyList(v: View, span: number): number {
  return v.record + (span === 1 ? R_EMPTY_SMALL : R_EMPTY_MID)
}

/** True when no sender can still be holding the page's name: it was never armed, or could be disarmed. */
export function disarm(v: View, page: number): boolean {
  const { i32 } = v
  if (i32[page + WATCHED] === 0) return true
  if (shared.compareExchange(i32, page + REMOTE, REMOTE_ARMED, 0) !== REMOTE_ARMED) return false
  i32[page + WATCHED] = 0
  return true
}

/** Gives the units of an unlisted page back to the reserve. */
export function returnPage(v: View, page: number): void {
  const { i32, record } = v
  const unit = i32[page + START]! >>> UNIT_SHIFT
  i32[record + R_RUN_START] = unit
  i32[record + R_RUN_END] = unit + i32[page + SPAN]!
  i32[page + OWNER] = OWNER_NONE
  i32[page + CLASS] = CLASS_NONE
  returnNoted(v)
  v.f64[v.counters + C.pagesReturned]! += 1
}

/** A partial page with nothing in use leaves its class, unless a sender is about to enqueue it; then its dequeue retries. */
export function retire(v: View, page: number): void {
  const { i32 } = v
  if (!disarm(v, page)) return
  unlinkPartial(v, page)
  const span = i32[page + SPAN]!
  const list = emptyList(v, span)
  v.f64[v.counters + C.pagesEmptied]! += 1
  if (i32[list + 1]! >= (span === 1 ? EMPTY_SMALL_MAX : EMPTY_MID_MAX)) {
    returnPage(v, page)
    return
  }
  i32[page + STATE] = STATE_EMPTY
  i32[page + EDGE] = EDGE_ANY
  i32[page + FREE] = 0
  i32[page + LIMIT] = i32[page + START]!
  i32[page + CLASS] = CLASS_NONE
  i32[page + NEXT] = i32[list]!
  i32[list] = page
  i32[list + 1] = i32[list + 1]! + 1
}

/** Gives every page back to the reserve that holds no block, active or not. */
export function trimPages(v: View): void {
  const { i32, record } = v
  for (let c = 0; c < CLASS_COUNT; c++) {
    const active = i32[record + R_ACTIVE + c]!
    if (active !== noPage(v)) mergeRemote(v, active)
    if (active !== noPage(v) && i32[active + USED] === 0) {
      i32[record + R_ACTIVE + c] = noPage(v)
      pushPartial(v, active)
    }
    for (let page = i32[record + R_PARTIAL + c]!; page !== 0; ) {
      const next = i32[page + NEXT]!
      mergeRemote(v, page)
      if (i32[page + USED] === 0) retire(v, page)
      page = next
    }
  }
  for (const span of [1, 8]) {
    const list = emptyList(v, span)
    for (let page = i32[list]!; page !== 0; page = i32[list]!) {
      i32[list] = i32[page + NEXT]!
      i32[list + 1] = i32[list + 1]! - 1
      returnPage(v, page)
    }
  }
}

/** Shapes a page for class `c` and makes it the active one. The page has `span` units from `unit` and nothing in use. */
function form(v: View, page: number, c: number, unit: number, span: number): void {
  const { i32, geometry, me } = v
  const start = unit * UNIT_WORDS
  const stride = strideBytes(c) / 4
  const capacity = Math.floor((span * UNIT_WORDS) / stride)
  if (geometry.debugMap !== 0) new Uint8Array(v.buffer, geometry.debugMap + start / 4, (span * UNIT_WORDS) / 4).fill(D_NEVER)
  i32[page + FREE] = 0
  i32[page + USED] = 0
  i32[page + LIMIT] = start
  i32[page + WATCHED] = 0
  i32[page + NEXT] = 0
  i32[page + PREV] = 0
  i32[page + START] = start
  i32[page + MAGIC] = strideMagic(c)
  i32[page + END] = start + capacity * stride
  i32[page + STRIDE] = stride
  i32[page + CAPACITY] = capacity
  i32[page + SPAN] = span
  i32[page + PENDING_NEXT] = 0
  i32[page + CLASS] = c
  i32[page + OWNER] = me
  activate(v, page)
}

/** Whether a block is in the free list or the remote list of its page. Bounded, and safe while others change the lists. */
function isListed(v: View, ptr: number, page: number): boolean {
  const { i32 } = v
  const start = i32[page + START]!
  const end = i32[page + END]!
  const remote = shared.load(i32, page + REMOTE)
  for (const first of [i32[page + FREE]!, remoteCount(remote) === 0 ? 0 : start + ((remote & REMOTE_FIRST_MASK) << 2)]) {
    let left = i32[page + CAPACITY]!
    for (let block = first; block >= start && block < end && left > 0; block = i32[block]!, left--) if (block === ptr) return true
  }
  return false
}

/** A block that carries the mark of a free one is being freed again, unless its user wrote that very number there. */
export function refuseSecondFree(v: View, ptr: number, page: number): void {
  if (v.i32[ptr + MARK] !== (ptr ^ MARK_KEY) || !isListed(v, ptr, page)) return
  v.f64[v.counters + C.badFrees]! += 1
  throw badPointer(ptr, 'it is free already')
}

/**
 * A local free that is out of the ordinary: the block may be free already; or the page was full, becomes empty, or gets back more
 * than was out. `used` is what USED will be.
 */
export function freeAtEdge(v: View, ptr: number, page: number, used: number): void {
  const { i32 } = v
  refuseSecondFree(v, ptr, page)
  if (used < 0) throw badPointer(ptr, 'every block of its page is free already')
  i32[ptr] = i32[page + FREE]!
  i32[ptr + MARK] = ptr ^ MARK_KEY
  i32[page + FREE] = ptr
  i32[page + USED] = used
  if (i32[page + STATE] === STATE_FULL) {
    pushPartial(v, page)
    v.f64[v.counters + C.relisted]! += 1
  }
  if (used !== 0 || i32[page + STATE] !== STATE_PARTIAL) return
  // One empty page per class stays listed: a class that goes on and off would otherwise carve its page anew each time.
  if (i32[page + NEXT] === 0 && i32[page + PREV] === 0) i32[page + EDGE] = -1
  else retire(v, page)
}

/** Reuses a kept empty page for class `c`. */
export function takeEmpty(v: View, c: number): number {
  const { i32 } = v
  const span = spanUnits(c)
  const list = emptyList(v, span)
  const page = i32[list]!
  if (page === 0) return 0
  i32[list] = i32[page + NEXT]!
  i32[list + 1] = i32[list + 1]! - 1
  form(v, page, c, i32[page + START]! >>> UNIT_SHIFT, span)
  return page
}

/** Takes a new page from the reserve for class `c`, or returns 0. */
export function takeNew(v: View, c: number): number {
  const { i32, geometry, record } = v
  const span = spanUnits(c)
  const unit = takeUnits(v, span)
  if (unit === 0) return 0
  const page = geometry.metas + unit * META_WORDS
  shared.store(i32, page + REMOTE, 0)
  form(v, page, c, unit, span)
  for (let at = unit; at < unit + span; at++) i32[geometry.unitTable + at] = page
  i32[record + R_RUN_END] = 0
  v.f64[v.counters + C.newPages]! += 1
  return page
}
