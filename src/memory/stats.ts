/**
 * Counters and sizes of a heap, read from shared memory while everyone keeps working. Any thread; numbers of other threads are as of some
 * moment of the call, not of one moment.
 */
import { classBytes } from './classes.js'
import { type CounterName, counterNames } from './counters.js'
import {
  CLASS_LARGE, GRANULE_BYTES, PAGE_SHIFT, R_COUNTERS, R_GRANULES, R_STATE, RECORD_FRESH, RECORD_POOLED, UNIT_BYTES,
} from './layout.js'
import { freeUnits } from './reserve.js'
import { blocksUsed, isFirstUnit, ownerOf, recordWord, type View } from './view.js'

/** One record's counters: what its holders, past and present, did on the slow paths. */
export interface RecordStats {
  readonly record: number
  /** False when it waits in the pool for the next thread; a parked thread holds it. */
  readonly held: boolean
  readonly pages: number
  /** Bytes reserved for the record's next pages and those already in there. */
  readonly bytesReserved: number
  readonly blocksUsed: number
  /** Bytes of the blocks in use, by size of class. */
  readonly bytesUsed: number
  readonly counters: Readonly<Record<CounterName, number>>
}

export interface HeapStats {
  /** Bytes for pages and large blocks in all, and of those the bytes nobody has taken. */
  readonly bytesTotal: number
  readonly bytesFree: number
  readonly largeBlocks: number
  readonly bytesLarge: number
  /** Refills served without a new page ÷ refills that had to leave the active page; 1 when there was none. */
  readonly pageReuse: number
  readonly newPages: number
  readonly records: readonly RecordStats[]
}

export function readStats(v: View): HeapStats {
  const { i32, f64, units, geometry: g } = v
  const used = Array.from({ length: g.recordCount }, () => ({ pages: 0, blocks: 0, bytes: 0 }))
  let largeBlocks = 0
  let bytesLarge = 0
  for (let unit = g.firstUnit; unit < g.endUnit; unit++) {
    if (!isFirstUnit(v, unit)) continue
    const c = units.class[unit]!
    const page = unit << PAGE_SHIFT
    if (c === CLASS_LARGE) {
      largeBlocks++
      bytesLarge += units.span[unit]! * UNIT_BYTES
      continue
    }
    const owner = used[ownerOf(v, page)]
    if (owner === undefined) continue
    owner.pages++
    const blocks = blocksUsed(v, page)
    owner.blocks += blocks
    owner.bytes += blocks * (classBytes[c] ?? 0)
  }
  const records: RecordStats[] = []
  let newPages = 0
  let reuses = 0
  for (const [record, { pages, blocks, bytes }] of used.entries()) {
    const words = recordWord(g, record)
    const state = i32[words + R_STATE]!
    if (state === RECORD_FRESH) continue
    const at = (words + R_COUNTERS) / 2
    const counters = Object.fromEntries(counterNames.map((name, k) => [name, f64[at + k]])) as Record<CounterName, number>
    newPages += counters.newPages
    reuses += counters.activeDrains + counters.partialHits + counters.pendingHits
    reuses += counters.emptyHits + counters.goneHits + counters.adopted
    const bytesReserved = i32[words + R_GRANULES]! * GRANULE_BYTES
    records.push({ record, held: state !== RECORD_POOLED, pages, bytesReserved, blocksUsed: blocks, bytesUsed: bytes, counters })
  }
  return {
    bytesTotal: (g.endUnit - g.firstUnit) * UNIT_BYTES,
    bytesFree: freeUnits(i32, g) * UNIT_BYTES,
    largeBlocks,
    bytesLarge,
    pageReuse: reuses + newPages === 0 ? 1 : reuses / (reuses + newPages),
    newPages,
    records,
  }
}
