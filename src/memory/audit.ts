/**
 * The walker that checks every invariant of a heap. Any thread; exact for pages no thread is working on.
 *
 * Invariant: it only reads. Pages of records that other threads hold are checked in what cannot change under them; with
 * `quiet`, the caller promises that no other thread is inside the heap, and everything is checked.
 */
import { CLASS_COUNT, strideBytes, strideMagic } from './classes.js'
import {
  B_COUNT, B_FIRST, B_LAST, B_PAGE, BATCH_SLOTS, BATCH_WORDS, CAPACITY, CLASS, CLASS_LARGE, CLASS_NONE, EDGE, EDGE_ANY, END, FREE,
  GRANULE_SHIFT, LIMIT, MAGIC, META_WORDS, NEXT, OWNER, OWNER_NONE, PENDING_NEXT, PREV, R_ACTIVE, R_BATCH, R_EMPTY_MID, R_EMPTY_SMALL,
  R_GRANULES, R_PARTIAL, R_PENDING, R_RUN_END, R_RUN_START, R_STATE, R_TAKEN, RECORD_FRESH, RECORD_POOLED, REMOTE, REMOTE_ARMED,
  REMOTE_FIRST_MASK, SPAN, START, STATE, STATE_ACTIVE, STATE_EMPTY, STATE_FULL, STATE_PARTIAL, STRIDE, UNIT_WORDS, USED, WATCHED,
} from './layout.js'
import { noPage, remoteCount } from './page.js'
import { isTaken } from './reserve.js'
import { homeOf, recordWord, type View } from './view.js'

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
  const { i32, geometry: g } = v
  const problems: string[] = []
  const report = (what: string): void => void (problems.length < PROBLEMS_MAX && problems.push(what))
  const seen = walkRecords(v, quiet, report)
  const blocks = { out: 0, free: 0, remote: 0, batched: 0 }
  let pages = 0
  let largeBlocks = 0
  let unit = g.firstUnit
  while (unit < g.endUnit) {
    const page = g.metas + unit * META_WORDS
    const entry = i32[g.unitTable + unit]!
    const taken = isTaken(i32, g, unit)
    if (entry === 0) {
      if (taken && quiet && !noted(v, unit)) report(`unit ${unit} is taken, and no page or record knows it`)
      unit++
      continue
    }
    const span = i32[page + SPAN]!
    if (entry !== page || span < 1 || unit + span > g.endUnit) {
      if (quiet) report(`unit ${unit} belongs to no page that starts at or before it`)
      unit++
      continue
    }
    const isLarge = i32[page + CLASS] === CLASS_LARGE
    const end = quiet ? unit + span : unit
    for (let at = unit; at < end; at++) {
      if (!isTaken(i32, g, at)) report(`unit ${at} is in use but free in the reserve`)
      if (at > unit && i32[g.unitTable + at] !== (isLarge ? 0 : page)) report(`unit ${at} does not point at its page ${unit}`)
    }
    if (isLarge) {
      largeBlocks++
      if (i32[page + START] !== unit * UNIT_WORDS || i32[page + OWNER] !== OWNER_NONE) {
        report(`large block at unit ${unit} has a wrong start or owner`)
      }
    } else {
      pages++
      const owner = homeOf(i32[page + OWNER]!)
      const mine = owner === v.me || (owner >= 0 && owner < g.recordCount && i32[recordWord(g, owner) + R_STATE] === RECORD_POOLED)
      checkPage(v, page, unit, quiet || mine, seen.get(page), quiet, blocks, report)
    }
    unit += span
  }
  for (const page of quiet ? seen.keys() : []) {
    const unit = (page - g.metas) / META_WORDS
    if (i32[g.unitTable + unit] !== page) report(`a list names unit ${unit}, which is no page`)
  }
  return { ok: problems.length === 0, problems, pages, largeBlocks, blocks }
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
  const { i32, geometry: g } = v
  const seen = new Map<number, Seen>()
  const pagesMax = g.endUnit - g.firstUnit
  const at = (page: number): Seen => {
    let entry = seen.get(page)
    if (entry === undefined) seen.set(page, (entry = { active: 0, partial: 0, empty: 0, pending: 0, batched: 0 }))
    return entry
  }
  const follow = (head: number, link: number, what: 'partial' | 'empty' | 'pending', record: number): number => {
    let count = 0
    for (let page = i32[head]!; page !== 0; page = i32[page + link]!) {
      if (++count > pagesMax) {
        report(`the ${what} list of record ${record} runs in a circle`)
        break
      }
      at(page)[what]++
    }
    return count
  }
  for (let record = 0; record < g.recordCount; record++) {
    const words = recordWord(g, record)
    const state = i32[words + R_STATE]!
    if (state === RECORD_FRESH || (state !== RECORD_POOLED && record !== v.me && !quiet)) continue
    for (let c = 0; c < CLASS_COUNT; c++) {
      const active = i32[words + R_ACTIVE + c]!
      if (active !== noPage(v)) at(active).active++
      follow(words + R_PARTIAL + c, NEXT, 'partial', record)
      let prev = 0
      for (let page = i32[words + R_PARTIAL + c]!, n = 0; page !== 0 && n <= pagesMax; page = i32[page + NEXT]!, n++) {
        if (i32[page + PREV] !== prev || i32[page + CLASS] !== c || i32[page + OWNER] !== record) {
          report(`the partial list of record ${record}, class ${c}, is mislinked`)
        }
        prev = page
      }
      follow(words + R_TAKEN + c, PENDING_NEXT, 'pending', record)
      if (quiet) follow(words + R_PENDING + c, PENDING_NEXT, 'pending', record)
    }
    let granules = 0
    for (let granule = 0; granule < g.endUnit >>> GRANULE_SHIFT; granule++) if (i32[g.granules + granule] === record + 1) granules++
    if (granules !== i32[words + R_GRANULES]) report(`record ${record} has ${granules} granules, not ${i32[words + R_GRANULES]}`)
    for (const list of [R_EMPTY_SMALL, R_EMPTY_MID]) {
      if (follow(words + list, NEXT, 'empty', record) !== i32[words + list + 1]) report(`record ${record} miscounts its empty pages`)
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
  v: View, page: number, unit: number, exact: boolean, seen: Seen | undefined, quiet: boolean,
  blocks: { out: number; free: number; remote: number; batched: number }, report: (what: string) => void,
): void {
  const { i32, geometry: g } = v
  const where = `page ${unit} (class ${i32[page + CLASS]}, owner ${i32[page + OWNER]}, state ${i32[page + STATE]})`
  const must = (holds: boolean, what: string): void => void (holds || report(`${where}: ${what}`))
  const owner = homeOf(i32[page + OWNER]!)
  must(owner >= 0 && owner < g.recordCount && i32[recordWord(g, owner) + R_STATE] !== RECORD_FRESH, 'has no owner')
  if (!exact) return
  const c = i32[page + CLASS]!
  const state = i32[page + STATE]!
  const lists = seen ?? { active: 0, partial: 0, empty: 0, pending: 0, batched: 0 }
  if (state === STATE_EMPTY || c === CLASS_NONE) {
    must(
      state === STATE_EMPTY && c === CLASS_NONE && lists.empty === 1 && lists.active + lists.partial + lists.pending + lists.batched === 0,
      'is empty but not in exactly the list of empty pages',
    )
    return
  }
  if (!(c >= 0 && c < CLASS_COUNT)) return must(false, 'has no such class')
  const start = i32[page + START]!
  const stride = i32[page + STRIDE]!
  const limit = i32[page + LIMIT]!
  const free = i32[page + FREE]!
  const carved = (limit - start) / stride
  must(
    start === unit * UNIT_WORDS && stride === strideBytes(c) / 4 && i32[page + MAGIC] === strideMagic(c),
    'start or stride is not that of its class',
  )
  const capacity = Math.floor((i32[page + SPAN]! * UNIT_WORDS) / stride)
  must(
    i32[page + CAPACITY] === capacity && i32[page + END] === start + capacity * stride,
    'capacity is wrong',
  )
  must(Number.isInteger(carved) && carved >= 0 && limit <= i32[page + END]!, 'carved part is no whole number of blocks')
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
  must(i32[page + USED] === carved - nFree, `USED is ${i32[page + USED]}, but ${carved} carved − ${nFree} free = ${carved - nFree}`)
  const remote = i32[page + REMOTE]!
  const armed = (remote & REMOTE_ARMED) !== 0
  const inRemote = remoteCount(remote)
  if (quiet) {
    const nRemote = inRemote === 0 ? 0 : walk(start + ((remote & REMOTE_FIRST_MASK) << 2), inRemote, 'remote')
    must(nRemote === inRemote && !(armed && inRemote > 0), 'remote list does not have its count')
    must(nRemote + lists.batched <= i32[page + USED]!, 'more blocks are on their way back than are out')
    must(i32[page + WATCHED] === (armed || lists.pending === 1 ? 1 : 0), 'watched flag disagrees with the armed word and the queues')
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
  const edge = i32[page + EDGE]!
  const kept = edge === -1 && state === STATE_PARTIAL && i32[page + USED] === 0
  must(
    kept || edge === (state === STATE_ACTIVE ? -1 : state === STATE_PARTIAL ? 0 : EDGE_ANY),
    'edge is not that of its state',
  )
  must(
    i32[page + OWNER] === (v.adoption.mode !== 0 && i32[page + WATCHED] === 1 ? ~owner : owner),
    'is disowned when it should not be, or the other way round',
  )
  must(
    state !== STATE_FULL || (free === 0 && limit === i32[page + END] && i32[page + WATCHED] === 1),
    'is out of sight but has free blocks or is not watched',
  )
}
