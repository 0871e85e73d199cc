/**
 * The loops of the memory benches over anything that hands out addresses: what a user would write, and step by step what native.c
 * does. The thread that holds the heap.
 *
 * Each `…In` makes the loop over one heap and one table, once in a process: to V8 both are then constants, as they are to a program that
 * has them in a module, where a C compiler has them in registers. (A table that is a parameter costs 25 instructions an op.)
 *
 * The invariant: the generator is written out in each loop (x ^= x << 13, >>> 17, << 5), so nothing but malloc, free and the words of
 * the blocks is between two draws; each process measures one allocator only, so V8 specialises each loop for it.
 */

/** A heap seen by a loop: addresses are indices of 32-bit words. {@link SharedHeap} is one as it is. */
export interface BlockHeap {
  malloc(bytes: number): number
  free(ptr: number): void
}

/** Makes a block that the garbage collector frees. */
export type Allocate = (bytes: number) => Uint8Array

/** What is written to and read from a block. */
export const TOUCH_NOTHING = 0
export const TOUCH_FIRST = 1
export const TOUCH_ENDS = 2

/** Sizes are `min + (((r >>> 16) * range) >>> 16)`. */
export interface Sizes {
  readonly min: number
  readonly range: number
}

/** The generator's state of one thread. */
export function seedOf(seed: number, thread: number): number {
  return (seed + Math.imul(0x9e3779b9, thread)) | 0 || 1
}

/** Steps of one call while warming up: too few for V8 to replace the loop in the middle of a call, in code that knows no constants. */
const warmUpSteps = 500

/** Calls a loop until V8 has optimised it from its entry. Returns the generator's state. */
export function warmUp(loop: Steps, x: number, count: number): number {
  for (let left = count; left > 0; left -= warmUpSteps) x = loop(x, warmUpSteps)
  return x
}

/** Takes that many steps; from one state of the generator to the next. */
export type Steps = (x: number, count: number) => number
/** Replaces that many blocks, from the oldest on; where the oldest is, before and afterwards. */
type ReplaceOldest = (at: number, count: number) => number

/** A full slot is freed, an empty one gets a block; `slots.length` is a power of two. */
export function randomSlotsIn({ malloc, free }: BlockHeap, words: Int32Array, slots: Int32Array, sizes: Sizes, touch: number): Steps {
  const { min, range } = sizes
  const mask = slots.length - 1
  return (x, count) => {
    let sum = 0
    for (let step = 0; step < count; step++) {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      const i = x & mask
      const block = slots[i]!
      if (block !== 0) {
        if (touch !== TOUCH_NOTHING) sum ^= words[block]!
        free(block)
        slots[i] = 0
      } else {
        const size = min + (Math.imul(x >>> 16, range) >>> 16)
        const taken = malloc(size)
        if (touch !== TOUCH_NOTHING) {
          words[taken] = x
          if (touch === TOUCH_ENDS) words[taken + (size >>> 2) - 1] = x
        }
        slots[i] = taken
      }
    }
    sink(sum)
    return x
  }
}

/** The same for memory the garbage collector frees. */
export function randomObjectsIn(allocate: Allocate, slots: (Uint8Array | undefined)[], sizes: Sizes, touch: number): Steps {
  const { min, range } = sizes
  const mask = slots.length - 1
  return (x, count) => {
    let sum = 0
    for (let step = 0; step < count; step++) {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      const i = x & mask
      const block = slots[i]
      if (block !== undefined) {
        if (touch !== TOUCH_NOTHING) sum ^= block[0]!
        slots[i] = undefined
      } else {
        const size = min + (Math.imul(x >>> 16, range) >>> 16)
        const taken = allocate(size)
        if (touch !== TOUCH_NOTHING) {
          taken[0] = x
          if (touch === TOUCH_ENDS) taken[size - 1] = x
        }
        slots[i] = taken
      }
    }
    sink(sum)
    return x
  }
}

/** A block at a time: allocated, touched, freed. */
export function oneByOneIn({ malloc, free }: BlockHeap, words: Int32Array, bytes: number): (count: number) => void {
  return (count) => {
    let sum = 0
    for (let i = 0; i < count; i++) {
      const block = malloc(bytes)
      words[block] = i
      sum ^= words[block]!
      free(block)
    }
    sink(sum)
  }
}

/** The oldest of `blocks` is replaced by a new one. Returns where the oldest is afterwards. */
export function replaceOldestIn({ malloc, free }: BlockHeap, words: Int32Array, blocks: Int32Array, bytes: number): ReplaceOldest {
  return (at, count) => {
    for (let i = 0; i < count; i++) {
      free(blocks[at]!)
      const block = malloc(bytes)
      words[block] = i
      blocks[at] = block
      if (++at === blocks.length) at = 0
    }
    return at
  }
}

/** {@link oneByOneIn} for memory the garbage collector frees. */
export function objectByObjectIn(allocate: Allocate, bytes: number): (count: number) => void {
  return (count) => {
    let sum = 0
    let last: Uint8Array | undefined
    for (let i = 0; i < count; i++) {
      last = allocate(bytes)
      last[0] = i
      sum ^= last[0]
    }
    sink(sum ^ (last?.length ?? 0))
  }
}

/** {@link replaceOldestIn} for memory the garbage collector frees. */
export function replaceOldestObjectIn(allocate: Allocate, blocks: Uint8Array[], bytes: number): ReplaceOldest {
  return (at, count) => {
    for (let i = 0; i < count; i++) {
      const block = allocate(bytes)
      block[0] = i
      blocks[at] = block
      if (++at === blocks.length) at = 0
    }
    return at
  }
}

/** Takes a block for each of the first `count` places of `blocks` and writes its first word. */
export function fillTableIn({ malloc }: BlockHeap, words: Int32Array, blocks: Int32Array, bytes: number): (count: number) => void {
  return (count) => {
    for (let i = 0; i < count; i++) {
      const block = malloc(bytes)
      words[block] = i
      blocks[i] = block
    }
  }
}

/** Frees the first `count` blocks of a table. */
export function freeTableIn({ free }: BlockHeap, blocks: Int32Array): (count: number) => void {
  return (count) => {
    for (let i = 0; i < count; i++) free(blocks[i]!)
  }
}

/** The same, each sent to its owner at once. */
export function freeTableAloneIn({ free, flush }: BlockHeap & { flush(): void }, blocks: Int32Array): (count: number) => void {
  return (count) => {
    for (let i = 0; i < count; i++) {
      free(blocks[i]!)
      flush()
    }
  }
}

let kept = 0

/** Keeps what a loop computed alive. */
function sink(value: number): void {
  kept ^= value
  if (kept === 0x5ca1ab1e && !Number.isInteger(kept)) throw new Error('unreachable')
}
