/**
 * A block of the shared heap that travels by reference. Exactly one thread owns it at a time: the one that allocated it, then
 * whoever it was sent to. The invariant: an owned block is moved or freed exactly once.
 */
import { PercoreError } from '../base/index.js'
import type { Ptr, SharedHeap } from '../memory/index.js'

/** What the codec needs of the calling thread's handle of the heap. */
export type CodecHeap = Pick<SharedHeap, 'malloc' | 'free'>

/**
 * Memory that moves with a task instead of being copied. Use it for payloads from a few KiB on: moving costs the same for
 * 1 KiB and for 1 GiB. Pass it as the whole value of a call or result, not inside another value.
 *
 * Belongs to one thread at a time. Once it was sent or freed, every use throws ERR_PERCORE_BAD_POINTER; a view taken before
 * stays readable, as JavaScript cannot revoke it, and must no longer be used.
 *
 * @example
 * ```ts
 * import { ExecGroup } from 'percore'
 * import type handlers from './handlers.js'
 *
 * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url))
 * const block = group.alloc(8_294_400)
 * block.bytes.fill(1)
 * const inverted = await group.run('invert', block) // from here on `block` is the worker's, and `inverted` ours
 * console.log(inverted.bytes[0]) // 254
 * inverted.free()
 * await group.close()
 * ```
 */
export class SharedBlock {
  readonly byteLength: number
  /** An own function also makes every serialiser refuse a block nested in another value. */
  private readonly heapFree: (ptr: Ptr) => void
  private readonly buffer: SharedArrayBuffer
  private view: Uint8Array | undefined
  private ptr: Ptr
  private lapsed = false

  /** For the codec and the group; a program calls `alloc`. */
  constructor(buffer: SharedArrayBuffer, ptr: Ptr, byteLength: number, heapFree: (ptr: Ptr) => void) {
    this.buffer = buffer
    this.ptr = ptr
    this.byteLength = byteLength
    this.heapFree = heapFree
  }

  /** The block's bytes, in shared memory: a new block holds whatever was there before. */
  get bytes(): Uint8Array {
    const ptr = this.owned()
    return this.view ??= new Uint8Array(this.buffer, ptr * 4, this.byteLength)
  }

  /** Where the block begins in the memory of its group, in bytes: what WebAssembly needs to find it there. A multiple of 16. */
  get byteOffset(): number {
    return this.owned() * 4
  }

  /** Gives the block back to the heap. */
  free(): void {
    this.heapFree(this.take(this.buffer))
  }

  [Symbol.dispose](): void {
    if (this.ptr !== 0 && !this.lapsed) this.free()
  }

  /** For the codec: the address, which from now on belongs to the caller. Throws if it is of another memory than `buffer`. */
  take(buffer: SharedArrayBuffer): Ptr {
    const ptr = this.owned()
    if (buffer !== this.buffer) {
      throw new PercoreError(
        'ERR_PERCORE_NOT_CLONEABLE',
        'a SharedBlock can only be sent within the group that allocated it. Allocate one there and copy the bytes.',
      )
    }
    this.ptr = 0 as Ptr
    this.view = undefined
    return ptr
  }

  /** For the group: the handler it was lent to has ended, so every use throws from now on. False if the handler sent or freed it. */
  lapse(): boolean {
    this.lapsed = this.ptr !== 0
    return this.lapsed
  }

  /** For the group: frees a block that has lapsed. */
  reclaim(): void {
    const { ptr } = this
    this.ptr = 0 as Ptr
    if (ptr !== 0) this.heapFree(ptr)
  }

  private owned(): Ptr {
    if (this.lapsed) {
      throw new PercoreError('ERR_PERCORE_BAD_POINTER', 'these bytes were lent to a handler that has ended. Copy what is needed later, or return the block.')
    }
    if (this.ptr === 0) {
      throw new PercoreError('ERR_PERCORE_BAD_POINTER', 'this SharedBlock was sent or freed before. Allocate a new one, or wait to get it back.')
    }
    return this.ptr
  }
}
