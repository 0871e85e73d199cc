/**
 * `mid-large`: as `mixed`, with 256 slots of 8..52 KiB, touching nothing, or the first and the last word. `plan` in the parent, `measure`
 * in a child.
 *
 * The invariant: every subject draws the same numbers and gets the same sizes in the same order.
 */
import type { Bench } from '../harness/contract.js'
import { TOUCH_ENDS, TOUCH_NOTHING } from './loops.js'
import { slotsBench } from './random-slots.js'

const touches = [['nothing', TOUCH_NOTHING], ['ends', TOUCH_ENDS]] as const

export const bench: Bench = slotsBench({
  name: 'mid-large',
  summary: 'random slots of blocks of 8..52 KiB, freed when full, filled when empty: mallocs and frees per second',
  module: import.meta.url,
  sizes: { min: 8192, range: 45_057 },
  steps: { alone: 4e6, several: 4e6 },
  points: (threads) => threads.flatMap((count) =>
    touches.map(([touched, touch]) => ({ params: { touched }, threads: count, slots: 256, touch }))),
})
