/**
 * The state of every block of a debug heap, two bits for each 16 bytes of it. Any thread.
 *
 * Invariant: a state changes by compare-exchange from the one it is known to be in, so of two threads that free a block at the same moment one
 * is told; only units that belong to one thread alone are cleared whole.
 *
 * ```text
 *   word of 16 places of 16 bytes:  | 31 30 | … | 3 2 | 1 0 |        a block's state is at its first place; the others stay NEVER
 * ```
 */
import { shared } from '../base/index.js'
import { UNIT_WORDS } from './layout.js'
import type { View } from './view.js'

/** Not the start of a block, or one that was never handed out since its page was formed. */
export const NEVER = 0
export const LIVE = 1
export const FREED = 2
/** Live, and without canaries, because of its alignment. */
export const ALIGNED = 3

const PLACE_WORDS = 4
const PLACES = 16
const STATE_WORDS_PER_UNIT = UNIT_WORDS / PLACE_WORDS / PLACES

const wordOf = (v: View, block: number): number => v.geometry.debugMap + Math.floor(block / (PLACE_WORDS * PLACES))
const shiftOf = (block: number): number => ((block / PLACE_WORDS) & (PLACES - 1)) * 2

/** The state of what starts at an address, whatever the address. */
export function stateOf(v: View, block: number): number {
  if (!(Number.isInteger(block / PLACE_WORDS) && block >= 0 && block < v.geometry.endUnit * UNIT_WORDS)) return NEVER
  return (shared.load(v.i32, wordOf(v, block)) >>> shiftOf(block)) & 3
}

/** Changes the state of a block; false when it was not `from`. */
export function turn(v: View, block: number, from: number, to: number): boolean {
  const word = wordOf(v, block)
  const shift = shiftOf(block)
  for (let old = shared.load(v.i32, word); ; ) {
    if (((old >>> shift) & 3) !== from) return false
    const found = shared.compareExchange(v.i32, word, old, (old & ~(3 << shift)) | (to << shift))
    if (found === old) return true
    old = found
  }
}

/**
 * Units become a page, or a large block if `isLarge`: nothing in them has been handed out. A large block may know still that what began where it
 * begins was freed, and poisoned. Does nothing without debug.
 */
export function clearStates(v: View, unit: number, span: number, isLarge: boolean): void {
  if (v.geometry.debugMap === 0) return
  const wasFreed = isLarge && stateOf(v, unit * UNIT_WORDS) === FREED
  const first = v.geometry.debugMap + unit * STATE_WORDS_PER_UNIT
  v.i32.fill(0, first, first + span * STATE_WORDS_PER_UNIT)
  if (wasFreed) turn(v, unit * UNIT_WORDS, NEVER, FREED)
}
