/**
 * `mixed`: 256 or 1024 slots of small blocks, freed and allocated at random; one op is one malloc or one free. `plan` in the parent,
 * `measure` in a child.
 *
 * The invariant: every subject draws the same numbers and gets the same sizes in the same order.
 */
import type { Bench } from '../harness/contract.js'
import { TOUCH_FIRST } from './loops.js'
import { slotsBench } from './random-slots.js'

export const bench: Bench = slotsBench({
  name: 'mixed',
  summary: 'random slots of blocks of 16..1024 bytes, freed when full, filled when empty: mallocs and frees per second',
  module: import.meta.url,
  sizes: { min: 16, range: 1009 },
  steps: { alone: 40e6, several: 20e6 },
  points: (threads) => threads.flatMap((count) =>
    [256, 1024].map((slots) => ({ params: { slots }, threads: count, slots, touch: TOUCH_FIRST }))),
})
