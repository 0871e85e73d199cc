/**
 * Values to and from the payload words of a descriptor. One codec per thread and memory; only that thread may use it. The
 * invariant: a block belongs to the descriptor from the moment `encode` returns until `decode` or `release`, and a failed
 * `encode` has taken none. Nothing is published here, so a thread that dies while encoding leaks at most one block.
 *
 * Numbers are tried first, in functions small enough to be inlined: 2–5 ns each way. No number path allocates, calls or tries.
 */
import { PercoreError, type Words } from '../base/index.js'
import type { Ptr } from '../memory/index.js'
import { type ErrorRecord, errorOf, isErrorObject, recordOf } from './error-record.js'
import { hostStructuredFormat, type StructuredFormat, unclearedBytes } from './host.js'
import { isMoved, Moved, notTransferable } from './moved.js'
import { notCloneable } from './not-cloneable.js'
import { numberArrayOf, numberArrays } from './number-arrays.js'
import { createPlainReader } from './plain-read.js'
import { createPlainWriter } from './plain-write.js'
import type { ShapeSheet } from './shapes.js'
import { type CodecHeap, SharedBlock } from './shared-block.js'
import { blockBit, inlineBytes, kind, kindMask, thrownBit } from './tags.js'
import { isLatin1, readLatin1, readUtf16, textAreaOf, writeLatin1, writeUtf16 } from './text.js'

/** From here on it is worth a call into the host not to clear memory that is overwritten at once. */
const unclearedMin = 32_768

/**
 * One thread's encoder and decoder. `at` is the index of the descriptor's length word; `at + 1` must be a multiple of 4.
 */
export interface Codec {
  /**
   * Writes a value and returns its tag (0..255). A large value takes a block of this thread's heap.
   *
   * Throws ERR_PERCORE_NOT_CLONEABLE for what structuredClone refuses, naming it, and ERR_PERCORE_OUT_OF_MEMORY when the heap
   * is full; both leave no block behind and the descriptor unused.
   */
  encode(value: unknown, at: number): number
  /** As `encode` for a list of values that have nothing to do with each other; it decodes as an array. */
  encodeList(values: readonly unknown[], at: number): number
  /** Writes what a task failed with; {@link isError} holds for the tag. Never throws: what cannot be sent is described. */
  encodeError(error: unknown, at: number): number
  /**
   * The value; for an error tag, what was thrown. Frees the block: the descriptor must not be decoded or released again. A
   * {@link SharedBlock} now belongs to this thread.
   *
   * Throws ERR_PERCORE_NOT_CLONEABLE for what the engine wrote and cannot read: an error that is its own cause, a WebAssembly.Module.
   */
  decode(tag: number, at: number): unknown
  /** As `decode`, but what came over a port comes as it must be sent on over another: what moved, moves again. */
  relay(tag: number, at: number): unknown
  /** As `decode`, but bytes come as a {@link SharedBlock}: where they lie, if that is a block, and else in one of this thread's heap. */
  lend(tag: number, at: number): unknown
  /** Frees the block, if there is one, of a value nobody will decode. */
  release(tag: number, at: number): void
}

/**
 * Takes values that hold handles (shared memory, keys, blobs) to another thread, beside the descriptor whose length word is at `at`. Both ends
 * lie on threads that exchange descriptors, and what was sent can be taken at once.
 */
export interface Carrier {
  /** Sends a copy, as structuredClone makes it, and moves what is to be transferred; its number. Throws for what cannot be sent. */
  send(value: unknown, at: number, transfer?: readonly object[]): number
  /** What was sent under a number, once, and what moved with it. Throws when the thread at the other end has ended. */
  take(number: number, at: number): Moved
}

export interface CodecOptions {
  /** What takes Map, Set, Date, cycles and the like; by default the engine's own serialiser where the host shows it. */
  readonly structured?: StructuredFormat | undefined
  /** For what bytes cannot hold; without it that is refused. */
  readonly carrier?: Carrier | undefined
  /** Where this thread shares the shapes of objects, for all who attach to the memory; without it they travel in every message. */
  readonly sheet?: ShapeSheet | undefined
}

/**
 * The codec of the calling thread over a memory. `heap` is the thread's own handle; blocks of other threads' heaps come back
 * through its `free`. The sender keeps the tag that `encode` gives beside the descriptor; whoever reads it passes it to `decode`, once.
 */
export function createCodec(words: Words, heap: CodecHeap, options: CodecOptions = {}): Codec {
  const { buffer, i32, f64, u8 } = words
  const i64 = new BigInt64Array(buffer, f64.byteOffset, f64.length)
  const text = textAreaOf(u8)
  const readPlain = createPlainReader(text)
  const writer = createPlainWriter(i32, u8, options.sheet)
  const { carrier } = options
  const format = options.structured ?? hostStructuredFormat() ?? refusing
  const free = (ptr: Ptr): void => heap.free(ptr)

  function encode(value: unknown, at: number): number {
    if (typeof value === 'number') {
      const int = value | 0
      if (int === value && !Object.is(value, -0)) {
        i32[at + 1] = int
        return kind.int32
      }
      f64[(at + 1) >>> 1] = value
      return kind.float64
    }
    return encodeOther(value, at)
  }

  function encodeOther(value: unknown, at: number): number {
    if (typeof value === 'object') {
      if (value === null) return kind.null
      if (value instanceof Uint8Array && ArrayBuffer.isView(value)) return encodeBytes(value, kind.bytes, at)
      if (value instanceof SharedBlock) return encodeShared(value, at)
      if (ArrayBuffer.isView(value)) return encodeView(value, at)
      return value instanceof Moved ? encodeMoved(value, at) : encodeObject(value, at)
    }
    if (typeof value === 'string') return encodeText(value, at)
    if (typeof value === 'boolean') return value ? kind.true : kind.false
    if (value === undefined) return kind.undefined
    if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) {
      i64[(at + 1) >>> 1] = value
      return kind.int64
    }
    return encodeStructured(value, at)
  }

  function encodeText(value: string, at: number): number {
    const length = value.length
    if (length <= inlineBytes && writeLatin1(text, value, (at + 1) * 4)) {
      i32[at] = length
      return kind.latin1
    }
    return encodeLongText(value, at)
  }

  function encodeLongText(value: string, at: number): number {
    if (isLatin1(value)) {
      writeLatin1(text, value, takeBlock(value.length, at) * 4)
      i32[at] = value.length
      return kind.latin1 | blockBit
    }
    const bytes = value.length * 2
    const inline = bytes <= inlineBytes
    writeUtf16(text, value, (inline ? at + 1 : takeBlock(bytes, at)) * 4)
    i32[at] = bytes
    return inline ? kind.utf16 : kind.utf16 | blockBit
  }

  function encodeBytes(value: Uint8Array, as: number, at: number): number {
    const length = value.length
    if (length > inlineBytes) {
      u8.set(value, takeBlock(length, at) * 4)
      i32[at] = length
      return as | blockBit
    }
    if (length === 0) refuseDetached(value)
    const offset = (at + 1) * 4
    for (let i = 0; i < length; i++) u8[offset + i] = value[i]!
    i32[at] = length
    return as
  }

  function encodeView(value: ArrayBufferView, at: number): number {
    const number = numberArrayOf(value)
    if (number < 0) return encodeStructured(value, at)
    const tag = encodeBytes(new Uint8Array(value.buffer), kind.numbers, at)
    i32[at] = value.byteLength << 4 | number
    return tag
  }

  function encodeObject(value: object, at: number): number {
    return encodePlain(value, writer.write(value), at)
  }

  function encodeList(values: readonly unknown[], at: number): number {
    return encodePlain(values, writer.writeList(values), at)
  }

  /** `bytes` is what the writer said of it. */
  function encodePlain(value: object, bytes: number, at: number): number {
    if (bytes === 0) return encodeStructured(value, at)
    const inline = bytes <= inlineBytes
    writer.copyTo(i32, inline ? at + 1 : takeBlock(bytes, at), bytes)
    i32[at] = writer.shapesAt()
    return inline ? kind.plain : kind.plain | blockBit
  }

  function encodeStructured(value: unknown, at: number): number {
    let bytes: Uint8Array
    try {
      bytes = format.serialize(value)
    } catch (cause) {
      if (isMoved(value)) return encodeMoved(value, at) // of another copy of this module
      if (carry(value, at)) return kind.carried
      throw notCloneable(value, cause, tryClone)
    }
    return encodeBytes(bytes, kind.structured, at)
  }

  function carry(value: unknown, at: number): boolean {
    if (carrier === undefined) return false
    try {
      i32[at + 1] = carrier.send(value, at)
      return true
    } catch {
      return false
    }
  }

  function encodeShared(block: SharedBlock, at: number): number {
    i32[at + 1] = block.take(buffer)
    i32[at] = block.byteLength
    return kind.sharedBlock | blockBit
  }

  function encodeMoved(moved: Moved, at: number): number {
    moved.check()
    if (carrier === undefined) throw notTransferable('there is no port to the other thread')
    try {
      i32[at + 1] = carrier.send(moved.value, at, moved.transfer)
    } catch (cause) {
      throw cause instanceof PercoreError ? cause : notTransferable(cause)
    }
    return kind.carried
  }

  function takeBlock(bytes: number, at: number): number {
    const ptr = heap.malloc(bytes)
    i32[at + 1] = ptr
    return ptr
  }

  function encodeError(error: unknown, at: number): number {
    try {
      return encodeThrown(error, at)
    } catch (refusal) {
      try {
        return encodeThrown(refusal, at)
      } catch {
        return encodeLost(error, at)
      }
    }
  }

  function encodeThrown(error: unknown, at: number): number {
    if (!isErrorObject(error)) return encode(error, at) | thrownBit
    try {
      return encodeRecord(recordOf(error, () => true), at) // nearly always all of it can be sent
    } catch (refusal) {
      if (!(refusal instanceof PercoreError) || refusal.code !== 'ERR_PERCORE_NOT_CLONEABLE') throw refusal
      return encodeRecord(recordOf(error, clones), at)
    }
  }

  function encodeRecord(record: ErrorRecord, at: number): number {
    const tag = encodeObject(record, at)
    switch (tag & kindMask) {
      case kind.plain: return tag - kind.plain + kind.error | thrownBit
      case kind.structured: return tag - kind.structured + kind.structuredError | thrownBit
      default: return kind.carriedError | thrownBit
    }
  }

  function clones(value: unknown): boolean {
    try {
      tryClone(value)
      return true
    } catch {
      return false
    }
  }

  function tryClone(value: unknown): void {
    if (typeof value !== 'object' ? typeof value === 'function' || typeof value === 'symbol' : value !== null && writer.write(value) === 0) {
      try {
        format.serialize(value)
      } catch (refusal) {
        if (carrier === undefined) throw refusal
        structuredClone(value)
      }
    }
  }

  /** No room for the error: its beginning fits the descriptor. */
  function encodeLost(error: unknown, at: number): number {
    let start = 'an error that cannot be read'
    try {
      start = String(error)
    } catch {}
    const excerpt = start.replaceAll(/[^\x20-\xff]/g, '?').slice(0, inlineBytes)
    i32[at] = excerpt.length
    writeLatin1(text, excerpt, (at + 1) * 4)
    return kind.lostError | thrownBit
  }

  function decode(tag: number, at: number): unknown {
    if (tag === kind.int32) return i32[at + 1]
    if (tag === kind.float64) return f64[(at + 1) >>> 1]
    return decodeOther(tag, at)
  }

  function decodeOther(tag: number, at: number): unknown {
    if ((tag & blockBit) === 0) return decodeFrom(tag & kindMask, at, at + 1)
    const ptr = i32[at + 1]! as Ptr
    if ((tag & kindMask) === kind.sharedBlock) return new SharedBlock(buffer, ptr, i32[at]! >>> 0, free)
    try {
      return decodeFrom(tag & kindMask, at, ptr)
    } finally {
      heap.free(ptr)
    }
  }

  function relay(tag: number, at: number): unknown {
    return (tag & kindMask) === kind.carried ? taken(at) : decode(tag, at)
  }

  function lend(tag: number, at: number): unknown {
    if ((tag & ~blockBit) !== kind.bytes) return decode(tag, at)
    const length = i32[at]! >>> 0
    const inBlock = (tag & blockBit) !== 0
    const ptr = inBlock ? i32[at + 1]! as Ptr : heap.malloc(length)
    if (!inBlock) for (let i = 0; i * 4 < length; i++) i32[ptr + i] = i32[at + 1 + i]!
    return new SharedBlock(buffer, ptr, length, free)
  }

  function decodeFrom(valueKind: number, at: number, from: number): unknown {
    switch (valueKind) {
      case kind.undefined: return undefined
      case kind.null: return null
      case kind.true: return true
      case kind.false: return false
      case kind.int32: return i32[from]
      case kind.float64: return f64[from >>> 1]
      case kind.int64: return i64[from >>> 1]
    }
    if (valueKind === kind.carried) return taken(at)?.value
    if (valueKind === kind.carriedError) return errorOf(taken(at)?.value as ErrorRecord)
    const length = i32[at]! >>> 0
    const offset = from * 4
    switch (valueKind) {
      case kind.latin1: return readLatin1(text, offset, length)
      case kind.utf16: return readUtf16(text, offset, length / 2)
      case kind.plain: return readPlain(offset, length)
      case kind.bytes: return copyOf(offset, length)
      case kind.numbers: return new numberArrays[length & 15]!(copyOf(offset, length >>> 4).buffer)
      case kind.structured: return rebuild(offset, length)
      case kind.error: return errorOf(readPlain(offset, length) as ErrorRecord)
      case kind.structuredError: return errorOf(rebuild(offset, length) as ErrorRecord)
      case kind.lostError: return lost(readLatin1(text, offset, length))
    }
    throw new PercoreError('ERR_PERCORE_INVARIANT', `broken invariant: a descriptor with the unknown tag ${valueKind}. Please report this.`)
  }

  function copyOf(offset: number, length: number): Uint8Array {
    if (length < unclearedMin) return u8.slice(offset, offset + length)
    const bytes = unclearedBytes(length)
    bytes.set(u8.subarray(offset, offset + length))
    return bytes
  }

  function taken(at: number): Moved | undefined {
    return carrier?.take(i32[at + 1]!, at)
  }

  function rebuild(offset: number, length: number): unknown {
    try {
      return format.deserialize(u8.subarray(offset, offset + length))
    } catch (cause) {
      throw new PercoreError(
        'ERR_PERCORE_NOT_CLONEABLE',
        `the value was sent and cannot be rebuilt on this thread (${reasonOf(cause)}). Such are an error that is its own cause, a WebAssembly.Module, and what is nested a thousand levels deep and more.`,
        { cause },
      )
    }
  }

  function release(tag: number, at: number): void {
    if ((tag & blockBit) !== 0) return heap.free(i32[at + 1]! as Ptr)
    const valueKind = tag & kindMask
    if (valueKind !== kind.carried && valueKind !== kind.carriedError) return
    try {
      taken(at)
    } catch {
      // Whatever it was has gone with the other thread.
    }
  }

  return { encode, encodeList, encodeError, decode, relay, lend, release }
}

/** An array whose buffer was transferred looks empty. */
function refuseDetached(value: Uint8Array): void {
  try {
    value = new Uint8Array(value.buffer)
  } catch (cause) {
    throw new PercoreError(
      'ERR_PERCORE_NOT_CLONEABLE',
      'value is an array whose buffer was transferred elsewhere, so its bytes are gone. Send it before, or send a copy.',
      { cause },
    )
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function lost(excerpt: string): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_OUT_OF_MEMORY',
    `the task failed, and the shared heap had no room for its error, which began "${excerpt}". Give the group more memoryBytes.`,
  )
}

const refusing: StructuredFormat = {
  serialize() {
    throw new TypeError('this host shows no serialiser; pass one as options.structured')
  },
  deserialize() {
    throw new TypeError('this host shows no serialiser; pass one as options.structured')
  },
}
