/**
 * When a worker's thread has done enough and should be replaced by a fresh one. On the worker's thread; it only says so, once, and works on
 * until it is relieved.
 */
import { getHeapStatistics } from 'node:v8'
import type { Loop } from './loop.js'

/**
 * When a worker is replaced by a fresh one: for handlers that leak, or libraries that do. It finishes what it has, its `dispose` hook runs,
 * and its successor has the same number; nothing fails.
 */
export interface RecycleAfter {
  /** After so many tasks, counted in batches: it may run a few hundred more. At least 1. */
  readonly tasks?: number
  /** When its JavaScript heap, with the buffers it holds, uses so many bytes: looked at now and then, garbage included. At least 1 MiB. */
  readonly heapBytes?: number
}

/** The smallest heap worth watching: a fresh worker uses some 5 MB. */
export const recycleHeapBytesMin: number = 2 ** 20

/** Batches between two looks at the heap; a look costs 1.4 µs. */
const batchesPerLook = 16

/** The loop of a worker that says once, by `tired`, that it has had enough: after batches of tasks it looks whether it has. */
export function withFatigue(loop: Loop, { tasks = Infinity, heapBytes = Infinity }: RecycleAfter, tired: () => void): Loop {
  if (tasks === Infinity && heapBytes === Infinity) return loop
  let done = 0
  let untilLook = 0
  let told = false
  return {
    ...loop,
    turn: (budgetUs) => {
      const count = loop.turn(budgetUs)
      if (told || count === 0) return count
      done += count
      const tooMany = done >= tasks
      if (!tooMany && (heapBytes === Infinity || --untilLook >= 0)) return count
      untilLook = batchesPerLook
      if (!tooMany && usedBytes() < heapBytes) return count
      told = true
      tired()
      return count
    },
  }
}

function usedBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}
