/**
 * Large blocks: runs of whole 64 KiB units, without an owner, so that any thread may free them. Any thread, for its own record.
 *
 * Invariant: the column home names the block at its first unit only, so a pointer into its middle is no block; whoever swaps
 * that word to 0 has freed it, and no one else can.
 */
import { shared } from '../base/index.js'
import { returnNoted, takeUnits } from './arena.js'
import { C } from './counters.js'
import { badPointer } from './faults.js'
import {
  CLASS_LARGE, HOME_LARGE, R_RUN_END, R_RUN_START, UNIT_BYTES, UNIT_SHIFT, UNIT_WORDS, unitColumnAt,
} from './layout.js'
import { clearStates } from './states.js'
import type { View } from './view.js'

/** Takes a run that holds `bytes`; returns its first word, or 0. */
export function takeLarge(v: View, bytes: number): number {
  const { i32, units, geometry, record } = v
  const span = Math.max(1, Math.ceil(bytes / UNIT_BYTES))
  if (span > geometry.endUnit - geometry.firstUnit) return 0
  const unit = takeUnits(v, span)
  if (unit === 0) return 0
  clearStates(v, unit, span, true)
  units.class[unit] = CLASS_LARGE
  units.span[unit] = span
  units.home[unit] = HOME_LARGE
  i32[record + R_RUN_END] = 0
  v.f64[v.counters + C.largeTaken]! += 1
  return unit * UNIT_WORDS
}

/** Frees a large block. Throws ERR_PERCORE_BAD_POINTER when `ptr` is not its start, or another thread freed it first. */
export function freeLarge(v: View, ptr: number): void {
  const { i32, units, geometry, record } = v
  const unit = ptr >>> UNIT_SHIFT
  if (ptr !== unit << UNIT_SHIFT) throw badPointer(ptr, 'it points into a block, not at its start')
  if (shared.compareExchange(i32, unitColumnAt(geometry, 'home') + unit, HOME_LARGE, 0) !== HOME_LARGE) {
    throw badPointer(ptr, 'another thread freed it first')
  }
  i32[record + R_RUN_START] = unit
  i32[record + R_RUN_END] = unit + units.span[unit]!
  returnNoted(v)
  v.f64[v.counters + C.largeFreed]! += 1
}
