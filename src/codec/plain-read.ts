/**
 * Bytes back into plain data. One thread. It reads only what a writer of the same version wrote; nothing of the program's runs
 * meanwhile, so reading is never re-entered.
 *
 * Objects are made by a literal with all keys of their shape: the engine gives them one hidden class, and no key is decoded
 * twice.
 */
import { arrayHeads, head, intHeads, longCount, textHeads } from './plain-layout.js'
import { readLatin1, readUtf16, type TextArea } from './text.js'

interface Shape {
  /** The address it is shared at, or -1. */
  readonly ref: number
  /** Its keys as they lie in the message; only needed where there is no address. */
  readonly bytes: Uint8Array
  readonly keys: readonly string[]
  uses: number
  build: (() => object) | undefined
}

/** Reads the message at a byte offset; `shapesAt` counts from there, and is 0 if it brings no shapes along. */
export type PlainReader = (from: number, shapesAt: number) => unknown

/** Compiling a literal costs about 30 µs, so a shape has to prove that it is common. */
const usesBeforeCompiling = 200
/** Shapes remembered, of either sort; when there are more, all are forgotten, and learned anew where they are met. */
const shapesMax = 2048
const recentShapes = 256

const arrayEnd = head.array + arrayHeads
const intEnd = head.int + intHeads

export function createPlainReader(area: TextArea): PlainReader {
  const { u8, view } = area
  const shared = new Map<number, Shape>()
  const byHash = new Map<number, Shape>()
  const recent: Shape[] = Array.from({ length: recentShapes }, () => shapeOf(-1, new Uint8Array(), []))
  let travelling: Shape[] = []
  let p = 0

  function read(from: number, shapesAt: number): unknown {
    if (shapesAt !== 0) readShapes(from + shapesAt)
    p = from
    return readValue()
  }

  function readValue(): unknown {
    const h = u8[p++]!
    if (h < textHeads) return readChars(h)
    if (h < arrayEnd) return readArray(h - head.array)
    if (h < intEnd) return h - head.int
    switch (h) {
      case head.undefined: return undefined
      case head.null: return null
      case head.true: return true
      case head.false: return false
      case head.int8: return view.getInt8(p++)
      case head.int16:
        p += 2
        return view.getInt16(p - 2, true)
      case head.int32:
        p += 4
        return view.getInt32(p - 4, true)
      case head.float32:
        p += 4
        return view.getFloat32(p - 4, true)
      case head.float64:
        p += 8
        return view.getFloat64(p - 8, true)
      case head.date:
        p += 8
        return new Date(view.getFloat64(p - 8, true))
      case head.longText: return readChars(readCount())
      case head.wideText: return readWide(readCount())
      case head.longArray: return readArray(readCount())
      case head.bytes: {
        const length = readCount()
        p += length
        return u8.slice(p - length, p)
      }
      case head.object: return readObject(readShape())
      default: return readOpen(readShape())
    }
  }

  function readCount(): number {
    const count = u8[p++]!
    if (count !== longCount) return count
    p += 4
    return view.getInt32(p - 4, true)
  }

  function readChars(length: number): string {
    const at = p
    p = at + length
    return readLatin1(area, at, length)
  }

  function readWide(length: number): string {
    const at = p + (p & 1)
    p = at + length * 2
    return readUtf16(area, at, length)
  }

  /** A literal has the size it needs; an array that grows has room for 17 after the first push. */
  function readArray(length: number): unknown[] {
    switch (length) {
      case 0: return []
      case 1: return [readValue()]
      case 2: return [readValue(), readValue()]
      case 3: return [readValue(), readValue(), readValue()]
      case 4: return [readValue(), readValue(), readValue(), readValue()]
      default: return readLongArray(length)
    }
  }

  function readLongArray(length: number): unknown[] {
    const array: unknown[] = []
    for (let i = 0; i < length; i++) array.push(readValue())
    return array
  }

  function readObject(shape: Shape): object {
    return shape.build === undefined ? readSlowly(shape) : shape.build()
  }

  function readSlowly(shape: Shape): object {
    if (++shape.uses > usesBeforeCompiling) shape.build = compile(shape.keys, readValue) ?? (() => readSlowly(shape))
    const object: Record<string, unknown> = {}
    for (const key of shape.keys) set(object, key, readValue())
    return object
  }

  function readOpen(shape: Shape): object {
    const object = readObject(shape) as Record<string, unknown>
    while (u8[p] !== head.end) {
      const key = readValue() as string
      set(object, key, readValue())
    }
    p++
    return object
  }

  function readShape(): Shape {
    const ref = view.getInt32(p, true)
    p += 4
    if ((ref & 1) !== 0) return travelling[ref >>> 1]!
    const shape = recent[ref >>> 1 & recentShapes - 1]!
    return shape.ref === ref ? shape : findShared(ref)
  }

  function findShared(ref: number): Shape {
    let shape = shared.get(ref)
    if (shape === undefined) {
      const resumeAt = p
      const at = ref * 4
      shape = shapeOf(ref, new Uint8Array(), readKeys(at + 8, view.getInt32(at + 4, true)))
      p = resumeAt
      if (shared.size === shapesMax) shared.clear()
      shared.set(ref, shape)
    }
    return recent[ref >>> 1 & recentShapes - 1] = shape
  }

  function readShapes(from: number): void {
    const count = view.getInt32(from, true)
    travelling = []
    p = from + 4
    for (let i = 0; i < count; i++) travelling.push(readTravelling())
  }

  function readTravelling(): Shape {
    p += p & 1
    const hash = view.getInt32(p, true)
    const length = view.getInt32(p + 4, true)
    const from = p + 8
    p = from + length
    const known = byHash.get(hash)
    if (known !== undefined && known.bytes.length === length && sameBytes(known.bytes, from)) return known
    const shape = shapeOf(-1, u8.slice(from, p), readKeys(from, length))
    if (byHash.size === shapesMax) byHash.clear()
    byHash.set(hash, shape)
    return shape
  }

  function sameBytes(bytes: Uint8Array, from: number): boolean {
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== u8[from + i]) return false
    return true
  }

  function readKeys(from: number, length: number): string[] {
    const keys: string[] = []
    p = from
    while (p < from + length) keys.push(readValue() as string)
    return keys
  }

  return read
}

function shapeOf(ref: number, bytes: Uint8Array, keys: readonly string[]): Shape {
  return { ref, bytes, keys, uses: 0, build: undefined }
}

const objectPrototype = Object.prototype

/** An assignment could meet a setter, of which `__proto__` is one. */
function set(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key in objectPrototype) Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true })
  else object[key] = value
}

/** `() => ({ "id": read(), … })`, or undefined where the host forbids making code. Keys become string literals, nothing else. */
function compile(keys: readonly string[], read: () => unknown): (() => object) | undefined {
  const members = keys.map((key) => `[${JSON.stringify(key)}]: read()`)
  for (let i = 0; i < keys.length; i++) if (keys[i] !== '__proto__') members[i] = `${JSON.stringify(keys[i])}: read()`
  try {
    return new Function('read', `return () => ({ ${members.join(', ')} })`)(read) as () => object // oxlint-disable-line no-new-func
  } catch {
    return undefined
  }
}
