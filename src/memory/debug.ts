/**
 * Debug mode: a guard in front of one thread's heap that knows the state of every block. Every thread that attaches to a debug heap gets
 * one, because the heap says so.
 *
 * Invariant: what the user gets is a block of the same heap, 16 bytes in. Those 16 bytes and the rest behind what was asked for are the
 * canaries; a map beside the heap holds the state of each (states.ts), where no stray write of the user is likely to reach it.
 *
 * ```text
 *   block                          user's pointer                    + bytes
 *   | link  | mark  | bytes | CANARY | what was asked for … … … … … … | CANARY CANARY … to the end of the block |
 *     only while free
 * ```
 */
import { PercoreError } from '../base/index.js'
import type { SharedHeap } from './api.js'
import { defaultPlan, learnPlan, prewarm, type PrewarmPlan } from './prewarm.js'
import { ALIGNED, FREED, LIVE, NEVER, stateOf, turn } from './states.js'
import type { Ptr, View } from './view.js'

const HEAD_WORDS = 4
const HEAD_BYTES = HEAD_WORDS * 4
const TAIL_BYTES_MIN = 16
/** Tails are written and checked up to here; poison up to there. A large block would take longer than anyone waits. */
const TAIL_BYTES_MAX = 256
const POISON_BYTES_MAX = 65_536
const BYTES = 2
const CANARY = 3
const CANARY_VALUE = 0x0ca1a2a3
const CANARY_BYTE = 0xca
const POISON_BYTE = 0xdd
const SITE_LINES = 6

function bad(message: string): PercoreError {
  return new PercoreError('ERR_PERCORE_BAD_POINTER', message)
}

/** Puts the guard in front of `heap`. */
export function guard(v: View, heap: SharedHeap): SharedHeap {
  const { i32, buffer } = v
  /** Where this thread allocated and freed blocks; other threads know their own. */
  const allocated = new Map<number, string>()
  const freed = new Map<number, string>()

  const bytesOf = (block: number): number => i32[block + BYTES]! >>> 0
  const site = (): string => new Error('site').stack?.split('\n').slice(3, 3 + SITE_LINES).join('\n') ?? ''
  const history = (block: number): string =>
    `\nallocated ${allocated.has(block) ? `at\n${allocated.get(block)}` : 'by another thread'}` +
    (stateOf(v, block) === FREED ? `\nfreed ${freed.has(block) ? `at\n${freed.get(block)}` : 'by another thread'}` : '')

  function tail(block: number, bytes: number): Uint8Array {
    const end = block * 4 + HEAD_BYTES + bytes
    const length = Math.min(TAIL_BYTES_MAX, block * 4 + heap.usableSize(block as Ptr) - end)
    return new Uint8Array(buffer, end, length)
  }

  function body(block: number, bytes: number): Uint8Array {
    return new Uint8Array(buffer, block * 4 + HEAD_BYTES, Math.min(bytes, POISON_BYTES_MAX))
  }

  const freeAlready = (block: number): PercoreError =>
    bad(`${block + HEAD_WORDS} is not a live block of this heap: it is free already${history(block)}`)

  /** The block behind a user's pointer, whole and in use; or throws. */
  function live(ptr: Ptr): number {
    const block = ptr - HEAD_WORDS
    const state = stateOf(v, block)
    if (state === FREED) throw freeAlready(block)
    if (state !== LIVE) throw bad(`${ptr} is not a live block of this heap: malloc never returned it`)
    if (i32[block + CANARY] !== CANARY_VALUE) throw bad(`the 4 bytes before block ${ptr} were overwritten${history(block)}`)
    const bytes = bytesOf(block)
    const at = tail(block, bytes).findIndex((byte) => byte !== CANARY_BYTE)
    if (at >= 0) throw bad(`block ${ptr} of ${bytes} bytes was written beyond its end, at byte ${bytes + at}${history(block)}`)
    return block
  }

  /** Makes a block the user's. */
  function dress(block: number, bytes: number): Ptr {
    const usable = heap.usableSize(block as Ptr)
    const state = stateOf(v, block)
    if (state === LIVE) throw new PercoreError('ERR_PERCORE_INVARIANT', `block ${block} was handed out twice${history(block)}`)
    if (state === FREED) {
      const at = body(block, Math.min(bytesOf(block), usable - HEAD_BYTES)).findIndex((byte) => byte !== POISON_BYTE)
      if (at >= 0) throw bad(`block ${block + HEAD_WORDS} was written at byte ${at} after it was freed${history(block)}`)
    }
    turn(v, block, state, LIVE)
    i32[block + BYTES] = bytes
    i32[block + CANARY] = CANARY_VALUE
    tail(block, bytes).fill(CANARY_BYTE)
    allocated.set(block, site())
    return (block + HEAD_WORDS) as Ptr
  }

  const whole = (bytes: number): number => (bytes >= 0 ? bytes + HEAD_BYTES + TAIL_BYTES_MIN : bytes)
  const malloc = (bytes: number): Ptr => dress(heap.malloc(whole(bytes)), bytes)

  function tryMalloc(bytes: number): Ptr {
    const block = heap.tryMalloc(whole(bytes))
    return block === 0 ? block : dress(block, bytes)
  }

  function release(ptr: Ptr): void {
    if (ptr === 0) return
    const block = live(ptr)
    if (!turn(v, block, LIVE, FREED)) throw freeAlready(block) // another thread was first
    body(block, bytesOf(block)).fill(POISON_BYTE)
    freed.set(block, site())
    heap.free(block as Ptr)
  }

  return {
    ...heap,
    malloc,
    tryMalloc,
    calloc(bytes: number): Ptr {
      const ptr = malloc(bytes)
      new Uint8Array(buffer, ptr * 4, bytes).fill(0)
      return ptr
    },
    realloc(ptr: Ptr, bytes: number): Ptr {
      const old = ptr === 0 ? 0 : bytesOf(live(ptr))
      const moved = malloc(bytes)
      new Uint8Array(buffer, moved * 4, Math.min(old, bytes)).set(new Uint8Array(buffer, ptr * 4, Math.min(old, bytes)))
      release(ptr)
      return moved
    },
    /** Alignment beyond 16 leaves no room for the canary before: such a block is guarded by the always-on checks only. */
    memalign(align: number, bytes: number): Ptr {
      if (align <= HEAD_BYTES) return malloc(bytes)
      const ptr = heap.memalign(align, bytes)
      turn(v, ptr, stateOf(v, ptr), ALIGNED)
      return ptr
    },
    free(ptr: Ptr): void {
      if (stateOf(v, ptr) !== ALIGNED) return release(ptr)
      if (turn(v, ptr, ALIGNED, NEVER)) heap.free(ptr)
      else release(ptr) // another thread was first, and it is told so
    },
    usableSize: (ptr: Ptr): number => (stateOf(v, ptr) === ALIGNED ? heap.usableSize(ptr) : bytesOf(live(ptr))),
    prewarm(plan: PrewarmPlan | 'learned' = defaultPlan): number {
      return prewarm(v, plan === 'learned' ? learnPlan(v) : plan, tryMalloc, release)
    },
  }
}
