/** A codec over a heap of its own that counts live blocks, and is full when told so. One thread. */
import { PercoreError, type Words, wordsOf } from '../../src/base/index.js'
import { type Codec, type CodecOptions, createCodec, type ShapeSheet, SharedBlock } from '../../src/codec/index.js'
import { createHeap, type Ptr } from '../../src/memory/index.js'

export interface Bench {
  readonly words: Words
  readonly codec: Codec
  /** Where the test's descriptor lies; `room` more follow it. */
  readonly at: number
  /** Blocks taken and not yet freed. */
  live(): number
  /** From now on no block is larger than this. */
  limit(bytes: number): void
  alloc(bytes: number): SharedBlock
  /** Encodes and decodes. */
  trip<T>(value: T): T
}

/** Descriptors come first, then a sheet, then the heap. */
export const sheet: ShapeSheet = { at: 1024, bytes: 8192 }
const heapStart = 16_384
export const room = 60

export function bench(bytes: number = 16 << 20, options: CodecOptions = {}): Bench {
  const words = wordsOf(new SharedArrayBuffer(bytes))
  const heap = createHeap({ buffer: words.buffer, byteOffset: heapStart })
  const live = new Set<Ptr>()
  let limit = Infinity
  const counting = {
    malloc(size: number): Ptr {
      if (size > limit) throw new PercoreError('ERR_PERCORE_OUT_OF_MEMORY', `no room for ${size} bytes`)
      const ptr = heap.malloc(size)
      live.add(ptr)
      return ptr
    },
    free(ptr: Ptr): void {
      live.delete(ptr)
      heap.free(ptr)
    },
  }
  const codec = createCodec(words, counting, { sheet, ...options })
  const at = 19
  return {
    words,
    codec,
    at,
    live: () => live.size,
    limit: (bytes) => { limit = bytes },
    alloc: (bytes) => new SharedBlock(words.buffer, counting.malloc(bytes), bytes, counting.free),
    trip: <T>(value: T): T => codec.decode(codec.encode(value, at), at) as T,
  }
}
