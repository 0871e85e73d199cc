/**
 * Large blocks: runs of whole 64 KiB units, without an owner, so that any thread may free them. Any thread, for its own record.
 *
 * Invariant: the unit table names the block at its first unit only, so a pointer into its middle is no block; whoever swaps
 * that entry from the page to 0 has freed it, and no one else can.
 */
import { shared } from '../base/index.js'
import { returnNoted, takeUnits } from './arena.js'
import { C } from './counters.js'
import { badPointer } from './faults.js'
import {
  CLASS, CLASS_LARGE, END, META_WORDS, OWNER, OWNER_NONE, R_RUN_END, R_RUN_START, SPAN, START, UNIT_BYTES, UNIT_SHIFT, UNIT_WORDS,
} from './layout.js'
import type { View } from './view.js'

/** Takes a run that holds `bytes`; returns its first word, or 0. */
export function takeLarge(v: View, bytes: number): number {
  const { i32, geometry, record } = v
  const span = Math.max(1, Math.ceil(bytes / UNIT_BYTES))
  if (span > geometry.endUnit - geometry.firstUnit) return 0
  const unit = takeUnits(v, span)
  if (unit === 0) return 0
  const page = geometry.metas + unit * META_WORDS
  i32[page + OWNER] = OWNER_NONE
  i32[page + CLASS] = CLASS_LARGE
  i32[page + START] = unit * UNIT_WORDS
  i32[page + END] = (unit + span) * UNIT_WORDS
  i32[page + SPAN] = span
  i32[geometry.unitTable + unit] = page
  i32[record + R_RUN_END] = 0
  v.f64[v.counters + C.largeTaken]! += 1
  return unit * UNIT_WORDS
}

/** Frees a large block. Throws ERR_PERCORE_BAD_POINTER when `ptr` is not its start, or another thread freed it first. */
export function freeLarge(v: View, ptr: number, page: number): void {
  const { i32, geometry, record } = v
  const unit = ptr >>> UNIT_SHIFT
  if (ptr !== i32[page + START]) throw badPointer(ptr, 'it points into a block, not at its start')
  if (shared.compareExchange(i32, geometry.unitTable + unit, page, 0) !== page) throw badPointer(ptr, 'another thread freed it first')
  i32[record + R_RUN_START] = unit
  i32[record + R_RUN_END] = unit + i32[page + SPAN]!
  returnNoted(v)
  v.f64[v.counters + C.largeFreed]! += 1
}
