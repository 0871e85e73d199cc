/**
 * A block of the shared heap that travels by reference. Exactly one thread owns it at a time: the one that allocated it, then
 * whoever it was sent to. The invariant: an owned block is moved or freed exactly once.
 */
import { PercoreError } from '../base/index.js'

/** What the codec needs of a heap: the calling thread's handle, which takes back blocks of any thread. */
export interface CodecHeap {
  /** The address, in 4-byte words and 16-byte aligned, of at least `bytes` bytes. Throws ERR_PERCORE_OUT_OF_MEMORY. */
  malloc(bytes: number): number
  free(address: number): void
}

/**
 * Memory that moves with a task instead of being copied. Use it for payloads from a few KiB on: moving costs the same for
 * 1 KiB and for 1 GiB. Pass it as the whole value of a call or result, not inside another value.
 *
 * Belongs to one thread at a time. Once it was sent or freed, every use throws ERR_PERCORE_BAD_POINTER; a view taken before
 * stays readable, as JavaScript cannot revoke it, and must no longer be used.
 *
 * @example
 * ```ts
 * const block = group.alloc(pixels.byteLength)
 * block.bytes.set(pixels)
 * const result = await group.run('blur', block)   // `block` is the worker's now
 * ```
 */
export class SharedBlock {
  readonly byteLength: number
  /** An own function also makes every serialiser refuse a block nested in another value. */
  private readonly heapFree: (address: number) => void
  private readonly buffer: SharedArrayBuffer
  private view: Uint8Array | undefined
  private address: number

  /** For the codec and the group; a program calls `alloc`. */
  constructor(buffer: SharedArrayBuffer, address: number, byteLength: number, heapFree: (address: number) => void) {
    this.buffer = buffer
    this.address = address
    this.byteLength = byteLength
    this.heapFree = heapFree
  }

  /** The block's bytes, in shared memory: a new block holds whatever was there before. */
  get bytes(): Uint8Array {
    const address = this.owned()
    return this.view ??= new Uint8Array(this.buffer, address * 4, this.byteLength)
  }

  /** Gives the block back to the heap. */
  free(): void {
    this.heapFree(this.take(this.buffer))
  }

  [Symbol.dispose](): void {
    if (this.address !== 0) this.free()
  }

  /** For the codec: the address, which from now on belongs to the caller. Throws if it is of another memory than `buffer`. */
  take(buffer: SharedArrayBuffer): number {
    const address = this.owned()
    if (buffer !== this.buffer) {
      throw new PercoreError(
        'ERR_PERCORE_NOT_CLONEABLE',
        'a SharedBlock can only be sent within the group that allocated it. Allocate one there and copy the bytes.',
      )
    }
    this.address = 0
    this.view = undefined
    return address
  }

  private owned(): number {
    if (this.address === 0) {
      throw new PercoreError('ERR_PERCORE_BAD_POINTER', 'this SharedBlock was sent or freed before. Allocate a new one, or wait to get it back.')
    }
    return this.address
  }
}
