/**
 * The walker that checks every invariant of a heap. Any thread; exact for pages no thread is working on.
 *
 * Invariant: it only reads. Pages of records that other threads hold are checked in what cannot change under them; with
 * `quiet`, the caller promises that no other thread is inside the heap, and everything is checked.
 */
import { blocksIn, CLASS_COUNT, reachOf, strideBytes, strideMagic } from './classes.js'
import {
  B_COUNT, B_FIRST, B_LAST, B_PAGE, BATCH_SLOTS, BATCH_WORDS, CLASS_LARGE, CLASS_NONE, EDGE_ANY, GRANULE_SHIFT, HOME_DISOWNED,
  HOME_LARGE, PAGE_SHIFT, PENDING_NEXT, R_ACTIVE, R_BATCH, R_EMPTY_LONG, R_EMPTY_SHORT, R_GRANULES, R_PARTIAL, R_PENDING, R_RUN_END,
  R_RUN_START, R_STATE, R_TAKEN, RECORD_FRESH, RECORD_POOLED, REMOTE, REMOTE_ARMED, REMOTE_FIRST_MASK, START_SHIFT, STATE_ACTIVE, STATE_EMPTY,
  STATE_FULL, STATE_PARTIAL
} from './layout.js'
import { noPage, remoteCount } from './page.js'
import { isTaken } from './reserve.js'
import { classIn, homeWord, isFirstUnit, ownerOf, recordWord, remoteAt, unitOf, usedOf, type View } from './view.js'

export interface AuditReport {
  /** True when `problems` is empty. */
  readonly ok: boolean
  /** One sentence each, at most {@link PROBLEMS_MAX}. */
  readonly problems: readonly string[]
  readonly pages: number
  readonly largeBlocks: number
  /** Carved blocks by where they are; exact for quiet heaps. `out` are those in callers' hands. */
  readonly blocks: { readonly out: number; readonly free: number; readonly remote: number; readonly batched: number }
}

const PROBLEMS_MAX = 50

/** What the walk over the records says about a page: which lists name it. */
interface Seen { active: number; partial: number; empty: number; pending: number; batched: number }

export function auditHeap(v: View, quiet: boolean): AuditReport {
  const { i32, units, geometry: g } = v
  const problems: string[] = []
  const report = (what: string): void => void (problems.length < PROBLEMS_MAX && problems.push(what))
  const seen = walkRecords(v, quiet, report)
  const blocks = { out: 0, free: 0, remote: 0, batched: 0 }
  let pageCount = 0
  let largeBlocks = 0
  let unit = g.firstUnit
  while (unit < g.endUnit) {
    const word = units.home[unit]!
    const taken = isTaken(i32, g, unit)
    if (word === 0) {
      if (taken && quiet && !noted(v, unit)) report(`unit ${unit} is taken, and no page or record knows it`)
      unit++
      continue
    }
    const span = units.span[unit]!
    if (!isFirstUnit(v, unit) || span < 1 || unit + span > g.endUnit) {
      if (quiet) report(`unit ${unit} belongs to no page that starts at or before it`)
      unit++
      continue
    }
    const isLarge = word === HOME_LARGE
    const end = quiet ? unit + span : unit
    for (let at = unit; at < end; at++) {
      if (!isTaken(i32, g, at)) report(`unit ${at} is in use but free in the reserve`)
      if (at > unit && units.home[at] !== (isLarge ? 0 : word + at - unit)) report(`unit ${at} does not point at its page ${unit}`)
    }
    if (isLarge) {
      largeBlocks++
      if (units.class[unit] !== CLASS_LARGE) report(`large block at unit ${unit} is not of the class of large blocks`)
    } else {
      pageCount++
      const page = unit << PAGE_SHIFT
      const owner = ownerOf(v, page)
      const mine = owner === v.me || (owner >= 0 && owner < g.recordCount && i32[recordWord(g, owner) + R_STATE] === RECORD_POOLED)
      checkPage(v, page, quiet || mine, seen.get(page), quiet, blocks, report)
    }
    unit += span
  }
  for (const page of quiet ? seen.keys() : []) {
    if (!isFirstUnit(v, unitOf(page))) report(`a list names unit ${unitOf(page)}, which is no page`)
  }
  return { ok: problems.length === 0, problems, pages: pageCount, largeBlocks, blocks }
}

/** Whether some record notes the unit as on its way in or out. */
function noted(v: View, unit: number): boolean {
  for (let record = 0; record < v.geometry.recordCount; record++) {
    const words = recordWord(v.geometry, record)
    if (unit >= v.i32[words + R_RUN_START]! && unit < v.i32[words + R_RUN_END]!) return true
  }
  return false
}

/** Follows every list of every record whose lists stand still. */
function walkRecords(v: View, quiet: boolean, report: (what: string) => void): Map<number, Seen> {
  const { i32, pages, units, geometry: g } = v
  const seen = new Map<number, Seen>()
  const pagesMax = g.endUnit - g.firstUnit
  const at = (page: number): Seen => {
    let entry = seen.get(page)
    if (entry === undefined) seen.set(page, (entry = { active: 0, partial: 0, empty: 0, pending: 0, batched: 0 }))
    return entry
  }
  const follow = (head: number, nextOf: (page: number) => number, what: 'partial' | 'empty' | 'pending', record: number): number => {
    let count = 0
    for (let page = i32[head]!; page !== 0; page = nextOf(page)) {
      if (++count > pagesMax) {
        report(`the ${what} list of record ${record} runs in a circle`)
        break
      }
      at(page)[what]++
    }
    return count
  }
  const listed = (page: number): number => pages.next[page]!
  const announced = (page: number): number => i32[remoteAt(g, page) + PENDING_NEXT]!
  for (let record = 0; record < g.recordCount; record++) {
    const words = recordWord(g, record)
    const state = i32[words + R_STATE]!
    if (state === RECORD_FRESH || (state !== RECORD_POOLED && record !== v.me && !quiet)) continue
    for (let c = 0; c < CLASS_COUNT; c++) {
      const active = i32[words + R_ACTIVE + c]!
      if (active !== noPage(v)) at(active).active++
      follow(words + R_PARTIAL + c, listed, 'partial', record)
      let prev = 0
      for (let page = i32[words + R_PARTIAL + c]!, n = 0; page !== 0 && n <= pagesMax; page = pages.next[page]!, n++) {
        if (pages.prev[page] !== prev || classIn(v, page) !== c || units.home[unitOf(page)] !== homeWord(record)) {
          report(`the partial list of record ${record}, class ${c}, is mislinked`)
        }
        prev = page
      }
      follow(words + R_TAKEN + c, announced, 'pending', record)
      if (quiet) follow(words + R_PENDING + c, announced, 'pending', record)
    }
    let granules = 0
    for (let granule = 0; granule < g.endUnit >>> GRANULE_SHIFT; granule++) if (i32[g.granules + granule] === record + 1) granules++
    if (granules !== i32[words + R_GRANULES]) report(`record ${record} has ${granules} granules, not ${i32[words + R_GRANULES]}`)
    for (const list of [R_EMPTY_SHORT, R_EMPTY_LONG]) {
      if (follow(words + list, listed, 'empty', record) !== i32[words + list + 1]) report(`record ${record} miscounts its empty pages`)
    }
    for (let k = 0; k < BATCH_SLOTS; k++) {
      const slot = words + R_BATCH + k * BATCH_WORDS
      const count = i32[slot + B_COUNT]!
      if (count === 0) continue
      at(i32[slot + B_PAGE]!).batched += count
      let block = i32[slot + B_FIRST]!
      for (let n = 1; n < count && block !== 0; n++) block = i32[block]!
      if (block !== i32[slot + B_LAST]) report(`a batch of record ${record} does not end where it should`)
    }
  }
  return seen
}

function checkPage(
  v: View, page: number, exact: boolean, seen: Seen | undefined, quiet: boolean,
  blocks: { out: number; free: number; remote: number; batched: number }, report: (what: string) => void,
): void {
  const { i32, pages, units, geometry: g } = v
  const unit = unitOf(page)
  const owner = ownerOf(v, page)
  const c = classIn(v, page)
  const where = `page ${unit} (class ${c}, owner ${owner}, state ${pages.state[page]})`
  const must = (holds: boolean, what: string): void => void (holds || report(`${where}: ${what}`))
  must(owner >= 0 && owner < g.recordCount && i32[recordWord(g, owner) + R_STATE] !== RECORD_FRESH, 'has no owner')
  if (!exact) return
  const state = pages.state[page]!
  const lists = seen ?? { active: 0, partial: 0, empty: 0, pending: 0, batched: 0 }
  if (state === STATE_EMPTY || c === CLASS_NONE) {
    must(
      state === STATE_EMPTY && c === CLASS_NONE && lists.empty === 1 && lists.active + lists.partial + lists.pending + lists.batched === 0,
      'is empty but not in exactly the list of empty pages',
    )
    return
  }
  if (!(c >= 0 && c < CLASS_COUNT)) return must(false, 'has no such class')
  const start = page << START_SHIFT
  const stride = strideBytes(c) / 4
  const capacity = blocksIn(c, units.span[unit]!)
  const end = start + capacity * stride
  const limit = pages.limit[page]!
  const free = pages.free[page]!
  const carved = (limit - start) / stride
  must(pages.magic[page] === strideMagic(c) && units.magic[unit] === strideMagic(c), 'stride is not that of its class')
  must(pages.end[page] === end && units.capacity[unit] === capacity && units.reach[unit] === reachOf(c, capacity), 'room is not that of its class and span')
  must(pages.reach[page] === reachOf(c, carved), 'reaches farther, or less far, than what is carved')
  must(Number.isInteger(carved) && carved >= 0 && limit <= end, 'carved part is no whole number of blocks')
  const marks = new Set<number>()
  const walk = (first: number, max: number, what: string): number => {
    let count = 0
    for (let block = first; block !== 0 && count < max; block = i32[block]!, count++) {
      const inside = block >= start && block < limit && (block - start) % stride === 0
      must(inside, `${what} list leaves the page at ${block}`)
      must(!marks.has(block), `block ${block} is in two places`)
      if (!inside || marks.has(block)) break
      marks.add(block)
    }
    return count
  }
  const nFree = walk(free, carved + 1, 'free')
  const used = usedOf(v, page)
  must(used === carved - nFree, `${used} blocks are said to be used, but ${carved} carved − ${nFree} free = ${carved - nFree}`)
  const remote = i32[remoteAt(g, page) + REMOTE]!
  const armed = (remote & REMOTE_ARMED) !== 0
  const inRemote = remoteCount(remote)
  if (quiet) {
    const nRemote = inRemote === 0 ? 0 : walk(start + ((remote & REMOTE_FIRST_MASK) << 2), inRemote, 'remote')
    must(nRemote === inRemote && !(armed && inRemote > 0), 'remote list does not have its count')
    must(nRemote + lists.batched <= used, 'more blocks are on their way back than are out')
    must(pages.watched[page] === (armed || lists.pending === 1 ? 1 : 0), 'watched flag disagrees with the armed word and the queues')
    blocks.remote += nRemote
    blocks.batched += lists.batched
    blocks.out -= nRemote + lists.batched
  }
  blocks.free += nFree
  blocks.out += carved - nFree
  must(lists.pending <= 1, 'is in two pending queues')
  must(
    lists.active === (state === STATE_ACTIVE ? 1 : 0) && lists.partial === (state === STATE_PARTIAL ? 1 : 0) && lists.empty === 0,
    'state disagrees with the lists it is in',
  )
  const edge = pages.edge[page]!
  const kept = edge === -1 && state === STATE_PARTIAL && used === 0
  must(
    kept || edge === (state === STATE_ACTIVE ? -1 : state === STATE_PARTIAL ? 0 : EDGE_ANY),
    'edge is not that of its state',
  )
  must(
    ((units.home[unit]! & HOME_DISOWNED) !== 0) === (v.adoption.mode !== 0 && pages.watched[page] === 1),
    'is disowned when it should not be, or the other way round',
  )
  must(
    state !== STATE_FULL || (free === 0 && limit === end && pages.watched[page] === 1),
    'is out of sight but has free blocks or is not watched',
  )
}
