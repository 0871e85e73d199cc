/**
 * The cold slab: blocks of power-of-two sizes, each size with its own free list, a block used again as soon as it is back. One thread.
 *
 * Invariant: a chunk holds blocks of one size; a free block's first word is the next free one, or -1.
 *
 * Sizes from 32 bytes to 32 KiB. Up to half of a block is wasted, a quarter on average; nothing is searched, split or merged.
 */
import { chunkBits, Chunks, chunkWords, inChunk, type StateBlock } from './state-memory.js'

const wordsMin = 8
/** The largest block, in words. */
export const slabWordsMax: number = chunkWords / 2
const classCount = Math.log2(slabWordsMax / wordsMin) + 1

export class SlabBlocks {
  readonly chunks: Chunks
  /** The size class of each chunk. */
  readonly #classOf: number[] = []
  readonly #free: Int32Array = new Int32Array(classCount).fill(-1)
  /** Per class, the next block never used, and how many are left in its chunk. */
  readonly #fresh: Int32Array = new Int32Array(classCount)
  readonly #left: Int32Array = new Int32Array(classCount)
  taken = 0
  given = 0

  constructor(bytesMax: number) {
    this.chunks = new Chunks(bytesMax)
  }

  /** A block of at least so many words, or -1 when there is no room or it is too large. */
  take(words: number): StateBlock {
    const size = words <= wordsMin ? 0 : 29 - Math.clz32(words - 1)
    if (size >= classCount) return -1
    const block = this.#free[size]
    if (block < 0) return this.#takeFresh(size)
    this.#free[size] = this.chunks.words[block >>> chunkBits][block & inChunk]
    this.taken++
    return block
  }

  give(block: StateBlock): void {
    const chunk = block >>> chunkBits
    const size = this.#classOf[chunk]
    this.chunks.words[chunk][block & inChunk] = this.#free[size]
    this.#free[size] = block
    this.given++
  }

  #takeFresh(size: number): StateBlock {
    const words = wordsMin << size
    if (this.#left[size] === 0) {
      const chunk = this.chunks.add()
      if (chunk < 0) return -1
      this.#classOf[chunk] = size
      this.#fresh[size] = chunk << chunkBits
      this.#left[size] = chunkWords / words
    }
    const block = this.#fresh[size]
    this.#fresh[size] = block + words
    this.#left[size]--
    this.taken++
    return block
  }
}
