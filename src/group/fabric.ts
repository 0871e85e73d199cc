/**
 * The fabric: the one shared buffer of a group. Thread slot 0 is the thread that made it, slots 1 … workers are its workers.
 * The layout is fixed when it is made and can be found by anyone who holds the buffer.
 *
 * ```
 *  control block        64 words: magic, workers, lane capacity, byte offset of the heap
 *  thread slots         64 words each: doorbell line, state line, counters line (see below)
 *  lanes                per worker: slot 0 → worker, then back, then there with high priority, then its reports, then nested calls both ways
 *  words of tasks       one per task of the caller: whether it was called off
 *  stamps               two per task of the caller, see stamps.ts
 *  sheets               per thread slot: the shapes of the objects it sends (see src/codec), up to the heap
 *  heap                 the rest, from a page boundary
 * ```
 */
import { alignUp, invariant, PercoreError, shared, type Words, wordsOf } from '../base/index.js'
import type { ShapeSheet } from '../codec/index.js'
import { initLane, laneWords } from '../ring/index.js'
import { nestedCapacity } from './nested.js'
import { reportCapacity } from './reports.js'
import { stampWords } from './stamps.js'
import { createWasmMemory, type WasmMemory } from './wasm-memory.js'

const magic = 0x70_65_72_63 // 'perc'
const magicAt = 0
const workersAt = 1
const capacityAt = 2
const heapAt = 3
const controlWords = 64
const slotWords = 64
const heapAlignment = 65_536

/** Shapes are some 50 bytes each; a thread that has shared some 600 sends further ones with every message. Taken only when touched. */
const sheetBytes = 32_768

/** Where things are in a thread slot, in words from its start. The first line is its doorbell. */
export const slotLayout = {
  doorbell: 0,
  /** Written with atomics: a {@link slotState}. */
  state: 16,
  /** Written plainly by the slot's thread; counters are float64, at even words. */
  heapRecord: 32,
  tasks: 34,
  failures: 36,
  idleMs: 38,
  /** When the thread last ran out of work, in ms since the epoch; 0 while it is busy. */
  idleSince: 40,
  parks: 42,
  /** Streams opened in this slot; successors count on. */
  streams: 43,
  /** Counts the tasks of this worker that were called off: written by the caller with atomics, see called-off.ts. */
  calledOff: 20,
  /** The count that the worker has looked at. */
  calledOffSeen: 45,
  /** The operating system's number of the slot's thread, where it has one. */
  threadId: 46,
  /** In slot 0, written plainly by it before it publishes tasks: how many calls listen to reports. */
  listening: 44,
  /** In slot 0, written plainly by it: 1 while it looks for completions turn by turn. Advice for workers that have nothing to do: more is soon to come. */
  looking: 47,
  /** Written with atomics by slot 0: 1 once it has sent this worker anything of nested calls. Until then the worker need not look. */
  nested: 21,
  /** In slot 0, written with atomics by workers: 1 once one of them has made a nested call. For a caller that waits on the spot, where no message gets in. */
  called: 22,
} as const

/** In `heapRecord`: this thread holds none. */
export const noRecord = -1

/** `ended` is written by the slot's thread as its last act, where it has one; its successor makes it `running` again. */
export const slotState = { vacant: 0, running: 1, closing: 2, ended: 3 } as const

/** The largest group: a thread slot has 8 bits in later protocols, and nobody has more cores than that in one machine. */
export const workersMax = 256

/** The deepest lane: 65,536 descriptors are 4 MiB. */
export const depthMax = 65_536

/**
 * Address space reserved for the fabric, not memory taken: pages cost nothing until touched. 4 GiB is the longest buffer
 * every supported runtime can view as bytes.
 */
export const memoryBytesDefault: number = 4 * 2 ** 30

/** The longest buffer that can be viewed as bytes, see {@link memoryBytesDefault}. */
export const memoryBytesMax: number = 4 * 2 ** 30

/** The smallest fabric. */
export const memoryBytesMin: number = 16 * 2 ** 20

/** What must be left for payloads beside the lanes. */
const heapBytesMin = 8 * 2 ** 20

export interface Fabric {
  readonly words: Words
  /** What the words lie in, if that is WebAssembly's. */
  readonly memory: WasmMemory | undefined
  readonly workers: number
  /** Descriptors per lane, a power of two. */
  readonly laneCapacity: number
  /** Byte offset of the shared heap. */
  readonly heapOffset: number
}

/** Word index of a thread slot. */
export function slotAt(slot: number): number {
  return controlWords + slot * slotWords
}

/** Word index of one of a worker's lanes (0 …). */
export function laneAt(fabric: Fabric, worker: number, way: Way): number {
  return controlWords + (fabric.workers + 1) * slotWords + worker * lanesWords(fabric.laneCapacity) + wayAt(way, fabric.laneCapacity)
}

/** The lanes of one worker, as they lie. */
const ways = ['toWorker', 'fromWorker', 'highToWorker', 'reports', 'nestedUp', 'nestedDown'] as const
export type Way = typeof ways[number]

function capacityOf(way: Way, laneCapacity: number): number {
  if (way === 'reports') return reportCapacity
  return way === 'nestedUp' || way === 'nestedDown' ? nestedCapacity : laneCapacity
}

/** Where a lane begins, in words from the first of its worker. */
function wayAt(way: Way | undefined, laneCapacity: number): number {
  let at = 0
  for (const before of ways) {
    if (before === way) break
    at += laneWords(capacityOf(before, laneCapacity))
  }
  return at
}

/** The worker in one of whose lanes a word lies. */
export function workerAt(fabric: Fabric, word: number): number {
  return Math.floor((word - laneAt(fabric, 0, 'toWorker')) / lanesWords(fabric.laneCapacity))
}

/** Word index of the tasks' own words, by task index. */
export function taskWordsAt(fabric: Fabric): number {
  return controlWords + (fabric.workers + 1) * slotWords + fabric.workers * lanesWords(fabric.laneCapacity)
}

/** Word index of the tasks' stamps, by task index. */
export function stampsAt(fabric: Fabric): number {
  return taskWordsAt(fabric) + tasksMax(fabric.workers, fabric.laneCapacity)
}

/** How many task indices there can be: those in flight, and a margin for those whose callbacks are just being called. */
export function tasksMax(workers: number, laneCapacity: number): number {
  return workers * laneCapacity + 1024
}

/** Words of the lanes of one worker. */
function lanesWords(laneCapacity: number): number {
  return wayAt(undefined, laneCapacity)
}

/** A thread slot's sheet. A replaced worker's successor carries on in it. */
export function sheetAt(fabric: Fabric, slot: number): ShapeSheet {
  return { at: (fabric.heapOffset - (fabric.workers + 1 - slot) * sheetBytes) / 4, bytes: sheetBytes }
}

/** Makes a fabric. When the reserve is refused and was not asked for, half as much is tried, down to 16 MiB. */
export function createFabric(workers: number, laneCapacity: number, memoryBytes?: number, inWasm = false): Fabric {
  const fixedBytes = 4 * (controlWords + (workers + 1) * slotWords + workers * lanesWords(laneCapacity) + (1 + stampWords) * tasksMax(workers, laneCapacity))
  const heapOffset = alignUp(fixedBytes + (workers + 1) * sheetBytes, heapAlignment)
  if (memoryBytes !== undefined && memoryBytes < heapOffset + heapBytesMin) {
    throw new PercoreError(
      'ERR_PERCORE_INVALID_OPTION',
      `memoryBytes is ${memoryBytes}, but ${workers} workers of depth ${laneCapacity} need ${heapOffset + heapBytesMin}. Raise it, or lower one of them.`,
    )
  }
  const { buffer, memory } = reserve(memoryBytes, heapOffset, inWasm)
  const words = wordsOf(buffer)
  const fabric = { words, memory, workers, laneCapacity, heapOffset }
  const { i32 } = words
  i32[workersAt] = workers
  i32[capacityAt] = laneCapacity
  i32[heapAt] = heapOffset / 4
  for (let worker = 0; worker < workers; worker++) {
    for (const way of ways) initLane(i32, laneAt(fabric, worker, way))
  }
  shared.store(i32, magicAt, magic)
  return fabric
}

/** Finds one's way in a fabric made by another thread. */
export function attachFabric(buffer: SharedArrayBuffer, memory?: WasmMemory): Fabric {
  const words = wordsOf(buffer)
  const { i32 } = words
  invariant(shared.load(i32, magicAt) === magic, 'the buffer is not a fabric')
  return { words, memory, workers: i32[workersAt], laneCapacity: i32[capacityAt], heapOffset: i32[heapAt] * 4 }
}

interface Reserve {
  readonly buffer: SharedArrayBuffer
  readonly memory: WasmMemory | undefined
}

function reserve(wanted: number | undefined, fixedBytes: number, inWasm: boolean): Reserve {
  let bytes = wanted ?? memoryBytesDefault
  for (;;) {
    try {
      if (inWasm) {
        const memory = createWasmMemory(bytes)
        return { buffer: memory.buffer as SharedArrayBuffer, memory }
      }
      // Growable at full length, because such a buffer starts on a page boundary.
      return { buffer: new SharedArrayBuffer(bytes, { maxByteLength: bytes }), memory: undefined }
    } catch (error) {
      bytes /= 2
      if (wanted !== undefined || bytes < fixedBytes + heapBytesMin) {
        throw new PercoreError(
          'ERR_PERCORE_OUT_OF_MEMORY',
          `this machine refused to reserve ${wanted ?? memoryBytesDefault} bytes of address space. Pass a smaller memoryBytes.`,
          { cause: error },
        )
      }
    }
  }
}
