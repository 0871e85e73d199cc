/** One thread of `mixed` or `mid-large` with several: its own slots, its own record of the common heap. Worker thread. */
import { attachHeap } from '../../src/memory/index.js'
import { crewData, startTogether } from './crew.js'
import { randomSlots, warmUp } from './loops.js'
import type { SlotsThread } from './random-slots.js'

const { handle, slots: count, sizes, touch, steps, warmup, x } = crewData<SlotsThread>()
const heap = attachHeap(handle)
const words = new Int32Array(handle.buffer)
const slots = new Int32Array(count)
const y = warmUp((state, count) => randomSlots(heap, words, slots, state, count, sizes, touch), x, warmup)
startTogether(() => randomSlots(heap, words, slots, y, steps, sizes, touch))
