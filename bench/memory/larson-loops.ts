/**
 * The loops of larson, as in native.c: a table of blocks, of which a random one is replaced by one of another size. The thread that holds
 * the heap.
 *
 * The invariant: one op is one free and one malloc; the first two bytes of every block are written.
 */
import type { Allocate, BlockHeap, Sizes, Steps } from './loops.js'

/** Fills the table, shuffles it and replaces a random block four times per place. Returns the generator's state. */
export function setUpTable(heap: BlockHeap, bytes: Uint8Array, table: Int32Array, x: number, { min, range }: Sizes): number {
  for (let i = 0; i < table.length; i++) {
    x = next(x)
    table[i] = take(heap, bytes, sizeOf(x, min, range))
  }
  for (let i = table.length - 1; i > 0; i--) {
    x = next(x)
    const j = Math.floor((x >>> 0) * (i + 1) / 2 ** 32)
    const swapped = table[i]!
    table[i] = table[j]!
    table[j] = swapped
  }
  for (let i = 0; i < 4 * table.length; i++) {
    x = next(x)
    const v = Math.floor((x >>> 0) * table.length / 2 ** 32)
    heap.free(table[v]!)
    x = next(x)
    table[v] = take(heap, bytes, sizeOf(x, min, range))
  }
  return x
}

/** Replaces so many random blocks of the table. */
export function replaceRandomIn({ malloc, free }: BlockHeap, bytes: Uint8Array, table: Int32Array, sizes: Sizes): Steps {
  const { min, range } = sizes
  const places = table.length
  return (x, count) => {
    for (let i = 0; i < count; i++) {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      const v = (Math.imul(x >>> 16, places) + (Math.imul(x & 0xffff, places) >>> 16)) >>> 16 // x · places / 2^32, of integers alone
      free(table[v]!)
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      const block = malloc(min + (Math.imul(x >>> 16, range) >>> 16))
      const at = block << 2 // the heap is smaller than 2 GiB
      bytes[at] = 1
      bytes[at + 1] = 2
      table[v] = block
    }
    return x
  }
}

/** {@link replaceRandomIn} for memory the garbage collector frees. */
export function replaceRandomObjectIn(allocate: Allocate, table: Uint8Array[], sizes: Sizes): Steps {
  const { min, range } = sizes
  const scale = table.length / 2 ** 32
  return (x, count) => {
    for (let i = 0; i < count; i++) {
      x = next(x)
      const v = ((x >>> 0) * scale) | 0
      x = next(x)
      const block = allocate(sizeOf(x, min, range))
      block[0] = 1
      block[1] = 2
      table[v] = block
    }
    return x
  }
}

function next(x: number): number {
  x ^= x << 13
  x ^= x >>> 17
  return x ^ (x << 5)
}

const sizeOf = (x: number, min: number, range: number): number => min + (Math.imul(x >>> 16, range) >>> 16)

function take(heap: BlockHeap, bytes: Uint8Array, size: number): number {
  const block = heap.malloc(size)
  bytes[block * 4] = 1
  bytes[block * 4 + 1] = 2
  return block
}
