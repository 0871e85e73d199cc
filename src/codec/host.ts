/**
 * What the host lends the codec, found by looking: `Buffer` for long text and `node:v8` for everything structured. Any
 * thread. Nothing here may be needed: without `Buffer` text goes through loops, without a serialiser structured values are
 * refused.
 */

/** The methods of Node's Buffer that copy text to and from bytes at the speed of memcpy. */
export interface TextBuffer {
  latin1Write(text: string, offset: number, length: number): number
  ucs2Write(text: string, offset: number, length: number): number
  latin1Slice(start: number, end: number): string
  ucs2Slice(start: number, end: number): string
}

/** Turns whatever structuredClone takes into bytes and back. A browser build hands its own to `createCodec`. */
export interface StructuredFormat {
  /** Throws what the engine throws for a value that cannot be cloned. */
  serialize(value: unknown): Uint8Array
  /** `bytes` lie in shared memory and are valid only during the call. */
  deserialize(bytes: Uint8Array): unknown
}

interface NodeGlobals {
  readonly Buffer?: { from(buffer: ArrayBufferLike, byteOffset: number, length: number): TextBuffer, allocUnsafeSlow?(length: number): Uint8Array }
  readonly process?: { getBuiltinModule?(name: string): unknown }
}

interface V8Module {
  readonly Serializer: new () => { writeHeader(): void; writeValue(value: unknown): void; releaseBuffer(): Uint8Array }
  readonly Deserializer: new (bytes: Uint8Array) => { readHeader(): void; readValue(): unknown }
}

interface UtilModule {
  readonly types: { isProxy(value: unknown): boolean }
}

const host: NodeGlobals = globalThis as unknown as NodeGlobals

/** A view of `bytes` with the host's text copies, if it has them. */
export function textBufferOf(bytes: Uint8Array): TextBuffer | undefined {
  const buffer = host.Buffer?.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return typeof buffer?.latin1Slice === 'function' && typeof buffer.latin1Write === 'function' ? buffer : undefined
}

/**
 * glibc gives memory that is free at the end of its heap back to the system from 128 KiB on, and then every array faults its pages in anew: two thirds of what
 * 64 KiB cost. It learns to keep twice the size of the largest block that it was seen to free (mallopt(3), M_MMAP_THRESHOLD), so it is shown one, which is
 * never touched and takes no memory. Other allocators do not mind.
 */
const shownBytes = 31 << 20
let isShown = false

/** Bytes of their own memory, with whatever was in it: clearing 64 KiB costs more than copying it. */
export function unclearedBytes(length: number): Uint8Array {
  if (!isShown) {
    isShown = true
    try {
      host.Buffer?.allocUnsafeSlow?.(shownBytes) // garbage at once
    } catch {
      // No room for it in this process's address space: then all stays as it was.
    }
  }
  const bytes = host.Buffer?.allocUnsafeSlow?.(length)
  return bytes?.buffer.byteLength === length ? new Uint8Array(bytes.buffer) : new Uint8Array(length)
}

function builtin(name: string): unknown {
  return host.process?.getBuiltinModule?.(name)
}

/** Only a proxy can look exactly like the object it stands for; a host that cannot tell them apart copies what it shows. */
export const isProxy: (value: object) => boolean = (builtin('node:util') as UtilModule | undefined)?.types.isProxy ?? (() => false)

/**
 * The engine's own serialiser. The base classes, not the `Default…` ones: these leave typed arrays to the engine, which keeps
 * two views of one buffer two views of one buffer, as structuredClone does.
 */
export function hostStructuredFormat(): StructuredFormat | undefined {
  const v8 = builtin('node:v8') as V8Module | undefined
  if (v8 === undefined) return undefined
  return {
    serialize(value) {
      const serializer = new v8.Serializer()
      serializer.writeHeader()
      serializer.writeValue(value)
      return serializer.releaseBuffer()
    },
    deserialize(bytes) {
      const deserializer = new v8.Deserializer(bytes)
      deserializer.readHeader()
      return deserializer.readValue()
    },
  }
}
