/**
 * `percore/heap`: malloc and free over shared memory, for any number of threads. Each thread has its own handle; a handle is used by its
 * thread only, a block by whoever holds its address.
 *
 * Invariant: at every call or loop boundary, every block is in exactly one place (a caller's hands, its page's free list, a sender's batch,
 * its page's remote list), so a thread that is ended at any moment loses at most the block it was just handed.
 *
 * ```text
 *  layout.ts    where things lie          page.ts    pages of one owner         record.ts  one record per thread, pooled
 *  classes.ts   sizes and the stride      remote.ts  frees across threads       audit.ts   every invariant, checked
 *  reserve.ts   64 KiB units, one bit     reuse.ts   the must-reuse gate        stats.ts   every branch, counted
 *  arena.ts     chunks of the reserve     large.ts   runs of units              faults.ts  what is said when it is wrong
 *  lend.ts      records of absent threads learn.ts   what will be needed again
 * ```
 *
 * The fast paths below are everything a malloc or free costs while a page has blocks: loads and stores of a few words of shared memory,
 * no atomics. They are closures over constant views because V8 then folds every address: measured 5–15 % faster than class fields,
 * 15–25 % faster than private fields. `| 0` on the slow path's result keeps the address an untagged integer in the caller, 5–12 %
 * more. All that holds for the first heap a thread opens; further ones in the same thread share generic code.
 */
import { PercoreError } from '../base/index.js'
import { adoptionModes } from './adopt.js'
import type { HeapHandle, HeapOptions, SharedHeap } from './api.js'
import { type AuditReport, auditHeap } from './audit.js'
import * as classes from './classes.js'
import { C } from './counters.js'
import { guard } from './debug.js'
import { badPointer } from './faults.js'
import { freeLarge, takeLarge } from './large.js'
import * as layout from './layout.js'
import { adapt } from './learn.js'
import { park, unpark } from './lend.js'
import { freeAtEdge } from './page.js'
import { defaultPlan, learnPlan, prewarm, type PrewarmPlan, pretouch } from './prewarm.js'
import { acquireRecord, poolRecord, reclaimRecord } from './record.js'
import { bindSender } from './remote.js'
import { alignedSize, copyBlock, mayStay } from './resize.js'
import { drainPending, refill, trimGone, trimRecord } from './reuse.js'
import { type HeapStats, readStats } from './stats.js'
import { homeWord, type Ptr, type View, viewOf } from './view.js'

// V8 reads an imported binding from memory at each use and folds a constant of the module itself: mixed went from 89 to 110 Mops/s.
const { CLASS_BYTES_MAX, CLASS_COUNT, classBytes, classOf } = classes
const { CLASS_LARGE, HOME_DISTANCE, HOME_LARGE, MARK, MARK_FREE, PAGE_SHIFT, R_ACTIVE, START_SHIFT, UNIT_BYTES, UNIT_SHIFT } = layout
const { GRANULE_BYTES, HEADER_WORDS, H_ADAPTIVE, H_ADOPTION, H_CHUNK_FIRST, H_CHUNK_LEVELS, H_CHUNK_MAX, H_DEBUG } = layout
const { H_END_WORD, H_MAGIC, H_RECORDS, H_SHORT_PAGES, MAGIC_VALUE } = layout

const RECORDS_DEFAULT = 64

/**
 * Lays out a new heap and attaches the calling thread. Use a heap for data that threads hand to each other by address, when cloning
 * it is too slow; within a group, `group.alloc` does this. Throws ERR_PERCORE_INVALID_OPTION for options that cannot be used.
 *
 * @example
 * ```ts
 * import { createHeap } from 'percore/heap'
 *
 * const heap = createHeap({ bytes: 2 ** 30 }) // address space: memory is used when touched
 * const ptr = heap.malloc(100)
 * heap.f64(ptr, 12).fill(1.5)
 * console.log(heap.f64(ptr, 12)[11], heap.usableSize(ptr)) // 1.5 112
 * heap.free(ptr)
 * console.log(heap.stats().records[0].blocksUsed, heap.audit().ok) // 0 true
 * ```
 */
export function createHeap(options: HeapOptions): SharedHeap {
  const { byteOffset = 0, records = RECORDS_DEFAULT, chunks = {}, debug = false, adoption = 'off' } = options
  const buffer = options.buffer ?? newBuffer(options.bytes)
  const byteLength = options.byteLength ?? buffer.byteLength - byteOffset
  if (!(byteLength >= 0 && byteOffset + byteLength <= buffer.byteLength)) {
    throw new PercoreError(
      'ERR_PERCORE_INVALID_OPTION',
      `a heap of ${byteLength} bytes at ${byteOffset} does not fit a buffer of ${buffer.byteLength}`,
    )
  }
  const geometry = layout.geometryOf(byteOffset, byteLength, records, debug)
  const i32 = new Int32Array(buffer, byteOffset, HEADER_WORDS)
  if (i32[H_MAGIC] !== 0) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `there is something at byte ${byteOffset} already; a new heap needs zeros`)
  }
  i32[H_RECORDS] = records
  i32[H_END_WORD] = (byteOffset + byteLength) / 4
  i32[H_CHUNK_FIRST] = granulesOf('first', chunks.firstBytes ?? GRANULE_BYTES)
  i32[H_CHUNK_MAX] = granulesOf('max', chunks.maxBytes ?? 8 * GRANULE_BYTES)
  i32[H_CHUNK_LEVELS] = chunks.levels ?? 3
  i32[H_ADOPTION] = adoptionModes[adoption]
  i32[H_DEBUG] = debug ? 1 : 0
  i32[H_ADAPTIVE] = options.prewarm === 'adaptive' ? 1 : 0
  i32[H_SHORT_PAGES] = options.longPages === false ? 1 : 0
  i32[H_MAGIC] = MAGIC_VALUE
  return open(buffer, byteOffset, geometry)
}

function granulesOf(name: string, bytes: number): number {
  const granules = bytes / GRANULE_BYTES
  if (Number.isInteger(granules) && granules >= 1 && granules <= 1024) return granules
  throw new PercoreError(
    'ERR_PERCORE_INVALID_OPTION',
    `chunks.${name}Bytes must be a multiple of ${GRANULE_BYTES} up to ${1024 * GRANULE_BYTES}, not ${bytes}`,
  )
}

function newBuffer(bytes: number | undefined): SharedArrayBuffer {
  if (bytes === undefined || !Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `a heap needs a buffer or a size in bytes; bytes is ${bytes}`)
  }
  try {
    return new SharedArrayBuffer(bytes)
  } catch (cause) {
    const message = `this runtime does not give a SharedArrayBuffer of ${bytes} bytes; ask for less`
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', message, { cause })
  }
}

/**
 * Attaches the calling thread to a heap made elsewhere: it takes over the record, with all pages, of a thread that ended, or a fresh one.
 * Throws ERR_PERCORE_INVALID_OPTION when there is no heap, and ERR_PERCORE_OUT_OF_MEMORY when all records are held. Waits, for up to
 * 0.1 s, only when the one record left is lent to a thread that takes a page from it.
 *
 * @example
 * ```ts
 * import { isMainThread, Worker, workerData } from 'node:worker_threads'
 * import { attachHeap, createHeap } from 'percore/heap'
 *
 * if (isMainThread) {
 *   const heap = createHeap({ bytes: 2 ** 30 })
 *   const ptr = heap.malloc(100)
 *   heap.bytes(ptr, 100).fill(7)
 *   new Worker(new URL(import.meta.url), { workerData: { handle: heap.handle, ptr } })
 * } else {
 *   const heap = attachHeap(workerData.handle)
 *   console.log(heap.bytes(workerData.ptr, 100)[99]) // 7
 *   heap.free(workerData.ptr) // whoever holds the address may free it
 *   heap.detach()
 * }
 * ```
 */
export function attachHeap(handle: HeapHandle): SharedHeap {
  const { buffer, byteOffset } = handle
  const i32 = new Int32Array(buffer, byteOffset, HEADER_WORDS)
  if (i32[H_MAGIC] !== MAGIC_VALUE) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `there is no heap at byte ${byteOffset} of this buffer`)
  }
  const byteLength = (i32[H_END_WORD]! >>> 0) * 4 - byteOffset
  return open(buffer, byteOffset, layout.geometryOf(byteOffset, byteLength, i32[H_RECORDS]!, i32[H_DEBUG] === 1))
}

function open(buffer: SharedArrayBuffer, byteOffset: number, geometry: layout.Geometry): SharedHeap {
  const words = new Int32Array(buffer, 0, geometry.firstUnit * 2 ** UNIT_SHIFT)
  const v = viewOf(buffer, geometry, acquireRecord(words, geometry))
  const heap = bind(v, { buffer, byteOffset })
  return geometry.debugMap === 0 ? heap : guard(v, heap)
}

function outOfMemory(v: View, bytes: number): PercoreError {
  const { bytesTotal, bytesFree } = readStats(v)
  return new PercoreError(
    'ERR_PERCORE_OUT_OF_MEMORY',
    `no room for a block of ${bytes} bytes: ${bytesFree} of ${bytesTotal} bytes are in no page. Free blocks, or ask for a larger heap (of a group: memoryBytes).`,
  )
}

function bind(v: View, handle: HeapHandle): SharedHeap {
  const { i32, me, record, geometry, buffer, pages, units } = v
  const { free: freeList, left, magic, reach } = pages
  const { class: kind, home, span } = units
  // One view for the links of free blocks and one for their marks, of one length: V8 checks an address once for both.
  const links = new Int32Array(buffer, 0, i32.length - MARK)
  const marks = new Int32Array(buffer, MARK * 4, i32.length - MARK)
  const active = new Int32Array(buffer, (record + R_ACTIVE) * 4, CLASS_COUNT)
  const mine = homeWord(me)
  const sender = bindSender(v)
  const { freeRemote } = sender
  const flush = (): void => sender.flush(v)
  const isAdaptive = i32[geometry.base + H_ADAPTIVE] === 1 && geometry.debugMap === 0 // it would write into poisoned blocks

  function tryMalloc(bytes: number): Ptr {
    if (bytes <= CLASS_BYTES_MAX && bytes >= 0) {
      const page = active[classOf[(bytes + 15) >>> 4]!]!
      const block = freeList[page]!
      if (block !== 0) {
        freeList[page] = links[block]!
        left[page] = (left[page]! + 1) | 0
        marks[block] = 0
        return block as Ptr
      }
    }
    return (mallocSlow(bytes) | 0) as Ptr
  }

  function malloc(bytes: number): Ptr {
    if (bytes <= CLASS_BYTES_MAX && bytes >= 0) {
      const page = active[classOf[(bytes + 15) >>> 4]!]!
      const block = freeList[page]!
      if (block !== 0) {
        freeList[page] = links[block]!
        left[page] = (left[page]! + 1) | 0
        marks[block] = 0
        return block as Ptr
      }
    }
    return (mallocOrThrow(bytes) | 0) as Ptr
  }

  function mallocOrThrow(bytes: number): number {
    const block = mallocSlow(bytes)
    if (block === 0) throw outOfMemory(v, bytes)
    return block
  }

  function mallocSlow(bytes: number): number {
    if (!(bytes >= 0)) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `a block has 0 or more bytes, not ${bytes}`)
    flush()
    const block = takeBlock(v, bytes, false)
    if (block !== 0) return block
    trimRecord(v)
    trimGone(v)
    const again = takeBlock(v, bytes, true)
    if (again === 0) v.f64[v.counters + C.outOfMemory]! += 1
    return again
  }

  function free(ptr: Ptr): void {
    const unit = ptr >>> UNIT_SHIFT
    const word = home[unit]!
    const distance = word ^ mine // of no unit it is what is mine, which is no distance either
    if (distance > HOME_DISTANCE) return freeElsewhere(ptr, word)
    const page = (unit - distance) << PAGE_SHIFT
    if (Math.imul(ptr - (page << START_SHIFT), magic[page]!) >>> 0 >= reach[page]!) throw notABlock(ptr)
    const stay = (left[page]! - 1) | 0
    if (marks[ptr] === MARK_FREE || stay <= 0) return freeAtEdge(v, ptr, page)
    links[ptr] = freeList[page]!
    marks[ptr] = MARK_FREE
    freeList[page] = ptr
    left[page] = stay
  }

  function notABlock(ptr: Ptr): PercoreError {
    v.f64[v.counters + C.badFrees]! += 1
    return badPointer(ptr, 'there is no block in use at this address')
  }

  /** `word` says whose it is; nobody's it is 0, and undefined outside of the heap. */
  function freeElsewhere(ptr: Ptr, word: number | undefined): void {
    if (word !== undefined && word !== 0 && word !== HOME_LARGE) return freeRemote(ptr, ((ptr >>> UNIT_SHIFT) - (word & HOME_DISTANCE)) << PAGE_SHIFT)
    if (ptr === 0) return
    if (word !== HOME_LARGE) throw notABlock(ptr)
    freeLarge(v, ptr)
  }

  /** The first unit of the page of a block in use, checked; or throws. */
  function unitHolding(ptr: Ptr): number {
    const unit = ptr >>> UNIT_SHIFT
    const word = home[unit] ?? 0
    if (word === 0) throw badPointer(ptr, 'there is no block in use at this address')
    const first = unit - (word & HOME_DISTANCE)
    const offset = ptr - (first << UNIT_SHIFT)
    const inside = word === HOME_LARGE ? offset === 0 : Math.imul(offset, units.magic[first]!) >>> 0 < units.reach[first]!
    if (!inside) throw badPointer(ptr, 'it points into a block, not at its start')
    return first
  }

  const heap = {
    handle,
    record: me,
    malloc,
    tryMalloc,
    free,
    usableSize(ptr: Ptr): number {
      const unit = unitHolding(ptr)
      return kind[unit] === CLASS_LARGE ? span[unit]! * UNIT_BYTES : classBytes[kind[unit]!]!
    },
    calloc(bytes: number): Ptr {
      const ptr = malloc(bytes)
      new Float64Array(buffer, ptr * 4, Math.ceil(bytes / 16) * 2).fill(0)
      return ptr
    },
    realloc(ptr: Ptr, bytes: number): Ptr {
      const usable = ptr === 0 ? 0 : heap.usableSize(ptr)
      if (ptr !== 0 && mayStay(usable, bytes)) return ptr
      const moved = malloc(bytes)
      copyBlock(v.f64, ptr, moved, Math.min(usable, bytes))
      free(ptr)
      return moved
    },
    memalign: (align: number, bytes: number): Ptr => malloc(alignedSize(align, bytes)),
    prewarm: (plan: PrewarmPlan | 'learned' = defaultPlan): number => prewarm(v, plan === 'learned' ? learnPlan(v) : plan, tryMalloc, free),
    pretouch: (bytes: number): number => pretouch(v, bytes),
    flush,
    idle(): void {
      flush()
      for (let c = 0; c < CLASS_COUNT; c++) drainPending(v, c)
      if (isAdaptive) adapt(v, (bytes) => takeBlock(v, bytes, false) as Ptr, free) // takes no other thread's memory
    },
    trim(): void {
      flush()
      trimRecord(v)
    },
    park(): void {
      heap.idle()
      park(v)
    },
    unpark: (): void => unpark(v),
    reclaim: (dead: number): void => reclaimRecord(v, dead, sender),
    detach(): void {
      poolRecord(v, sender)
      const gone = (): never => {
        throw new PercoreError('ERR_PERCORE_CLOSED', 'this thread has detached from the heap; attach again')
      }
      const allocating = ['malloc', 'tryMalloc', 'calloc', 'realloc', 'memalign', 'free', 'prewarm', 'pretouch']
      const methods = [...allocating, 'flush', 'idle', 'trim', 'park', 'unpark', 'reclaim']
      Object.assign(heap, Object.fromEntries(methods.map((name) => [name, gone])), { detach: () => {} })
    },
    stats: (): HeapStats => readStats(v),
    audit: (options?: { readonly quiet?: boolean }): AuditReport => auditHeap(v, options?.quiet === true),
    bytes: (ptr: Ptr, length: number): Uint8Array<SharedArrayBuffer> => new Uint8Array(buffer, ptr * 4, length),
    i32: (ptr: Ptr, length: number): Int32Array<SharedArrayBuffer> => new Int32Array(buffer, ptr * 4, length),
    f64: (ptr: Ptr, length: number): Float64Array<SharedArrayBuffer> => new Float64Array(buffer, ptr * 4, length),
  }
  return heap
}

/** A block through the gate; a middle-sized one may take whole units when no page can be had. 0 when the heap is full. */
function takeBlock(v: View, bytes: number, starving: boolean): number {
  const { i32, pages } = v
  if (bytes > CLASS_BYTES_MAX) return takeLarge(v, bytes)
  const c = classOf[(bytes + 15) >>> 4]!
  const page = refill(v, c, starving)
  if (page === 0) return classBytes[c]! >= UNIT_BYTES / 8 ? takeLarge(v, bytes) : 0
  const block = pages.free[page]!
  pages.free[page] = i32[block]!
  pages.left[page]! += 1
  i32[block + MARK] = 0
  return block
}
