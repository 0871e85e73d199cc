/**
 * Memory for the state of tasks: what every strategy can do, and the chunks that three of them are made of. One thread: the executor's.
 *
 * Invariant: a block belongs to one task from `take` to `give`, and its words are read and written through the array that `words` returns
 * for it; that array never changes while the block is out.
 */
import { PercoreError } from '../base/index.js'

/** A block of task state. Only the strategy that made it knows what the number means. */
export type StateBlock = number & { readonly [block]?: never }
declare const block: unique symbol

/** The interchangeable ways to keep the state of tasks. */
export const strategyNames = ['hybrid', 'slab', 'heap', 'gc'] as const
export type StateStrategyName = (typeof strategyNames)[number]

/** What a strategy has done so far. */
export interface StateCounters {
  /** Blocks taken and given back, of all kinds. */
  readonly taken: number
  readonly given: number
  /** Of those taken: from the hot arena, the slab, the shared heap, the garbage collector. */
  readonly arena: number
  readonly slab: number
  readonly heap: number
  readonly collected: number
  /** Chunks made, and how often one was emptied and used again whole. */
  readonly chunks: number
  readonly resets: number
  /** Bytes held now, in use or not. */
  readonly bytes: number
}

/** A way to keep the state of tasks; see `ExecOptions.state`. */
export interface StateMemory {
  readonly name: StateStrategyName
  /** A block of at least `bytes`, aligned to 16, content undefined. Throws ERR_PERCORE_OUT_OF_MEMORY when there is no room anywhere. */
  take(bytes: number): StateBlock
  give(block: StateBlock): void
  /** The words in which the block lies … */
  words(block: StateBlock): Int32Array
  /** … from this index on. */
  start(block: StateBlock): number
  counters(): StateCounters
}

/** Chunks have 2^14 words, 64 KiB; a block is chunk number × 2^14 + its first word. */
export const chunkBits = 14
export const chunkWords: number = 1 << chunkBits
export const chunkBytes: number = 4 * chunkWords
export const inChunk: number = chunkWords - 1

/** Blocks begin at multiples of 16 bytes. */
export function wordsFor(bytes: number): number {
  if (!(bytes >= 0 && bytes <= 2 ** 30)) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `the state of a task must have 0 to 2^30 bytes, not ${bytes}`)
  return bytes <= 16 ? 4 : ((bytes + 15) >>> 4) << 2
}

/** The chunks of a strategy, by number. */
export class Chunks {
  readonly words: Int32Array[] = []
  readonly #most: number

  /** `bytesMax` bounds all chunks together. */
  constructor(bytesMax: number) {
    this.#most = Math.floor(bytesMax / chunkBytes)
  }

  /** A new chunk's number, or -1 when there may be no more. */
  add(): number {
    return this.words.length < this.#most ? this.words.push(new Int32Array(chunkWords)) - 1 : -1
  }

  get bytes(): number {
    return this.words.length * chunkBytes
  }
}
