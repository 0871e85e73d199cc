/**
 * Paying for first touches before they hurt: carving and touching blocks ahead of use. The record's holder only, before or between
 * work, since a fresh 4 KiB costs 2–3 µs whenever it is touched first.
 *
 * Invariant: prewarming allocates and frees through the front door; afterwards the heap holds no block more than before.
 */
import { shared } from '../base/index.js'
import { arenaUnits } from './arena.js'
import { CLASS_COUNT, classBytes } from './classes.js'
import { PAGE_SHIFT, UNIT_WORDS } from './layout.js'
import { isTaken } from './reserve.js'
import { blocksUsed, isFirstUnit, ownerOf, type Ptr, type View } from './view.js'

/** How many blocks of which size to make ready. */
export type PrewarmPlan = readonly { readonly bytes: number; readonly count: number }[]

const KIB = 1024
const PAGE_BYTES = 4096

/**
 * The plan of `heap.prewarm()`. Small middle sizes are used most: 16/16/12 hot, 8/8 warm, 4/4 cold; 1.6 MiB per thread.
 *
 * @example
 * ```ts
 * import { createHeap, defaultPlan } from 'percore/heap'
 *
 * const heap = createHeap({ bytes: 2 ** 30 })
 * console.log(heap.prewarm([...defaultPlan, { bytes: 64, count: 1000 }])) // 1751552
 * ```
 */
export const defaultPlan: PrewarmPlan = [
  { bytes: 8 * KIB, count: 16 },
  { bytes: 16 * KIB, count: 16 },
  { bytes: 24 * KIB, count: 12 },
  { bytes: 32 * KIB, count: 8 },
  { bytes: 40 * KIB, count: 8 },
  { bytes: 48 * KIB, count: 4 },
  { bytes: 52 * KIB, count: 4 },
]

/** A learned plan stops here. */
const LEARNED_BYTES_MAX = 2_000_000

/** Takes, touches and frees the blocks of the plan; returns how many bytes are ready. A full heap ends it early, without an error. */
export function prewarm(v: View, plan: PrewarmPlan, tryMalloc: (bytes: number) => Ptr, free: (ptr: Ptr) => void): number {
  let ready = 0
  const blocks: Ptr[] = []
  for (const { bytes, count } of plan) {
    for (let k = 0; k < count; k++) {
      const ptr = tryMalloc(bytes)
      if (ptr === 0) break
      for (let at = 0; at < bytes; at += PAGE_BYTES) v.i32[ptr + at / 4] = 0
      blocks.push(ptr)
      ready += bytes
    }
  }
  while (blocks.length > 0) free(blocks.pop()!)
  return ready
}

/**
 * What the busiest thread of the heap has in use of each class right now, as a plan for the next thread: the smaller sizes first, up to
 * 2 MB.
 */
export function learnPlan(v: View): PrewarmPlan {
  const { units, geometry: g } = v
  const used = new Map<number, Uint32Array>()
  for (let unit = g.firstUnit; unit < g.endUnit; unit++) {
    const c = units.class[unit]!
    const page = unit << PAGE_SHIFT
    if (!isFirstUnit(v, unit) || c >= CLASS_COUNT) continue
    const owner = ownerOf(v, page)
    let counts = used.get(owner)
    if (counts === undefined) used.set(owner, (counts = new Uint32Array(CLASS_COUNT)))
    counts[c]! += blocksUsed(v, page)
  }
  const plan: { bytes: number; count: number }[] = []
  let left = LEARNED_BYTES_MAX
  for (let c = 0; c < CLASS_COUNT; c++) {
    const most = Math.max(0, ...[...used.values()].map((counts) => counts[c]!))
    const count = Math.min(most, Math.floor(left / classBytes[c]!))
    if (count > 0) plan.push({ bytes: classBytes[c]!, count })
    left -= count * classBytes[c]!
  }
  return plan
}

/**
 * Reserves granules until `bytes` of free units are in reach and touches each 4 KiB of them; returns the bytes touched. Adding 0 atomically
 * touches without changing, so a thread that takes such a unit meanwhile is not disturbed.
 */
export function pretouch(v: View, bytes: number): number {
  const { i32, geometry } = v
  let touched = 0
  for (const unit of arenaUnits(v, Math.ceil(bytes / (UNIT_WORDS * 4)))) {
    if (isTaken(i32, geometry, unit)) continue
    for (let word = unit * UNIT_WORDS; word < (unit + 1) * UNIT_WORDS; word += PAGE_BYTES / 4) shared.add(i32, word, 0)
    touched += UNIT_WORDS * 4
  }
  return touched
}
