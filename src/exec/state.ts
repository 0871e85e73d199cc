/**
 * The strategies behind `ExecOptions.state`, which one contract suite tests alike. One thread: the executor's.
 *
 * Invariant: whichever strategy is chosen, a program does the same; only its time and memory differ.
 */
import { PercoreError } from '../base/index.js'
import { createHeap, type Ptr, type SharedHeap } from '../memory/index.js'
import { Arena } from './state-arena.js'
import { chunkBits, inChunk, type StateBlock, type StateCounters, type StateMemory, type StateStrategyName, strategyNames, wordsFor } from './state-memory.js'
import { SlabBlocks, slabWordsMax } from './state-slab.js'

/** How the state of tasks is kept; all sizes are bounds, memory is taken as it is used, 64 KiB at a time. */
export interface StateOptions {
  /** Default 'hybrid'; docs/design/071-task-memory.md has the figures behind it. */
  readonly strategy?: StateStrategyName
  /** 'hybrid': states below this go to the arena; default 256. */
  readonly smallBytes?: number
  /** 'hybrid': most of the arena; default 2 MiB. */
  readonly arenaBytesMax?: number
  /** 'hybrid' and 'slab': most of the slab; default 64 MiB. */
  readonly slabBytesMax?: number
  /** Size of the shared heap, which is made when it is first needed: address space, not memory; default 256 MiB. */
  readonly heapBytes?: number
}

const defaults = { strategy: 'hybrid', smallBytes: 256, arenaBytesMax: 2 << 20, slabBytesMax: 64 << 20, heapBytes: 256 << 20 } as const

export function createState(options: StateOptions = {}): StateMemory {
  const { strategy, smallBytes, arenaBytesMax, slabBytesMax, heapBytes } = { ...defaults, ...options }
  switch (strategy) {
    case 'hybrid': return new Hybrid(smallBytes, new Arena(arenaBytesMax), new SlabBlocks(slabBytesMax), heapBytes)
    case 'slab': return new Hybrid(0, new Arena(0), new SlabBlocks(slabBytesMax), heapBytes, 'slab')
    case 'heap':
      if (typeof SharedArrayBuffer !== 'undefined') return new Heap(heapBytes)
      throw new PercoreError('ERR_PERCORE_INVALID_OPTION', "the state strategy 'heap' needs SharedArrayBuffer, which is not here; use 'hybrid'")
    case 'gc': return new Collected()
    default: throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `no state strategy '${String(strategy)}'; there are ${strategyNames.join(', ')}`)
  }
}

/** Arena blocks are 0 and more; those of the slab below, as −1 − block; those of the heap below all slab blocks. */
const heapFrom = -(2 ** 31)

/** Small states in the arena, others in the slab, and in the heap what finds no room in either. */
class Hybrid implements StateMemory {
  readonly name: StateStrategyName
  readonly #smallWords: number
  readonly #arena: Arena
  readonly #slab: SlabBlocks
  readonly #heapBytes: number
  #heap: Fallback | undefined = undefined

  constructor(smallBytes: number, arena: Arena, slab: SlabBlocks, heapBytes: number, name: StateStrategyName = 'hybrid') {
    this.name = name
    this.#smallWords = smallBytes >>> 2
    this.#arena = arena
    this.#slab = slab
    this.#heapBytes = heapBytes
  }

  take(bytes: number): StateBlock {
    const words = wordsFor(bytes)
    if (words < this.#smallWords) {
      const block = this.#arena.take(words)
      if (block >= 0) return block
    }
    const block = words <= slabWordsMax ? this.#slab.take(words) : -1
    return block >= 0 ? ~block : this.#takeElsewhere(bytes)
  }

  give(block: StateBlock): void {
    if (block >= 0) this.#arena.give(block)
    else if (block >= heapFrom) this.#slab.give(~block)
    else this.#elsewhere().give(heapFrom - 1 - block)
  }

  words(block: StateBlock): Int32Array {
    if (block >= 0) return this.#arena.chunks.words[block >>> chunkBits]
    if (block >= heapFrom) return this.#slab.chunks.words[~block >>> chunkBits]
    return this.#elsewhere().words(heapFrom - 1 - block)
  }

  start(block: StateBlock): number {
    if (block >= heapFrom) return (block >= 0 ? block : ~block) & inChunk
    return this.#elsewhere().start(heapFrom - 1 - block)
  }

  #takeElsewhere(bytes: number): StateBlock {
    return heapFrom - 1 - this.#elsewhere().take(bytes)
  }

  #elsewhere(): Fallback {
    return this.#heap ??= typeof SharedArrayBuffer === 'undefined' ? new Collected() : new Heap(this.#heapBytes)
  }

  counters(): StateCounters {
    const heap = this.#heap?.counters()
    return {
      taken: this.#arena.taken + this.#slab.taken + (heap?.taken ?? 0),
      given: this.#arena.given + this.#slab.given + (heap?.given ?? 0),
      arena: this.#arena.taken,
      slab: this.#slab.taken,
      heap: heap?.heap ?? 0,
      collected: heap?.collected ?? 0,
      chunks: this.#arena.chunks.words.length + this.#slab.chunks.words.length,
      resets: this.#arena.resets,
      bytes: this.#arena.chunks.bytes + this.#slab.chunks.bytes + (heap?.bytes ?? 0),
    }
  }
}

/** Everything in a shared heap of its own, which a page takes 64 KiB at a time. */
class Heap implements StateMemory {
  readonly name = 'heap'
  readonly #heap: SharedHeap
  readonly #words: Int32Array
  #taken = 0
  #given = 0

  constructor(bytes: number) {
    this.#heap = createHeap({ bytes, records: 1 })
    this.#words = new Int32Array(this.#heap.handle.buffer)
  }

  take(bytes: number): StateBlock {
    const block = this.#heap.malloc(bytes)
    this.#taken++
    return block
  }

  give(block: StateBlock): void {
    this.#heap.free(block as Ptr)
    this.#given++
  }

  words(): Int32Array {
    return this.#words
  }

  start(block: StateBlock): number {
    return block
  }

  counters(): StateCounters {
    const bytes = this.#heap.stats().records.reduce((sum, record) => sum + record.pages * 65_536, 0)
    return { taken: this.#taken, given: this.#given, arena: 0, slab: 0, heap: this.#taken, collected: 0, chunks: 0, resets: 0, bytes }
  }
}

/** A fresh array for each block, and the garbage collector for the rest: what one would write without any of this. */
class Collected implements StateMemory {
  readonly name = 'gc'
  readonly #arrays: (Int32Array | undefined)[] = []
  readonly #free: number[] = []
  #taken = 0
  #given = 0
  #bytes = 0

  take(bytes: number): StateBlock {
    const block = this.#free.pop() ?? this.#arrays.length
    const array = new Int32Array(wordsFor(bytes))
    this.#arrays[block] = array
    this.#taken++
    this.#bytes += array.byteLength
    return block
  }

  give(block: StateBlock): void {
    this.#bytes -= this.#arrays[block]?.byteLength ?? 0
    this.#arrays[block] = undefined
    this.#free.push(block)
    this.#given++
  }

  words(block: StateBlock): Int32Array {
    return this.#arrays[block] as Int32Array
  }

  start(): number {
    return 0
  }

  counters(): StateCounters {
    return { taken: this.#taken, given: this.#given, arena: 0, slab: 0, heap: 0, collected: this.#taken, chunks: 0, resets: 0, bytes: this.#bytes }
  }
}

type Fallback = Heap | Collected
