/**
 * What a struct is to the type checker: fields, records and values. Types only; see struct.ts.
 */
import type { SharedBlock } from './shared-block.js'

/** A number or boolean field. Numbers out of range wrap, as in typed arrays; `i64` and `u64` are bigints. */
export type StructScalar = 'i8' | 'u8' | 'i16' | 'u16' | 'i32' | 'u32' | 'i64' | 'u64' | 'f32' | 'f64' | 'bool'

/** Text of at most so many bytes of UTF-8, made by `struct.text`. */
export interface StructText {
  readonly kind: 'text'
  readonly byteLength: number
}

/** So many of the same, made by `struct.list`. */
export interface StructList<T> {
  readonly kind: 'list'
  readonly of: T
  readonly length: number
}

/** What a field may be. */
export type StructField = StructScalar | StructText | StructList<ListItem> | AnyStruct

export type ListItem = Exclude<StructScalar, 'bool'> | AnyStruct
type AnyStruct = Struct<StructFields>

/** Fields by name, in their order. */
export interface StructFields { readonly [name: string]: StructField }

export interface ArrayTypes {
  readonly i8: Int8Array
  readonly u8: Uint8Array
  readonly i16: Int16Array
  readonly u16: Uint16Array
  readonly i32: Int32Array
  readonly u32: Uint32Array
  readonly i64: BigInt64Array
  readonly u64: BigUint64Array
  readonly f32: Float32Array
  readonly f64: Float64Array
}

type FieldValue<T> = T extends 'i64' | 'u64' ? bigint
  : T extends 'bool' ? boolean
  : T extends StructScalar ? number
  : T extends StructText ? string
  : T extends StructList<infer I> ? (I extends keyof ArrayTypes ? ArrayTypes[I] : I extends Struct<infer G> ? readonly StructRecord<G>[] : never)
  : T extends Struct<infer F> ? StructRecord<F>
  : never

export type PlainValue<T> = T extends StructList<infer I> ? (I extends keyof ArrayTypes ? ArrayLike<FieldValue<I>> : I extends Struct<infer G> ? readonly StructValues<G>[] : never)
  : T extends Struct<infer F> ? StructValues<F>
  : FieldValue<T>

/** A record in place: reading a property reads its bytes, setting one writes them. */
export type StructRecord<F> = { -readonly [K in keyof F]: FieldValue<F[K]> }

/** Values to write into a record: nested records and lists as plain objects and arrays. */
export type StructValues<F> = { readonly [K in keyof F]?: PlainValue<F[K]> }

/** A layout and its accessors: see {@link struct}. */
export interface Struct<F> {
  /** Bytes from one record of an array to the next. */
  readonly byteLength: number
  /** Where records may begin: multiples of this. A `SharedBlock` begins at a multiple of 16. */
  readonly alignment: number
  /** Where each field lies in a record. */
  readonly offsets: { readonly [K in keyof F]: number }
  /**
   * Record `index` (default 0) of the array of records that the memory is. Throws ERR_PERCORE_INVALID_OPTION when it does not fit, or
   * when bytes do not begin at a multiple of `alignment`; ERR_PERCORE_BAD_POINTER for a block that was sent or freed. Of a block
   * that is sent or freed later the record must no longer be used.
   */
  at(memory: SharedBlock | ArrayBufferView | ArrayBufferLike, index?: number): StructRecord<F>
  /** How many records the memory has room for. */
  count(memory: SharedBlock | ArrayBufferView | ArrayBufferLike): number
  /** Points a record that `at` gave at another index of the same memory, and returns it: a loop over many records needs only one. */
  move(record: StructRecord<F>, index: number): StructRecord<F>
  /** Writes the fields that are given. */
  write(record: StructRecord<F>, values: StructValues<F>): void
  /** A plain object with copies of all fields; lists become arrays. */
  read(record: StructRecord<F>): { [K in keyof F]: PlainValue<F[K]> }
}

/** What {@link struct} is: a function, with the makers of fields that are more than a number. */
export interface StructFactory {
  <const F extends StructFields>(fields: F): Struct<F>
  /** A field of text: at most `byteLength` bytes of UTF-8, filled up with zero bytes, so that zeros at its end are not kept. Setting longer text throws. */
  text(byteLength: number): StructText
  /** A field of `length` numbers, which reads as a typed array over the record's own bytes; or of that many records. */
  list<const T extends ListItem>(of: T, length: number): StructList<T>
}
