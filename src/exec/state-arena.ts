/**
 * The hot arena: blocks are cut off a chunk one after the other, and a chunk is used again whole once all its blocks are back. One thread.
 *
 * Invariant: `out[chunk]` blocks of a chunk are out; it is in the free list exactly when there is none and it is not the one being cut.
 *
 * Made for short lives: taking and giving cost two additions each and no link is written. A block that lives long holds its whole chunk, which
 * is why only small states go here, and why there is a bound.
 */
import { chunkBits, Chunks, chunkWords, type StateBlock } from './state-memory.js'

export class Arena {
  readonly chunks: Chunks
  readonly #out: Int32Array
  readonly #free: number[] = []
  #current = -1
  /** The next word to cut, within the current chunk. */
  #next: number = chunkWords
  taken = 0
  given = 0
  resets = 0

  constructor(bytesMax: number) {
    this.chunks = new Chunks(bytesMax)
    this.#out = new Int32Array(Math.max(1, Math.floor(bytesMax / (4 * chunkWords))))
  }

  /** A block of so many words, or -1 when every chunk is in use. */
  take(words: number): StateBlock {
    if (this.#next + words > chunkWords && !this.#nextChunk()) return -1
    const block = (this.#current << chunkBits) + this.#next
    this.#next += words
    this.#out[this.#current]++
    this.taken++
    return block
  }

  give(block: StateBlock): void {
    const chunk = block >>> chunkBits
    this.given++
    if (--this.#out[chunk] > 0) return
    this.resets++
    if (chunk === this.#current) this.#next = 0
    else this.#free.push(chunk)
  }

  #nextChunk(): boolean {
    const chunk = this.#free.pop() ?? this.chunks.add()
    if (chunk < 0) return false
    // The chunk that is left may be empty already: its blocks came back, and what is left of it was too small.
    if (this.#current >= 0 && this.#out[this.#current] === 0) this.#free.push(this.#current)
    this.#current = chunk
    this.#next = 0
    return true
  }
}
