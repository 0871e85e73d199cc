/**
 * What a thread that sleeps in its event loop does for the others: it gives back memory that has come back to it. (One that blocks lends its
 * pages instead: `heap.park`.) Each call belongs to the thread of its heap.
 *
 * Invariant: the timer keeps no process alive, and ends with the group.
 */
import type { SharedHeap } from '../memory/index.js'

/** Seldom enough to cost nothing, often enough that nobody runs out of memory for long because this thread sleeps. */
const everyMs = 1000

/** Once a second, while `isIdle`, gives back what holds no block; until `hasEnded`. */
export function tidy(heap: SharedHeap, isIdle: () => boolean, hasEnded: () => boolean): void {
  const timer = setInterval(() => {
    if (hasEnded()) clearInterval(timer)
    else if (isIdle()) heap.trim()
  }, everyMs)
  timer.unref()
}
