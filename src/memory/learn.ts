/**
 * The adaptive prewarm: what a thread had to carve anew between two moments of idleness, it finds carved and touched the next time. The
 * record's holder only.
 *
 * Invariant: a record learns at most {@link BUDGET_BYTES} in all and a page of each class; what it knows stays with it for the next holder,
 * and a record that knows nothing starts with the most that any other has learned.
 *
 * ```text
 *   R_FRESH[class]    blocks carved since the thread was last idle: counted where pages are carved, every 4 KiB
 *   R_LEARNED[class]  blocks wanted ready:  fresh > 0:  learned + fresh     what was ready was not enough
 *                                           fresh = 0:  7/8 learned         it was enough, perhaps too much
 * ```
 *
 * So a demand that comes again is met from the second time on, but for an eighth now and then; one that does not is forgotten. Only
 * idleness after work counts: a thread that parks a thousand times with nothing taken in between forgets nothing.
 */
import { C } from './counters.js'
import { blocksIn, CLASS_COUNT, classBytes, firstSpan, strideWords } from './classes.js'
import { R_ACTIVE, R_FRESH, R_LEARNED, R_LEARNED_AT, R_PARTIAL, STATE_ACTIVE, STATE_PARTIAL, UNIT_WORDS } from './layout.js'
import { activate, pushPartial, unlinkPartial } from './page.js'
import { prewarm } from './prewarm.js'
import { classIn, ownerOf, type Ptr, recordWord, usedOf, type View } from './view.js'

/** What a record may keep ready, in all. */
const BUDGET_BYTES = 2_000_000
/** One in so many blocks is forgotten when there were enough. */
const DECAY = 8

/** Learns from what was carved since the last call and makes ready what is missing, as far as `take` has it. Returns the bytes. */
export function adapt(v: View, take: (bytes: number) => Ptr, free: (ptr: Ptr) => void): number {
  const { i32, record } = v
  const isFirst = i32[record + R_LEARNED_AT] === 0
  if (i32[record + R_LEARNED_AT] === activity(v)) return 0
  learn(v, isFirst)
  let ready = 0
  for (let c = 0; c < CLASS_COUNT; c++) {
    const count = i32[record + R_LEARNED + c]!
    if (count === 0 || readyBlocks(v, c, count) >= count) continue
    const active = i32[record + R_ACTIVE + c]!
    ready += prewarm(v, [{ bytes: classBytes[c]!, count }], take, free)
    activateAgain(v, c, active)
  }
  i32.fill(0, record + R_FRESH, record + R_FRESH + CLASS_COUNT)
  i32[record + R_LEARNED_AT] = activity(v)
  return ready
}

/** A number, not 0, that changes when blocks were taken and not all given back. */
function activity(v: View): number {
  const { i32, f64, counters, record } = v
  let taken = f64[counters + C.refills]! | 0
  for (let c = 0; c < CLASS_COUNT; c++) taken = (taken + usedOf(v, i32[record + R_ACTIVE + c]!)) | 0
  return taken + 1 || 1
}

/** The page that was active before goes first: all of it is carved now, and the new one would be carved further while it waits. */
function activateAgain(v: View, c: number, before: number): void {
  const { i32, pages, record } = v
  const after = i32[record + R_ACTIVE + c]!
  const isOurs = ownerOf(v, before) === v.me && classIn(v, before) === c && pages.state[before] === STATE_PARTIAL
  if (!isOurs || pages.state[after] !== STATE_ACTIVE) return
  unlinkPartial(v, before)
  activate(v, before)
  pushPartial(v, after)
}

function learn(v: View, isFirst: boolean): void {
  const { i32, record } = v
  let total = 0
  for (let c = 0; c < CLASS_COUNT; c++) {
    const fresh = i32[record + R_FRESH + c]!
    const learned = i32[record + R_LEARNED + c]!
    const wanted = fresh > 0 ? learned + fresh : learned - Math.ceil(learned / DECAY)
    i32[record + R_LEARNED + c] = Math.min(Math.max(wanted, isFirst ? mostLearned(v, c) : 0), blocksIn(c, firstSpan(c)))
    total += i32[record + R_LEARNED + c]! * classBytes[c]!
  }
  if (total <= BUDGET_BYTES) return
  for (let c = 0; c < CLASS_COUNT; c++) {
    i32[record + R_LEARNED + c] = Math.floor((i32[record + R_LEARNED + c]! * BUDGET_BYTES) / total)
  }
}

/** What the record that knows most about a class has learned. */
function mostLearned({ i32, geometry }: View, c: number): number {
  let most = 0
  for (let other = 0; other < geometry.recordCount; other++) most = Math.max(most, i32[recordWord(geometry, other) + R_LEARNED + c]!)
  return most
}

/** Carved and free blocks of a class, counted up to `enough`. */
function readyBlocks(v: View, c: number, enough: number): number {
  const { i32, pages, record } = v
  const readyIn = (page: number): number =>
    pages.free[page] === 0 ? 0 : (pages.limit[page]! - page * UNIT_WORDS) / strideWords[c]! - usedOf(v, page)
  let ready = readyIn(i32[record + R_ACTIVE + c]!)
  for (let page = i32[record + R_PARTIAL + c]!; page !== 0 && ready < enough; page = pages.next[page]!) ready += readyIn(page)
  return ready
}
