/**
 * Typed records that are read and written where they lie, in a shared block or in any other bytes. Any thread that may use the bytes.
 *
 * The invariant: a record touches only its own bytes. It orders nothing between threads: who may touch them is settled by who has the
 * block.
 *
 * Fields lie in the order they are written in, each at a multiple of its size (C's layout), the whole at a multiple of the largest;
 * little-endian. Accessors are made once per struct, as closures: no code is made from text, so it works under any content security policy.
 */
import { alignUp, PercoreError } from '../base/index.js'
import { SharedBlock } from './shared-block.js'
import type { ListItem, PlainValue, Struct, StructFactory, StructField, StructFields, StructList, StructRecord, StructScalar, StructText } from './struct-types.js'

const viewOf = Symbol('view')
const startOf = Symbol('start')
const baseOf = Symbol('base')

/** Any record of any struct: where it lies. */
interface Placed {
  readonly [viewOf]: DataView
  [startOf]: number
  /** Where record 0 of its memory lies. */
  readonly [baseOf]: number
}

interface Layout {
  readonly byteLength: number
  readonly alignment: number
  readonly names: readonly string[]
  place(view: DataView, base: number, start: number): object
  write(record: object, values: object): void
  read(record: object): object
}

const layouts = new WeakMap<object, Layout>()

const sizes: { readonly [K in StructScalar]: number } = { i8: 1, u8: 1, bool: 1, i16: 2, u16: 2, i32: 4, u32: 4, f32: 4, i64: 8, u64: 8, f64: 8 }
const arrays = {
  i8: Int8Array, u8: Uint8Array, i16: Int16Array, u16: Uint16Array, i32: Int32Array, u32: Uint32Array, i64: BigInt64Array, u64: BigUint64Array, f32: Float32Array, f64: Float64Array,
} as const
const listLengthMax = 2 ** 24

/**
 * Describes records that lie in bytes. Use it for data that both sides read and write in place: a `SharedBlock` of records moves to a worker
 * and back without a copy, however large. Reading or writing a number costs some 3 ns in hot code (a bare `DataView` 1 ns), as long as no more
 * than four structs are hot at a time.
 *
 * Throws ERR_PERCORE_INVALID_OPTION for a field type that does not exist and for sizes that are not positive integers.
 *
 * @example
 * ```ts
 * import { ExecGroup, struct } from 'percore'
 * import type handlers from './handlers.js'
 *
 * const Point = struct({ x: 'f64', y: 'f64' })
 * const Sample = struct({ id: 'u32', valid: 'bool', where: Point, label: struct.text(12), levels: struct.list('f32', 4) })
 *
 * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url))
 * const block = group.alloc(100 * Sample.byteLength)
 * const sample = Sample.at(block, 7)
 * Sample.write(sample, { id: 1, where: { x: 0.5, y: 2 }, label: 'north', levels: [1, 2, 3, 4] })
 * sample.where.x += 1
 * console.log(Sample.byteLength, sample.where.x, sample.label, sample.levels[3]) // 56 1.5 north 4
 * block.free()
 * await group.close()
 * ```
 */
export const struct: StructFactory = Object.assign(makeStruct, {
  text: (byteLength: number): StructText => ({ kind: 'text', byteLength: positive('struct.text', byteLength) }),
  list: <const T extends ListItem>(of: T, length: number): StructList<T> => ({ kind: 'list', of, length: positive('struct.list', length) }),
})

function makeStruct<const F extends StructFields>(fields: F): Struct<F> {
  const names = Object.keys(fields)
  const offsets: Record<string, number> = {}
  const prototype: object = Object.create(null) as object
  let end = 0
  let alignment = 1
  for (const name of names) {
    if (name === '__proto__') throw refuse('a struct field cannot be named __proto__. Name it otherwise.')
    const field = fields[name]!
    const { size, align } = extentOf(name, field)
    const offset = alignUp(end, align)
    offsets[name] = offset
    end = offset + size
    alignment = Math.max(alignment, align)
    Object.defineProperty(prototype, name, { ...accessorOf(name, field, offset), enumerable: true })
  }
  if (names.length === 0) throw refuse('a struct needs at least one field.')
  const byteLength = alignUp(end, alignment)

  function Record(this: Placed, view: DataView, base: number, start: number): void {
    const self = this as { [viewOf]: DataView, [startOf]: number, [baseOf]: number }
    self[viewOf] = view
    self[startOf] = start
    self[baseOf] = base
  }
  Record.prototype = prototype
  const Constructor = Record as unknown as new (view: DataView, base: number, start: number) => object

  const layout: Layout = {
    byteLength,
    alignment,
    names,
    place: (view, base, start) => new Constructor(view, base, start),
    write(record, values) {
      for (const name of names) {
        const value: unknown = Reflect.get(values, name)
        if (value !== undefined) Reflect.set(record, name, value)
      }
    },
    read: (record) => Object.fromEntries(names.map((name) => [name, plainOf(fields[name]!, Reflect.get(record, name))])),
  }

  function placed(memory: SharedBlock | ArrayBufferView | ArrayBufferLike, index: number): object {
    const bytes = bytesOf(memory)
    if (bytes.byteOffset % alignment !== 0) {
      throw refuse(`records must begin at a multiple of ${alignment}, and these bytes begin at ${bytes.byteOffset} of their buffer. Copy them to a block.`)
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return layout.place(view, 0, startAt(index, 0, view))
  }

  function startAt(index: number, base: number, view: DataView): number {
    const start = base + index * byteLength
    if (!Number.isInteger(index) || index < 0 || start + byteLength > view.byteLength) {
      throw refuse(`there is no record ${index}: there are ${Math.floor((view.byteLength - base) / byteLength)} of ${byteLength} bytes in ${view.byteLength}.`)
    }
    return start
  }

  const made: Struct<F> = {
    byteLength,
    alignment,
    offsets: offsets as { readonly [K in keyof F]: number },
    at: (memory, index = 0) => placed(memory, index) as StructRecord<F>,
    count: (memory) => Math.floor(bytesOf(memory).byteLength / byteLength),
    move(record, index) {
      const self = record as unknown as Placed
      self[startOf] = startAt(index, self[baseOf], self[viewOf])
      return record
    },
    write: (record, values) => layout.write(record, values),
    read: (record) => layout.read(record) as { [K in keyof F]: PlainValue<F[K]> },
  }
  layouts.set(made, layout)
  return made
}

function bytesOf(memory: SharedBlock | ArrayBufferView | ArrayBufferLike): { buffer: ArrayBufferLike, byteOffset: number, byteLength: number } {
  if (memory instanceof SharedBlock) return memory.bytes
  if (ArrayBuffer.isView(memory)) return memory
  return { buffer: memory, byteOffset: 0, byteLength: memory.byteLength }
}

function extentOf(name: string, field: StructField): { size: number, align: number } {
  if (typeof field === 'string') {
    const size: number | undefined = Object.hasOwn(sizes, field) ? sizes[field] : undefined
    if (size === undefined) throw refuse(`field ${name} is of type '${field}'; there are ${Object.keys(sizes).join(', ')}, struct.text, struct.list and structs.`)
    return { size, align: size }
  }
  const nested = layouts.get(field)
  if (nested !== undefined) return { size: nested.byteLength, align: nested.alignment }
  if ('kind' in field && field.kind === 'text') return { size: field.byteLength, align: 1 }
  if ('kind' in field && field.kind === 'list' && (field.of as unknown) !== 'bool') {
    const item = extentOf(name, field.of)
    return { size: item.size * field.length, align: item.align }
  }
  throw refuse(`field ${name} is nothing a record can hold. There are ${Object.keys(sizes).join(', ')}, struct.text, struct.list and structs.`)
}

/** One pair of functions per type, so that the engine sees one kind of access in each. */
function accessorOf(name: string, field: StructField, offset: number): PropertyDescriptor & ThisType<Placed> {
  switch (field) {
    case 'i8': return { get() { return this[viewOf].getInt8(this[startOf] + offset) }, set(value: number) { this[viewOf].setInt8(this[startOf] + offset, value) } }
    case 'u8': return { get() { return this[viewOf].getUint8(this[startOf] + offset) }, set(value: number) { this[viewOf].setUint8(this[startOf] + offset, value) } }
    case 'bool': return { get() { return this[viewOf].getUint8(this[startOf] + offset) !== 0 }, set(value: boolean) { this[viewOf].setUint8(this[startOf] + offset, value ? 1 : 0) } }
    case 'i16': return { get() { return this[viewOf].getInt16(this[startOf] + offset, true) }, set(value: number) { this[viewOf].setInt16(this[startOf] + offset, value, true) } }
    case 'u16': return { get() { return this[viewOf].getUint16(this[startOf] + offset, true) }, set(value: number) { this[viewOf].setUint16(this[startOf] + offset, value, true) } }
    case 'i32': return { get() { return this[viewOf].getInt32(this[startOf] + offset, true) }, set(value: number) { this[viewOf].setInt32(this[startOf] + offset, value, true) } }
    case 'u32': return { get() { return this[viewOf].getUint32(this[startOf] + offset, true) }, set(value: number) { this[viewOf].setUint32(this[startOf] + offset, value, true) } }
    case 'f32': return { get() { return this[viewOf].getFloat32(this[startOf] + offset, true) }, set(value: number) { this[viewOf].setFloat32(this[startOf] + offset, value, true) } }
    case 'f64': return { get() { return this[viewOf].getFloat64(this[startOf] + offset, true) }, set(value: number) { this[viewOf].setFloat64(this[startOf] + offset, value, true) } }
    case 'i64': return { get() { return this[viewOf].getBigInt64(this[startOf] + offset, true) }, set(value: bigint) { this[viewOf].setBigInt64(this[startOf] + offset, value, true) } }
    case 'u64': return { get() { return this[viewOf].getBigUint64(this[startOf] + offset, true) }, set(value: bigint) { this[viewOf].setBigUint64(this[startOf] + offset, value, true) } }
  }
  const nested = layouts.get(field)
  if (nested !== undefined) return structAccessor(nested, offset)
  return (field as StructText | StructList<ListItem>).kind === 'text' ? textAccessor(name, field as StructText, offset) : listAccessor(name, field as StructList<ListItem>, offset)
}

function structAccessor(nested: Layout, offset: number): PropertyDescriptor & ThisType<Placed> {
  return {
    get() {
      const start = this[startOf] + offset
      return nested.place(this[viewOf], start, start)
    },
    set(values: object) {
      const start = this[startOf] + offset
      nested.write(nested.place(this[viewOf], start, start), values)
    },
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

function textAccessor(name: string, { byteLength }: StructText, offset: number): PropertyDescriptor & ThisType<Placed> {
  const scratch = new Uint8Array(byteLength) // not every host encodes to and decodes from shared memory
  return {
    get() {
      const view = this[viewOf]
      const start = this[startOf] + offset
      let length = byteLength
      while (length > 0 && view.getUint8(start + length - 1) === 0) length--
      for (let i = 0; i < length; i++) scratch[i] = view.getUint8(start + i)
      return decoder.decode(scratch.subarray(0, length))
    },
    set(value: string) {
      const { read, written } = encoder.encodeInto(value, scratch)
      if (read < value.length) throw refuse(`the text for field ${name} takes more than its ${byteLength} bytes of UTF-8. Cut it, or make the field larger.`)
      const view = this[viewOf]
      const start = this[startOf] + offset
      for (let i = 0; i < byteLength; i++) view.setUint8(start + i, i < written ? scratch[i]! : 0)
    },
  }
}

function listAccessor(name: string, { of, length }: StructList<ListItem>, offset: number): PropertyDescriptor & ThisType<Placed> {
  const nested = typeof of === 'object' ? layouts.get(of) : undefined
  const type = typeof of === 'string' ? (arrays[of] as new (buffer: ArrayBufferLike, byteOffset: number, length: number) => unknown) : undefined
  const get = function (this: Placed): ArrayLike<unknown> {
    const view = this[viewOf]
    const start = this[startOf] + offset
    if (type !== undefined) return new type(view.buffer, view.byteOffset + start, length) as ArrayLike<unknown>
    return Array.from({ length }, (_, i) => nested!.place(view, start, start + i * nested!.byteLength))
  }
  return {
    get,
    set(values: ArrayLike<unknown>) {
      if (values.length !== length) throw refuse(`field ${name} holds ${length} items and was set to ${values.length}. Pass as many as it holds.`)
      const items = get.call(this)
      if (nested === undefined) (items as unknown as { set(values: ArrayLike<unknown>): void }).set(values)
      else for (let i = 0; i < length; i++) nested.write(items[i] as object, values[i] as object)
    },
  }
}

function plainOf(field: StructField, value: unknown): unknown {
  if (typeof field === 'string') return value
  const nested = layouts.get(field)
  if (nested !== undefined) return nested.read(value as object)
  if ((field as StructText).kind === 'text') return value
  const { of } = field as StructList<ListItem>
  return Array.from(value as ArrayLike<unknown>, (item) => plainOf(of, item))
}

function positive(what: string, n: number): number {
  if (Number.isInteger(n) && n > 0 && n <= listLengthMax) return n
  throw refuse(`${what} was given the size ${n}. It must be an integer from 1 to ${listLengthMax}.`)
}

function refuse(message: string): PercoreError {
  return new PercoreError('ERR_PERCORE_INVALID_OPTION', message)
}
