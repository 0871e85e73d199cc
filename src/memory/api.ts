/**
 * What a user of `percore/heap` sees: the handle of one thread, and the options of a heap. Types only.
 *
 * Invariant: a {@link SharedHeap} is used by the thread that created or attached it; a block by whoever holds its address.
 */
import type { AuditReport } from './audit.js'
import type { PrewarmPlan } from './prewarm.js'
import type { HeapStats } from './stats.js'
import type { Ptr } from './view.js'

/** What another thread needs to attach: send it with postMessage or workerData. */
export interface HeapHandle {
  readonly buffer: SharedArrayBuffer
  readonly byteOffset: number
}

/** One thread's access to a shared heap. Only the thread that created or attached it may call it. */
export interface SharedHeap {
  readonly handle: HeapHandle
  /** Which of the heap's records this thread holds. A supervisor needs it should the thread die. */
  readonly record: number
  /**
   * Returns a block of at least `bytes`, aligned to 16, content undefined. Throws ERR_PERCORE_OUT_OF_MEMORY when there is no room (the heap
   * stays usable) and ERR_PERCORE_INVALID_OPTION when `bytes` is negative or not a number.
   */
  malloc(bytes: number): Ptr
  /** As {@link SharedHeap.malloc}, but 0 when there is no room. */
  tryMalloc(bytes: number): Ptr
  /**
   * Frees a block, whichever thread allocated it; 0 is ignored. Blocks of other threads travel back in batches: see
   * {@link SharedHeap.flush}.
   * Throws ERR_PERCORE_BAD_POINTER, changing nothing, for an address that is not the start of a block, or when more blocks of a page come
   * back than went out.
   */
  free(ptr: Ptr): void
  /** As {@link SharedHeap.malloc}, filled with zeros. */
  calloc(bytes: number): Ptr
  /**
   * A block of at least `bytes` with the content of `ptr` as far as it fits; `ptr` itself when it fits well, else it is freed. `ptr` 0 is
   * malloc. When there is no room it throws ERR_PERCORE_OUT_OF_MEMORY and `ptr` stays as it was.
   */
  realloc(ptr: Ptr, bytes: number): Ptr
  /** As {@link SharedHeap.malloc}, aligned to `align` bytes within the buffer: a power of two up to 65,536. */
  memalign(align: number, bytes: number): Ptr
  /** Bytes that may be used at `ptr`; at least what was asked for. */
  usableSize(ptr: Ptr): number
  /** Sends batched frees to the threads that own the blocks: at the end of a turn, or when memory is short elsewhere. */
  flush(): void
  /** To be called before the thread parks: {@link SharedHeap.flush}, and takes in what other threads gave back. */
  idle(): void
  /**
   * To be called before the thread blocks for an unknown time, in `Atomics.wait` for instance: {@link SharedHeap.idle}, and from then on a
   * thread that would be out of memory may take what is free in this thread's pages, also what comes back to them later. Until
   * {@link SharedHeap.unpark} nothing else may be called on this handle; blocks may be read and written.
   */
  park(): void
  /** To be called first thing after {@link SharedHeap.park}. Waits, for microseconds, while another thread is at this one's pages. */
  unpark(): void
  /** Gives everything back to the common reserve that holds no block: when memory is short, or the thread has nothing to do for long. */
  trim(): void
  /**
   * Makes blocks ready before they are needed: carved and touched, so that the first allocation costs what the thousandth does. Default:
   * {@link defaultPlan}; 'learned': what the busiest thread of this heap has in use now, up to 2 MB. Returns the bytes made ready.
   */
  prewarm(plan?: PrewarmPlan | 'learned'): number
  /** Touches `bytes` of free memory in this thread's reach, whatever it will be used for. Returns the bytes touched. */
  pretouch(bytes: number): number
  /** The thread holding `record` has died: finishes what it left half done and pools its record whole. One supervisor, once per death. */
  reclaim(record: number): void
  /**
   * The orderly end: pools this thread's record with all its pages for the next thread. The handle cannot be used afterwards.
   * Idempotent.
   */
  detach(): void
  /** Counters and sizes of the whole heap; other threads may keep working. */
  stats(): HeapStats
  /**
   * Checks every invariant. Exact for this thread's pages and those of pooled records; with `quiet: true`, the caller's promise that no
   * other thread is in the heap meanwhile, for everything.
   */
  audit(options?: { readonly quiet?: boolean }): AuditReport
  /** A view of `length` bytes at `ptr`. Making a view costs about half a microsecond: keep it. */
  bytes(ptr: Ptr, length: number): Uint8Array<SharedArrayBuffer>
  /** A view of `length` 32-bit words at `ptr`. */
  i32(ptr: Ptr, length: number): Int32Array<SharedArrayBuffer>
  /** A view of `length` doubles at `ptr`. */
  f64(ptr: Ptr, length: number): Float64Array<SharedArrayBuffer>
}

/** Either a size, for a buffer of its own, or a range of zeros within a buffer that holds other things too. */
export interface HeapOptions {
  /** Size of the new buffer. Address space only: memory is used when touched. Node 20 allows 8 GiB here. */
  readonly bytes?: number
  readonly buffer?: SharedArrayBuffer
  /** A multiple of 64; default 0. */
  readonly byteOffset?: number
  /** Default: to the end of the buffer. */
  readonly byteLength?: number
  /** How many threads may be attached at a time; default 64. */
  readonly records?: number
  /**
   * Checks far more, on every thread that attaches, at several times the cost: the state of every block, canaries before and after it,
   * poison in freed ones, and where it was allocated. Default false.
   */
  readonly debug?: boolean
  /**
   * Whether a thread may take over a page of a living thread that neglects it, before it takes a new one. 'off' is the default and the
   * best measured; 'gated' asks five conditions. For experiments only: 'eager' asks none, and 'ungated' moreover prefers pages of others and
   * new ones to the thread's own.
   */
  readonly adoption?: 'off' | 'gated' | 'eager' | 'ungated'
  /**
   * 'adaptive': a thread that calls {@link SharedHeap.idle} (or parks) makes ready what it had to carve anew since it did so last, at most
   * 2 MB; a thread that is new starts with what others have learned. Default: nothing is made ready but by {@link SharedHeap.prewarm}.
   */
  readonly prewarm?: 'adaptive'
  /**
   * false: every page of blocks under 8 KiB is 64 KiB long. By default a thread's further pages of a class are 512 KiB long: faster by a quarter
   * where many blocks are alive, for some address space and at most as much memory for each size in use. Set it for heaps of a few MiB.
   */
  readonly longPages?: boolean
  /** How a thread's share grows: first chunk 1 MiB, doubling `levels` = 3 times, to at most 8 MiB. Multiples of 1 MiB. */
  readonly chunks?: { readonly firstBytes?: number; readonly maxBytes?: number; readonly levels?: number }
}
