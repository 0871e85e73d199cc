/** A heap for the codec's tests: a bump allocator that counts live blocks, and is full when told so. One thread. */
import { PercoreError, type Words, wordsOf } from '../../src/base/index.js'
import { type Codec, type CodecOptions, createCodec, SharedBlock } from '../../src/codec/index.js'

export interface Bench {
  readonly words: Words
  readonly codec: Codec
  /** Where the test's descriptor lies. */
  readonly at: number
  /** Blocks taken and not yet freed. */
  live(): number
  /** From now on no block is larger than this. */
  limit(bytes: number): void
  alloc(bytes: number): SharedBlock
  /** Encodes and decodes. */
  trip<T>(value: T): T
}

export function bench(bytes: number = 16 << 20, options: CodecOptions = {}): Bench {
  const words = wordsOf(new SharedArrayBuffer(bytes))
  const live = new Set<number>()
  let limit = Infinity
  let top = 64
  const heap = {
    malloc(size: number): number {
      if (live.size === 0) top = 64
      const end = top + Math.ceil(size / 16) * 4
      if (size > limit || end * 4 > bytes) throw new PercoreError('ERR_PERCORE_OUT_OF_MEMORY', `no room for ${size} bytes`)
      const address = top
      top = end
      live.add(address)
      return address
    },
    free(address: number): void {
      if (!live.delete(address)) throw new PercoreError('ERR_PERCORE_BAD_POINTER', `no block at ${address}`)
    },
  }
  const codec = createCodec(words, heap, options)
  const at = 19
  return {
    words,
    codec,
    at,
    live: () => live.size,
    limit: (bytes) => { limit = bytes },
    alloc: (bytes) => new SharedBlock(words.buffer, heap.malloc(bytes), bytes, heap.free),
    trip: <T>(value: T): T => codec.decode(codec.encode(value, at), at) as T,
  }
}
