/**
 * Plain data into bytes, in one pass: trees of null, undefined, booleans, numbers, text, dense arrays and plain objects, with
 * the dates and bytes that rows often carry. One thread. It writes into private memory, so that giving up (anything not plain, an object
 * met twice, too deep) leaves nothing behind, a throwing getter neither, and the block can have the exact size.
 *
 * The invariant: what it accepts reads back as structuredClone would give it. What it cannot tell for certain it refuses.
 */
import { isProxy } from './host.js'
import { arrayHeads, countMax, depthMax, head, intHeads, longCount, textHeads } from './plain-layout.js'
import { createShapeTree, shapeBytes, type ShapeNode, type ShapeSheet } from './shapes.js'
import { textAreaOf, writeLatin1, writeUtf16 } from './text.js'

export interface PlainWriter {
  /** The number of bytes written, or 0 if the value is not plain data. */
  write(value: object): number
  /** The same for a list of values that have nothing to do with each other: what is met in several of them is copied for each. */
  writeList(values: readonly unknown[]): number
  /** Where the shapes begin that the last message brings along, or 0. */
  shapesAt(): number
  /** Copies what was last written to a word index. */
  copyTo(words: Int32Array, from: number, byteCount: number): void
}

const startBytes = 4096
/** A larger buffer is given back after use. */
const keptBytesMax = 1 << 20
/** What a head and a body of fixed size take at most. */
const fixedMax = 16
/** Up to so many objects in a value are compared one by one; beyond, a Set is cheaper. */
const listedMax = 12
const copyLoopMax = 64
/** Counting an array's keys makes a string of each; taking out its values does not, but costs more to begin with. */
const countedByKeysMax = 4

const { getPrototypeOf, hasOwn, keys: keysOf, values: valuesOf } = Object
const { fround } = Math
const objectPrototype = Object.prototype
const timeOf = Date.prototype.getTime

/** A writer that shares its shapes on `sheet`, in the words that both views show. */
export function createPlainWriter(sharedWords: Int32Array, sharedBytes: Uint8Array, sheet: ShapeSheet | undefined): PlainWriter {
  const shapes = createShapeTree(sharedWords, sharedBytes, sheet)
  let area = textAreaOf(new Uint8Array(startBytes))
  let { u8, view } = area
  let i32 = new Int32Array(u8.buffer)
  let limit = startBytes
  let p = 0
  let depth = 0
  let busy = false
  let root = shapes.root()
  let message = 0
  let shapesStart = 0
  const travelling: ShapeNode[] = []
  let travellingCount = 0
  const listed: object[] = Array.from({ length: listedMax })
  let listedCount = 0
  let listedMost = 0
  let met: Set<object> | undefined

  function write(value: object): number {
    return writeRoot(value, false)
  }

  function writeList(values: readonly unknown[]): number {
    return writeRoot(values, true)
  }

  function writeRoot(value: object, isList: boolean): number {
    if (busy) return 0 // a getter of the value being written is sending a value itself
    for (const _ in objectPrototype) return 0 // inherited keys would look like own ones
    busy = true
    p = 0
    depth = 0
    listedCount = 0
    listedMost = 0
    travellingCount = 0
    shapesStart = 0
    root = shapes.root()
    message++
    try {
      if (isList ? writeItems(value as readonly unknown[]) : writeContainer(value)) {
        if (travellingCount !== 0) writeShapes()
        return p
      }
    } catch {
      // A getter threw. It will again, where the failure is explained.
    } finally {
      busy = false
      met = undefined
      for (let i = 0; i < listedMost; i++) listed[i] = objectPrototype
    }
    trim()
    return 0
  }

  function writeValue(value: unknown): boolean {
    if (p + fixedMax > limit) grow(fixedMax)
    if (typeof value === 'string') return writeText(value)
    if (typeof value === 'number') writeNumber(value)
    else if (typeof value === 'object') {
      if (value !== null) return writeContainer(value)
      u8[p++] = head.null
    } else if (typeof value === 'boolean') u8[p++] = value ? head.true : head.false
    else if (value === undefined) u8[p++] = head.undefined
    else return false
    return true
  }

  function writeNumber(value: number): void {
    const int = value | 0
    if (int !== value || Object.is(value, -0)) writeFloat(value)
    else if (int >= 0 && int < intHeads) u8[p++] = head.int + int
    else if (int << 24 >> 24 === int) {
      u8[p] = head.int8
      u8[p + 1] = int
      p += 2
    } else if (int << 16 >> 16 === int) {
      u8[p] = head.int16
      view.setInt16(p + 1, int, true)
      p += 3
    } else {
      u8[p] = head.int32
      view.setInt32(p + 1, int, true)
      p += 5
    }
  }

  function writeFloat(value: number): void {
    if (fround(value) === value) {
      u8[p] = head.float32
      view.setFloat32(p + 1, value, true)
      p += 5
    } else {
      u8[p] = head.float64
      view.setFloat64(p + 1, value, true)
      p += 9
    }
  }

  function writeCount(count: number): void {
    if (count < longCount) u8[p++] = count
    else {
      u8[p] = longCount
      view.setInt32(p + 1, count, true)
      p += 5
    }
  }

  function writeText(value: string): boolean {
    const length = value.length
    if (length >= textHeads) return writeLongText(value)
    if (p + 1 + length > limit) grow(1 + length)
    if (!writeLatin1(area, value, p + 1)) return writeWide(value)
    u8[p] = head.text + length
    p += 1 + length
    return true
  }

  function writeLongText(value: string): boolean {
    const length = value.length
    if (length > countMax) return false
    if (p + 6 + length > limit) grow(6 + length)
    const start = p
    u8[p++] = head.longText
    writeCount(length)
    if (writeLatin1(area, value, p)) {
      p += length
      return true
    }
    p = start
    return writeWide(value)
  }

  function writeWide(value: string): boolean {
    const length = value.length
    if (p + 8 + length * 2 > limit) grow(8 + length * 2)
    u8[p++] = head.wideText
    writeCount(length)
    p += p & 1
    writeUtf16(area, value, p)
    p += length * 2
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
    view.setFloat64(p + 1, timeOf.call(value), true)
    u8[p] = head.date
    p += 9
    return true
  }

  /** Only an array that is all of its buffer: others have bytes around them, which structuredClone copies too. */
  function writeBytes(value: Uint8Array): boolean {
    const { length, buffer } = value
    if (length === 0 || length > countMax || buffer.byteLength !== length) return false
    if (!(buffer instanceof ArrayBuffer) || buffer.resizable || metBefore(buffer)) return false
    if (p + 6 + length > limit) grow(6 + length)
    u8[p++] = head.bytes
    writeCount(length)
    u8.set(value, p)
    p += length
    return true
  }

  function writeItems(values: readonly unknown[]): boolean {
    const length = values.length
    if (length > countMax) return false
    u8[p++] = head.longArray
    writeCount(length)
    depth++
    for (let i = 0; i < length; i++) {
      listedCount = 0
      met = undefined
      if (!writeValue(values[i])) return false
    }
    return true
  }

  function writeArray(value: unknown[]): boolean {
    const length = value.length
    if (length > countMax) return false
    const keyCount = length <= countedByKeysMax ? keysOf(value).length : valuesOf(value).length
    if (keyCount !== length) return false // named properties would be lost
    if (length < arrayHeads) u8[p++] = head.array + length
    else {
      u8[p++] = head.longArray
      writeCount(length)
    }
    depth++
    for (let i = 0; i < length; i++) {
      const item = value[i]
      if ((item === undefined && !hasOwn(value, i)) || !writeValue(item)) return false
    }
    depth--
    return value.length === length
  }

  function writeObject(value: Record<string, unknown>): boolean {
    const start = p
    p += 5
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
      u8[p++] = head.end
    }
    u8[start] = open ? head.open : head.object
    view.setInt32(start + 1, node.ref !== 0 ? node.ref : refOf(node), true)
    return true
  }

  function refOf(node: ShapeNode): number {
    if (node.message !== message) {
      if (shapes.share(node) !== 0) return node.ref
      node.message = message
      node.index = travellingCount
      travelling[travellingCount++] = node
    }
    return node.index * 2 + 1
  }

  function metBefore(value: object): boolean {
    if (met !== undefined) return met.size === met.add(value).size
    for (let i = 0; i < listedCount; i++) if (listed[i] === value) return true
    if (listedCount < listedMax) {
      listed[listedCount++] = value
      if (listedCount > listedMost) listedMost = listedCount
    } else met = new Set(listed).add(value)
    return false
  }

  function writeShapes(): void {
    if (p + 8 > limit) grow(8)
    shapesStart = p
    view.setInt32(p, travellingCount, true)
    p += 4
    for (let i = 0; i < travellingCount; i++) {
      const node = travelling[i]!
      const bytes = node.bytes ??= shapeBytes(node.keys)
      p += p & 1
      if (p + bytes.length + 4 > limit) grow(bytes.length + 4)
      u8.set(bytes, p)
      p += bytes.length
    }
  }

  function grow(need: number): void {
    let bytes = limit
    while (bytes < p + need) bytes *= 2
    resize(bytes)
  }

  function resize(bytes: number): void {
    const previous = u8
    area = textAreaOf(new Uint8Array(bytes))
    u8 = area.u8
    view = area.view
    i32 = new Int32Array(u8.buffer)
    u8.set(previous.subarray(0, Math.min(p, bytes)))
    limit = bytes
  }

  function copyTo(words: Int32Array, from: number, byteCount: number): void {
    const source = i32
    const count = byteCount + 3 >>> 2
    if (count <= copyLoopMax) for (let i = 0; i < count; i++) words[from + i] = source[i]!
    else words.set(source.subarray(0, count), from)
    trim()
  }

  function trim(): void {
    p = 0
    if (limit > keptBytesMax) resize(startBytes)
  }

  return { write, writeList, shapesAt: () => shapesStart, copyTo }
}
