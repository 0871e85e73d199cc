/**
 * Pages of one owner: forming, carving, listing, and giving back. The owner's thread only, except where a function says that it
 * also serves the one who reclaims a dead owner's record.
 *
 * A page is named by its first unit; its words are the columns of `pages` (layout.ts). Invariants, for every page with an owner (`state`
 * names where it is):
 * ```text
 *   carved = (limit − first word) / stride ≤ capacity
 *   used   = left + edge = carved − |free list| = held by callers + batched by senders + count in REMOTE
 *   ACTIVE   R_ACTIVE[class] names it          edge −1   (a free below 0 is a double free)
 *   PARTIAL  in the list R_PARTIAL[class]      edge 0    (the free that empties it retires it; −1 when it stays, empty, as the last)
 *   FULL     in no list; free list empty, all carved, REMOTE armed or the page on its way through R_PENDING; edge any
 *   EMPTY    in a list of empty pages, of no class; nothing carved
 * ```
 * Each function does its loops first and then commits with straight-line stores, so that a thread ended at a loop or call boundary
 * leaves every single list intact; rebuilding a dead record repairs what was between two of them.
 */
import { shared } from '../base/index.js'
import { returnNoted, takeUnits } from './arena.js'
import * as classes from './classes.js'
import { C } from './counters.js'
import { badPointer, corrupt } from './faults.js'
import * as layout from './layout.js'
import { clearStates } from './states.js'
import { capacityOf, classIn, homeWord, remoteAt, unitOf, usedOf, type View } from './view.js'

// Local names, because V8 does not fold imported bindings (heap.ts).
const { blocksIn, CLASS_COUNT, firstSpan, laterSpan, LONG_SPAN, reachOf, SHORT_SPAN, strideMagic, strideWords } = classes
const { CLASS_NONE, EDGE_ANY, HOME_DISOWNED, MARK, H_SHORT_PAGES, MARK_FREE, PAGE_SHIFT, PENDING_NEXT, REMOTE, REMOTE_ARMED } = layout
const { REMOTE_COUNT_MASK, REMOTE_COUNT_SHIFT, REMOTE_FIRST_MASK, R_ACTIVE, R_ARMING, R_EMPTY_LONG, R_EMPTY_SHORT, R_FRESH, R_GROWN } = layout
const { R_PARTIAL, R_RUN_END, R_RUN_START, START_SHIFT, STATE_ACTIVE, STATE_EMPTY, STATE_FULL, STATE_PARTIAL } = layout

/** Words carved at a time: building the list of a whole page at once would touch all of it. */
const CARVE_WORDS = 1024
/** Empty pages a record keeps for itself, by span; one more goes back to the reserve. */
const EMPTY_SHORT_MAX = 8
const EMPTY_LONG_MAX = 4

export function remoteCount(remote: number): number {
  return (remote >>> REMOTE_COUNT_SHIFT) & REMOTE_COUNT_MASK
}

/** What a class without an active page names: a page whose free list is always empty. */
export function noPage(v: View): number {
  return v.geometry.noPage
}

/** Changes from which number of used blocks on a free is noticed. */
export function setEdge({ pages }: View, page: number, edge: number): void {
  pages.left[page]! += pages.edge[page]! - edge
  pages.edge[page] = edge
}

/** Says whose every unit of a page is. The first unit's word is the one that counts; the others follow it. */
export function setHome({ units }: View, page: number, word: number): void {
  const unit = unitOf(page)
  units.home[unit] = word
  for (let distance = 1; distance < units.span[unit]!; distance++) units.home[unit + distance] = word + distance
}

export function pushPartial(v: View, page: number): void {
  const { i32, pages, record } = v
  const head = record + R_PARTIAL + classIn(v, page)
  const next = i32[head]!
  pages.next[page] = next
  pages.prev[page] = 0
  pages.state[page] = STATE_PARTIAL
  setEdge(v, page, 0)
  if (next !== 0) pages.prev[next] = page
  i32[head] = page
}

export function unlinkPartial(v: View, page: number): void {
  const { i32, pages, record } = v
  const next = pages.next[page]!
  const prev = pages.prev[page]!
  if (next !== 0) pages.prev[next] = prev
  if (prev !== 0) pages.next[prev] = next
  else i32[record + R_PARTIAL + classIn(v, page)] = next
  pages.next[page] = 0
  pages.prev[page] = 0
}

export function activate(v: View, page: number): void {
  const { i32, pages, record } = v
  pages.state[page] = STATE_ACTIVE
  setEdge(v, page, -1)
  i32[record + R_ACTIVE + classIn(v, page)] = page
}

/** Carves up to 4 KiB more of a page whose free list is empty. False when all of it is carved. */
export function extend(v: View, page: number): boolean {
  const { i32, pages } = v
  const first = pages.limit[page]!
  const c = classIn(v, page)
  const end = pages.end[page]!
  if (first >= end) return false
  const stride = strideWords[c]!
  const count = Math.max(1, Math.min(Math.floor(CARVE_WORDS / stride), (end - first) / stride))
  const limit = first + count * stride
  const reach = pages.reach[page]! + reachOf(c, count)
  for (let block = first; block < limit - stride; block += stride) i32[block] = block + stride
  i32[limit - stride] = 0
  pages.free[page] = first
  pages.limit[page] = limit
  pages.reach[page] = reach
  i32[v.record + R_FRESH + c]! += count
  v.f64[v.counters + C.extensions]! += 1
  return true
}

/**
 * Moves the remote list into the empty free list of a page: one compare-exchange, no walk.
 * R2: takes what senders published with R1 (remote.ts); afterwards the links of the list are ours to read plainly.
 */
export function adoptRemote(v: View, page: number): boolean {
  const { i32, pages, geometry } = v
  const at = remoteAt(geometry, page) + REMOTE
  const seen = i32[at]! // a plain poll: only an owner empties this word, and a miss is found by the armed edge
  if (remoteCount(seen) === 0) return false
  const remote = shared.exchange(i32, at, 0)
  const count = (remote >>> REMOTE_COUNT_SHIFT) & REMOTE_COUNT_MASK // no call between taking the list and having it
  pages.free[page] = (page << START_SHIFT) + ((remote & REMOTE_FIRST_MASK) << 2)
  pages.left[page]! -= count
  v.f64[v.counters + C.remoteAdopted]! += count
  if (usedOf(v, page) < 0) throw corrupt(v, page, `${count} blocks came back from other threads, more than were out`)
  return true
}

/**
 * Moves the remote list in front of a free list that is not empty. It walks first and takes then, because the end of a list that others
 * only add to at its head stays where it is. False when there was none, or when its links make no sense and it was dropped.
 */
export function mergeRemote(v: View, page: number): boolean {
  const { i32, pages, geometry } = v
  const at = remoteAt(geometry, page) + REMOTE
  for (;;) {
    const remote = shared.load(i32, at)
    const count = remoteCount(remote)
    if (count === 0) return false
    const first = (page << START_SHIFT) + ((remote & REMOTE_FIRST_MASK) << 2)
    let last = first
    let left = count - 1
    for (; left > 0 && isBlock(v, page, last); left--) last = i32[last]!
    if (!isBlock(v, page, last) || usedOf(v, page) < count) {
      if (shared.compareExchange(i32, at, remote, 0) !== remote) continue
      v.f64[v.counters + C.quarantined]! += count
      return false
    }
    if (shared.compareExchange(i32, at, remote, 0) === remote) {
      i32[last] = pages.free[page]!
      pages.free[page] = first
      pages.left[page]! -= count
      v.f64[v.counters + C.remoteAdopted]! += count
      return true
    }
  }
}

/** Whether `ptr` is the start of a carved block of the page. */
export function isBlock(v: View, page: number, ptr: number): boolean {
  const { pages } = v
  const offset = ptr - (page << START_SHIFT)
  return offset >= 0 && ptr < pages.limit[page]! && Number.isInteger(offset / strideWords[classIn(v, page)]!)
}

/**
 * Takes a dry page out of sight: from now on the next remote free tells the owner (the armed edge), a local free lists it again.
 * False when remote frees arrived first; then they are adopted and the page stays as it is.
 */
export function setFull(v: View, page: number): boolean {
  const { i32, pages, geometry, me, record } = v
  if (pages.watched[page] === 0) {
    const state = pages.state[page]!
    const edge = pages.edge[page]!
    pages.state[page] = STATE_FULL
    setEdge(v, page, EDGE_ANY)
    i32[record + R_ARMING] = page
    pages.watched[page] = 1
    // All of this before A1: afterwards the page may be someone else's.
    if (v.adoption.mode !== 0) setHome(v, page, homeWord(me) | HOME_DISOWNED)
    if (shared.compareExchange(i32, remoteAt(geometry, page) + REMOTE, 0, REMOTE_ARMED) === 0) { // A1
      i32[record + R_ARMING] = 0
      v.f64[v.counters + C.armed]! += 1
      return true
    }
    if (v.adoption.mode !== 0) setHome(v, page, homeWord(me))
    pages.watched[page] = 0
    pages.state[page] = state
    setEdge(v, page, edge)
    i32[record + R_ARMING] = 0
    return !adoptRemote(v, page)
  }
  if (adoptRemote(v, page)) return false
  pages.state[page] = STATE_FULL
  setEdge(v, page, EDGE_ANY)
  return true
}

/** Empties lists are stacks through NEXT; [head, count] at the record. */
function emptyList(v: View, span: number): number {
  return v.record + (span === SHORT_SPAN ? R_EMPTY_SHORT : R_EMPTY_LONG)
}

/** True when no sender can still be holding the page's name: it was never armed, or could be disarmed. */
export function disarm(v: View, page: number): boolean {
  const { i32, pages, geometry } = v
  if (pages.watched[page] === 0) return true
  if (shared.compareExchange(i32, remoteAt(geometry, page) + REMOTE, REMOTE_ARMED, 0) !== REMOTE_ARMED) return false
  pages.watched[page] = 0
  return true
}

/** Gives the units of an unlisted page back to the reserve. */
export function returnPage(v: View, page: number): void {
  const { i32, units, record } = v
  const unit = unitOf(page)
  i32[record + R_RUN_START] = unit
  i32[record + R_RUN_END] = unit + units.span[unit]!
  units.class[unit] = CLASS_NONE
  units.capacity[unit] = 0
  units.reach[unit] = 0
  returnNoted(v)
  v.f64[v.counters + C.pagesReturned]! += 1
}

/** A partial page with nothing in use leaves its class, unless a sender is about to enqueue it; then its dequeue retries. */
export function retire(v: View, page: number): void {
  const { i32, pages, units } = v
  if (!disarm(v, page)) return
  unlinkPartial(v, page)
  const unit = unitOf(page)
  const span = units.span[unit]!
  const list = emptyList(v, span)
  v.f64[v.counters + C.pagesEmptied]! += 1
  if (i32[list + 1]! >= (span === SHORT_SPAN ? EMPTY_SHORT_MAX : EMPTY_LONG_MAX)) {
    returnPage(v, page)
    return
  }
  pages.state[page] = STATE_EMPTY
  setEdge(v, page, EDGE_ANY)
  pages.free[page] = 0
  pages.limit[page] = page << START_SHIFT
  pages.reach[page] = 0
  units.class[unit] = CLASS_NONE
  units.capacity[unit] = 0
  units.reach[unit] = 0
  pages.next[page] = i32[list]!
  i32[list] = page
  i32[list + 1] = i32[list + 1]! + 1
}

/** Gives every page back to the reserve that holds no block, active or not. */
export function trimPages(v: View): void {
  const { i32, pages, record } = v
  for (let c = 0; c < CLASS_COUNT; c++) {
    const active = i32[record + R_ACTIVE + c]!
    if (active !== noPage(v)) mergeRemote(v, active)
    if (active !== noPage(v) && usedOf(v, active) === 0) {
      i32[record + R_ACTIVE + c] = noPage(v)
      pushPartial(v, active)
    }
    for (let page = i32[record + R_PARTIAL + c]!; page !== 0; ) {
      const next = pages.next[page]!
      mergeRemote(v, page)
      if (usedOf(v, page) === 0) retire(v, page)
      page = next
    }
  }
  for (const span of [SHORT_SPAN, LONG_SPAN]) {
    const list = emptyList(v, span)
    for (let page = i32[list]!; page !== 0; page = i32[list]!) {
      i32[list] = pages.next[page]!
      i32[list + 1] = i32[list + 1]! - 1
      returnPage(v, page)
    }
  }
}

/** Shapes the free units of `page` for class `c` and makes them the active page. They hold nothing in use. */
function form(v: View, page: number, c: number, span: number): void {
  const { i32, pages, units, geometry } = v
  const unit = unitOf(page)
  const start = page << START_SHIFT
  const capacity = blocksIn(c, span)
  const end = start + capacity * strideWords[c]!
  const magic = strideMagic(c)
  const reach = reachOf(c, capacity)
  clearStates(v, unit, span, false)
  pages.free[page] = 0
  pages.left[page] = 0
  pages.edge[page] = 0
  pages.limit[page] = start
  pages.end[page] = end
  pages.magic[page] = magic
  pages.reach[page] = 0
  pages.watched[page] = 0
  pages.next[page] = 0
  pages.prev[page] = 0
  units.class[unit] = c
  units.span[unit] = span
  units.capacity[unit] = capacity
  units.magic[unit] = magic
  units.reach[unit] = reach
  i32[remoteAt(geometry, page) + PENDING_NEXT] = 0
  setHome(v, page, homeWord(v.me))
  activate(v, page)
}

/** Whether a block is in the free list or the remote list of its page. Bounded, and safe while others change the lists. */
function isListed(v: View, ptr: number, page: number): boolean {
  const { i32, pages, geometry } = v
  const start = page << START_SHIFT
  const end = pages.end[page]!
  const remote = shared.load(i32, remoteAt(geometry, page) + REMOTE)
  for (const first of [pages.free[page]!, remoteCount(remote) === 0 ? 0 : start + ((remote & REMOTE_FIRST_MASK) << 2)]) {
    let left = capacityOf(v, page)
    for (let block = first; block >= start && block < end && left > 0; block = i32[block]!, left--) if (block === ptr) return true
  }
  return false
}

/** A block that carries the mark of a free one is being freed again, unless its user wrote that very number there. */
export function refuseSecondFree(v: View, ptr: number, page: number): void {
  if (v.i32[ptr + MARK] !== MARK_FREE || !isListed(v, ptr, page)) return
  v.f64[v.counters + C.badFrees]! += 1
  throw badPointer(ptr, 'it is free already')
}

/**
 * A local free that is out of the ordinary: the block may be free already; or the page was full, becomes empty, or gets back more
 * than was out.
 */
export function freeAtEdge(v: View, ptr: number, page: number): void {
  const { i32, pages } = v
  refuseSecondFree(v, ptr, page)
  if (usedOf(v, page) <= 0) throw badPointer(ptr, 'every block of its page is free already')
  i32[ptr] = pages.free[page]!
  i32[ptr + MARK] = MARK_FREE
  pages.free[page] = ptr
  pages.left[page]! -= 1
  if (pages.state[page] === STATE_FULL) {
    pushPartial(v, page)
    v.f64[v.counters + C.relisted]! += 1
  }
  if (usedOf(v, page) !== 0 || pages.state[page] !== STATE_PARTIAL) return
  // One empty page per class stays listed: a class that goes on and off would otherwise carve its page anew each time.
  if (pages.next[page] === 0 && pages.prev[page] === 0) setEdge(v, page, -1)
  else retire(v, page)
}

/** The spans that pages of class `c` can have, the better one for the record's next page first. */
function spansFor({ i32, geometry, record }: View, c: number): readonly number[] {
  const [first, later] = [firstSpan(c), laterSpan(c)]
  if (first === later || i32[geometry.base + H_SHORT_PAGES] === 1) return [first]
  return i32[record + R_GROWN + c] === 0 ? [first, later] : [later, first]
}

/** Reuses a kept empty page for class `c`. */
export function takeEmpty(v: View, c: number): number {
  const { i32, pages } = v
  for (const span of spansFor(v, c)) {
    const list = emptyList(v, span)
    const page = i32[list]!
    if (page === 0) continue
    i32[list] = pages.next[page]!
    i32[list + 1] = i32[list + 1]! - 1
    form(v, page, c, span)
    return page
  }
  return 0
}

/** Takes a new page from the reserve for class `c`, or returns 0. */
export function takeNew(v: View, c: number): number {
  for (const span of spansFor(v, c)) {
    const page = takeUnits(v, span) << PAGE_SHIFT
    if (page !== 0) return settle(v, page, c, span)
  }
  return 0
}

function settle(v: View, page: number, c: number, span: number): number {
  const { i32, geometry, record } = v
  shared.store(i32, remoteAt(geometry, page) + REMOTE, 0)
  form(v, page, c, span)
  i32[record + R_RUN_END] = 0
  i32[record + R_GROWN + c] = 1
  v.f64[v.counters + C.newPages]! += 1
  return page
}
