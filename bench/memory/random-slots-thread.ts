/** One thread of `mixed` or `mid-large` with several: its own slots, its own record of the common heap. Worker thread. */
import { attachHeap } from '../../src/memory/index.js'
import { crewData, startTogether } from './crew.js'
import { randomSlotsIn, warmUp } from './loops.js'
import { takeCore } from './own-core.js'
import type { SlotsThread } from './random-slots.js'

const { handle, slots: count, sizes, touch, steps, warmup, x, thread } = crewData<SlotsThread>()
takeCore(thread)
const heap = attachHeap(handle)
const words = new Int32Array(handle.buffer)
const slots = new Int32Array(count)
const randomSlots = randomSlotsIn(heap, words, slots, sizes, touch)
const y = warmUp(randomSlots, x, warmup)
startTogether(() => randomSlots(y, steps))
