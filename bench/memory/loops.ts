/**
 * The loops of the memory benches over anything that hands out addresses: what a user would write, and step by step what native.c
 * does. The thread that holds the heap.
 *
 * Each `…In` makes the loop over one heap: to V8 the heap is then a constant, as it is to a program that has one heap in a module.
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

/**
 * Calls a loop so often that V8 optimises it from its entry, not only from within, and knows what comes after it: a few short calls, then
 * longer ones. Returns the generator's state.
 */
export function warmUp(loop: (x: number, count: number) => number, x: number, count: number): number {
  for (let call = 0; call < 100; call++) x = loop(x, 100)
  const calls = 50
  for (let call = 0; call < calls; call++) x = loop(x, Math.ceil(count / calls))
  return x
}

/** Takes that many steps over the slots; from one state of the generator to the next. */
type RandomSteps<Slots> = (slots: Slots, x: number, steps: number, sizes: Sizes, touch: number) => number
/** Replaces that many blocks, from the oldest on; where the oldest is, before and afterwards. */
type ReplaceOldest<Blocks> = (blocks: Blocks, at: number, count: number, bytes: number) => number

/** A full slot is freed, an empty one gets a block; `slots.length` is a power of two. Returns the generator's state. */
export function randomSlotsIn(heap: BlockHeap, words: Int32Array): RandomSteps<Int32Array> {
  return (slots, x, steps, { min, range }, touch) => {
    const mask = slots.length - 1
    let sum = 0
    for (let step = 0; step < steps; step++) {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      const i = x & mask
      const block = slots[i]!
      if (block !== 0) {
        if (touch !== TOUCH_NOTHING) sum ^= words[block]!
        heap.free(block)
        slots[i] = 0
      } else {
        const size = min + (Math.imul(x >>> 16, range) >>> 16)
        const taken = heap.malloc(size)
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
export function randomObjectsIn(allocate: Allocate): RandomSteps<(Uint8Array | undefined)[]> {
  return (slots, x, steps, { min, range }, touch) => {
    const mask = slots.length - 1
    let sum = 0
    for (let step = 0; step < steps; step++) {
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
export function oneByOneIn(heap: BlockHeap, words: Int32Array): (count: number, bytes: number) => void {
  return (count, bytes) => {
    let sum = 0
    for (let i = 0; i < count; i++) {
      const block = heap.malloc(bytes)
      words[block] = i
      sum ^= words[block]!
      heap.free(block)
    }
    sink(sum)
  }
}

/** The oldest of `blocks` is replaced by a new one. Returns where the oldest is afterwards. */
export function replaceOldestIn(heap: BlockHeap, words: Int32Array): ReplaceOldest<Int32Array> {
  return (blocks, at, count, bytes) => {
    for (let i = 0; i < count; i++) {
      heap.free(blocks[at]!)
      const block = heap.malloc(bytes)
      words[block] = i
      blocks[at] = block
      if (++at === blocks.length) at = 0
    }
    return at
  }
}

/** {@link oneByOne} for memory the garbage collector frees. */
export function objectByObjectIn(allocate: Allocate): (count: number, bytes: number) => void {
  return (count, bytes) => {
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

/** {@link replaceOldest} for memory the garbage collector frees. */
export function replaceOldestObjectIn(allocate: Allocate): ReplaceOldest<Uint8Array[]> {
  return (blocks, at, count, bytes) => {
    for (let i = 0; i < count; i++) {
      const block = allocate(bytes)
      block[0] = i
      blocks[at] = block
      if (++at === blocks.length) at = 0
    }
    return at
  }
}

/** Takes a block for every place of `blocks` and writes its first word. */
export function fillTableIn(heap: BlockHeap, words: Int32Array): (blocks: Int32Array, count: number, bytes: number) => void {
  return (blocks, count, bytes) => {
    for (let i = 0; i < count; i++) {
      const block = heap.malloc(bytes)
      words[block] = i
      blocks[i] = block
    }
  }
}

/** Frees the first `count` blocks of a table. */
export function freeTableIn(heap: BlockHeap): (blocks: Int32Array, count: number) => void {
  return (blocks, count) => {
    for (let i = 0; i < count; i++) heap.free(blocks[i]!)
  }
}

/** Frees the first `count` blocks of a table, each sent to its owner at once. */
export function freeTableAloneIn(heap: BlockHeap & { flush(): void }): (blocks: Int32Array, count: number) => void {
  return (blocks, count) => {
    for (let i = 0; i < count; i++) {
      heap.free(blocks[i]!)
      heap.flush()
    }
  }
}

let kept = 0

/** Keeps what a loop computed alive. */
function sink(value: number): void {
  kept ^= value
  if (kept === 0x5ca1ab1e && !Number.isInteger(kept)) throw new Error('unreachable')
}
