/**
 * When a worker's thread has done enough and should be replaced by a fresh one. On the worker's thread; it only says so, once, and works on
 * until it is relieved.
 */
import { getHeapStatistics } from 'node:v8'

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

/** Returns what to call after every batch of tasks with their number; undefined when a worker never tires. */
export function createFatigue({ tasks = Infinity, heapBytes = Infinity }: RecycleAfter, tired: () => void): ((count: number) => void) | undefined {
  if (tasks === Infinity && heapBytes === Infinity) return undefined
  let done = 0
  let untilLook = 0
  let told = false
  return (count) => {
    if (told) return
    done += count
    const tooMany = done >= tasks
    if (!tooMany && (heapBytes === Infinity || --untilLook >= 0)) return
    untilLook = batchesPerLook
    if (!tooMany && usedBytes() < heapBytes) return
    told = true
    tired()
  }
}

function usedBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}
