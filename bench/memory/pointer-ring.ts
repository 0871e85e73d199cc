/**
 * A ring of 4096 words from one thread to another, and the two loops of `producer-consumer` around it, as in native.c. Producer and
 * consumer thread.
 *
 * The invariant: a slot is written before TAIL is published and read before HEAD is; both run free and are masked on access.
 */
import type { BlockHeap, Sizes, Steps } from './loops.js'

const ringSlots = 4096
/** Each index on cache lines of its own. */
const TAIL = 0
const HEAD = 32
const SLOTS = 64
/** A word nobody writes: to wait on for a moment. */
const STILL = SLOTS + ringSlots
/** Looks at the other side's index before the thread steps aside for a moment. */
const spinsMax = 10_000

export const ringWords: number = STILL + 1

function stepAside(ring: Int32Array, spins: number): number {
  if (spins < spinsMax) return spins + 1
  Atomics.wait(ring, STILL, 0, 0.01)
  return 0
}

/** Sends so many blocks, published every `batch`, a power of two. */
export function produceIn({ malloc }: BlockHeap, words: Int32Array, ring: Int32Array, batch: number, { min, range }: Sizes): Steps {
  return (x, count) => {
    let tail = Atomics.load(ring, TAIL)
    let head = Atomics.load(ring, HEAD)
    let spins = 0
    for (let i = 1; i <= count; i++) {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      const block = malloc(min + (Math.imul(x >>> 16, range) >>> 16))
      words[block] = i
      while (((tail - head) | 0) === ringSlots) {
        head = Atomics.load(ring, HEAD)
        spins = stepAside(ring, spins)
      }
      ring[SLOTS + (tail & (ringSlots - 1))] = block
      tail = (tail + 1) | 0
      if ((i & (batch - 1)) === 0) Atomics.store(ring, TAIL, tail)
    }
    Atomics.store(ring, TAIL, tail)
    return x
  }
}

/** Takes, reads and frees `count` blocks. Returns a sum of what was in them. */
export function consumeIn({ free }: BlockHeap, words: Int32Array, ring: Int32Array, batch: number): (count: number) => number {
  return (count) => {
    let head = Atomics.load(ring, HEAD)
    const end = (head + count) | 0
    let sum = 0
    let spins = 0
    while (head !== end) {
      let tail = Atomics.load(ring, TAIL)
      while (tail === head) {
        spins = stepAside(ring, spins)
        tail = Atomics.load(ring, TAIL)
      }
      while (head !== tail) {
        const block = ring[SLOTS + (head & (ringSlots - 1))]!
        sum = (sum + words[block]!) | 0
        free(block)
        head = (head + 1) | 0
        if ((head & (batch - 1)) === 0) Atomics.store(ring, HEAD, head)
      }
    }
    Atomics.store(ring, HEAD, head)
    return sum
  }
}

/** Waits until the consumer has taken everything. Producer. */
export function waitUntilEmpty(ring: Int32Array): void {
  let spins = 0
  while (Atomics.load(ring, HEAD) !== Atomics.load(ring, TAIL)) spins = stepAside(ring, spins)
}
