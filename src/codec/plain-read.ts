/**
 * Words back into plain data. One thread. It reads only what a writer of the same version wrote; nothing of the program's runs
 * meanwhile, so reading is never re-entered.
 *
 * Objects are made by a literal with all keys of their shape: the engine gives them one hidden class, and no key is decoded
 * twice.
 */
import { plain, typeBits, typeMask } from './plain-layout.js'
import { readLatin1, readUtf16, type TextArea } from './text.js'

interface Shape {
  readonly words: Int32Array
  readonly keys: readonly string[]
  uses: number
  build: (() => object) | undefined
}

/** Compiling a literal costs about 30 µs, so a shape has to prove that it is common. */
const usesBeforeCompiling = 200
const shapesMax = 1024

/** Reads the message that starts at a word of `i32`; `area` is the same memory. */
export function createPlainReader(i32: Int32Array, area: TextArea): (from: number) => unknown {
  const double = new Float64Array(1)
  const halves = new Int32Array(double.buffer)
  const known = new Map<number, Shape>()
  let shapes: Shape[] = []
  let p = 0

  function read(from: number): unknown {
    p = from + i32[from]!
    const count = i32[p++]!
    shapes = []
    for (let i = 0; i < count; i++) shapes.push(readShape())
    p = from + 1
    return readValue()
  }

  function readValue(): unknown {
    const head = i32[p++]!
    const n = head >>> typeBits
    switch (head & typeMask) {
      case plain.undefined: return undefined
      case plain.null: return null
      case plain.true: return true
      case plain.false: return false
      case plain.small: return head >> typeBits
      case plain.int32: return i32[p++]
      case plain.float64:
        halves[0] = i32[p]!
        halves[1] = i32[p + 1]!
        p += 2
        return double[0]
      case plain.latin1: {
        const text = readLatin1(area, p * 4, n)
        p += n + 3 >>> 2
        return text
      }
      case plain.utf16: {
        const text = readUtf16(area, p * 4, n)
        p += n + 1 >>> 1
        return text
      }
      case plain.bytes: {
        const bytes = area.u8.slice(p * 4, p * 4 + n)
        p += n + 3 >>> 2
        return bytes
      }
      case plain.date:
        halves[0] = i32[p]!
        halves[1] = i32[p + 1]!
        p += 2
        return new Date(double[0]!)
      case plain.array: return readArray(n)
      case plain.object: return readObject(shapes[n]!)
      default: return readOpen(shapes[n]!)
    }
  }

  function readArray(length: number): unknown[] {
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
    while (i32[p] !== plain.end) {
      const key = readValue() as string
      set(object, key, readValue())
    }
    p++
    return object
  }

  function readShape(): Shape {
    const hash = i32[p]!
    const length = i32[p + 1]!
    const shape = known.get(hash)
    if (shape !== undefined && shape.words.length === length && sameWords(shape.words, p + 2)) {
      p += 2 + length
      return shape
    }
    return learnShape(hash, length)
  }

  function sameWords(words: Int32Array, from: number): boolean {
    for (let i = 0; i < words.length; i++) if (words[i] !== i32[from + i]) return false
    return true
  }

  function learnShape(hash: number, length: number): Shape {
    p += 2
    const words = i32.slice(p, p + length)
    const end = p + length
    const keys: string[] = []
    while (p < end) keys.push(readValue() as string)
    const shape = { words, keys, uses: 0, build: undefined }
    if (known.size === shapesMax) known.clear()
    known.set(hash, shape)
    return shape
  }

  return read
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
