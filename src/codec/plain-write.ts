/**
 * Plain data into words, in one pass: trees of null, undefined, booleans, numbers, text, dense arrays and plain objects, with
 * the dates and bytes that rows often carry. One thread. It writes into private memory, so that giving up (anything not plain, an object met twice, too deep) leaves nothing
 * behind, a throwing getter neither, and the block can have the exact size.
 *
 * The invariant: what it accepts reads back as structuredClone would give it. What it cannot tell for certain it refuses.
 */
import { isProxy } from './host.js'
import { countMax, depthMax, plain, typeBits } from './plain-layout.js'
import { createShapeTree, type ShapeNode, shapeWords } from './shapes.js'
import { textAreaOf, writeLatin1, writeUtf16 } from './text.js'

export interface PlainWriter {
  /** The number of words written, or 0 if the value is not plain data. */
  write(value: object): number
  /** Copies what was last written. */
  copyTo(words: Int32Array, from: number, count: number): void
}

const startWords = 1024
/** A larger buffer is given back after use. */
const keptWordsMax = 1 << 18
/** Up to so many objects in a value are compared one by one; beyond, a Set is cheaper. */
const listedMax = 12
const copyLoopMax = 64

const { getPrototypeOf, hasOwn, keys: keysOf } = Object
const objectPrototype = Object.prototype
const timeOf = Date.prototype.getTime

export function createPlainWriter(): PlainWriter {
  const shapes = createShapeTree()
  const double = new Float64Array(1)
  const halves = new Int32Array(double.buffer)
  let area = textAreaOf(new Uint8Array(startWords * 4))
  let i32 = new Int32Array(area.u8.buffer)
  let limit = startWords
  let p = 0
  let depth = 0
  let busy = false
  let root = shapes.root()
  let message = 0
  const used: ShapeNode[] = []
  let usedCount = 0
  const listed: object[] = Array.from({ length: listedMax })
  let listedCount = 0
  let met: Set<object> | undefined

  function write(value: object): number {
    if (busy) return 0 // a getter of the value being written is sending a value itself
    for (const _ in objectPrototype) return 0 // inherited keys would look like own ones
    busy = true
    p = 1
    depth = 0
    listedCount = 0
    usedCount = 0
    root = shapes.root()
    message++
    try {
      if (writeContainer(value)) {
        writeShapes()
        return p
      }
    } catch {
      // A getter threw. It will again, where the failure is explained.
    } finally {
      busy = false
      met = undefined
      for (let i = 0; i < listedCount; i++) listed[i] = objectPrototype
    }
    trim()
    return 0
  }

  function writeValue(value: unknown): boolean {
    if (p + 4 > limit) grow(4)
    switch (typeof value) {
      case 'number':
        writeNumber(value)
        return true
      case 'string': return writeText(value)
      case 'boolean':
        i32[p++] = value ? plain.true : plain.false
        return true
      case 'undefined':
        i32[p++] = plain.undefined
        return true
      case 'object':
        if (value !== null) return writeContainer(value)
        i32[p++] = plain.null
        return true
    }
    return false
  }

  function writeNumber(value: number): void {
    const int = value | 0
    if (int !== value || Object.is(value, -0)) {
      double[0] = value
      i32[p] = plain.float64
      i32[p + 1] = halves[0]!
      i32[p + 2] = halves[1]!
      p += 3
    } else if (int << typeBits >> typeBits === int) {
      i32[p++] = plain.small | int << typeBits
    } else {
      i32[p] = plain.int32
      i32[p + 1] = int
      p += 2
    }
  }

  function writeText(value: string): boolean {
    const length = value.length
    if (length > countMax) return false
    const wordsMax = 1 + (length + 1 >>> 1)
    if (p + wordsMax > limit) grow(wordsMax)
    if (writeLatin1(area, value, (p + 1) * 4)) {
      i32[p] = plain.latin1 | length << typeBits
      p += 1 + (length + 3 >>> 2)
      return true
    }
    i32[p] = plain.utf16 | length << typeBits
    writeUtf16(area, value, (p + 1) * 4)
    p += 1 + (length + 1 >>> 1)
    return true
  }

  function writeContainer(value: object): boolean {
    if (depth === depthMax || isProxy(value) || metBefore(value)) return false
    if (Array.isArray(value)) return writeArray(value as unknown[])
    const prototype: unknown = getPrototypeOf(value)
    if (prototype === objectPrototype || prototype === null) return writeObject(value as Record<string, unknown>)
    if (prototype === Date.prototype) return writeDate(value as Date)
    return prototype === Uint8Array.prototype && ArrayBuffer.isView(value) && writeBytes(value as Uint8Array)
  }

  /** What only inherits from Date throws here, and is left to the engine. */
  function writeDate(value: Date): boolean {
    double[0] = timeOf.call(value)
    i32[p] = plain.date
    i32[p + 1] = halves[0]!
    i32[p + 2] = halves[1]!
    p += 3
    return true
  }

  /** Only an array that is all of its buffer: others have bytes around them, which structuredClone copies too. */
  function writeBytes(value: Uint8Array): boolean {
    const { length, buffer } = value
    if (length === 0 || length > countMax || buffer.byteLength !== length) return false
    if (!(buffer instanceof ArrayBuffer) || buffer.resizable || metBefore(buffer)) return false
    const words = length + 3 >>> 2
    if (p + 1 + words > limit) grow(1 + words)
    i32[p] = plain.bytes | length << typeBits
    area.u8.set(value, (p + 1) * 4)
    p += 1 + words
    return true
  }

  function writeArray(value: unknown[]): boolean {
    const length = value.length
    if (length > countMax) return false
    if (keysOf(value).length !== length) return false // named properties would be lost
    i32[p++] = plain.array | length << typeBits
    depth++
    for (let i = 0; i < length; i++) {
      const item = value[i]
      if ((item === undefined && !hasOwn(value, i)) || !writeValue(item)) return false
    }
    depth--
    return value.length === length
  }

  function writeObject(value: Record<string, unknown>): boolean {
    const head = p++
    let node = root
    let open = false
    depth++
    for (const key in value) {
      const item = value[key]
      if (item === undefined && !hasOwn(value, key)) return false // a getter has removed it
      if (!open) {
        const next = key === node.nextKey ? node.next : shapes.follow(node, key)
        if (next === undefined) open = true
        else node = next
      }
      if (open) writeText(key)
      if (!writeValue(item)) return false
    }
    depth--
    if (open) {
      if (p === limit) grow(1)
      i32[p++] = plain.end
    }
    if (node.message !== message) {
      node.message = message
      node.index = usedCount
      used[usedCount++] = node
    }
    i32[head] = (open ? plain.open : plain.object) | node.index << typeBits
    return true
  }

  function metBefore(value: object): boolean {
    if (met !== undefined) return met.size === met.add(value).size
    for (let i = 0; i < listedCount; i++) if (listed[i] === value) return true
    if (listedCount < listedMax) listed[listedCount++] = value
    else met = new Set(listed).add(value)
    return false
  }

  function writeShapes(): void {
    i32[0] = p
    if (p === limit) grow(1)
    i32[p++] = usedCount
    for (let i = 0; i < usedCount; i++) {
      const node = used[i]!
      const words = node.words ??= shapeWords(node.keys)
      const length = words.length
      if (p + length > limit) grow(length)
      for (let j = 0; j < length; j++) i32[p + j] = words[j]!
      p += length
    }
  }

  function grow(need: number): void {
    let words = limit
    while (words < p + need) words *= 2
    resize(words)
  }

  function resize(words: number): void {
    const previous = i32
    area = textAreaOf(new Uint8Array(words * 4))
    i32 = new Int32Array(area.u8.buffer)
    i32.set(previous.subarray(0, Math.min(p, words)))
    limit = words
  }

  function copyTo(words: Int32Array, from: number, count: number): void {
    const source = i32
    if (count <= copyLoopMax) for (let i = 0; i < count; i++) words[from + i] = source[i]!
    else words.set(source.subarray(0, count), from)
    trim()
  }

  function trim(): void {
    p = 0
    if (limit > keptWordsMax) resize(startWords)
  }

  return { write, copyTo }
}
