/**
 * Typed arrays beside `Uint8Array`, which rows of numbers come in: told by their kind, not their prototype, as structuredClone does. Any thread.
 */
type NumberArrayClass = new (buffer: ArrayBufferLike) => ArrayBufferView

/** By their number in a descriptor. */
export const numberArrays: readonly NumberArrayClass[] = [
  Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array,
]
const numbers: ReadonlyMap<unknown, number> = new Map(numberArrays.map((type, number) => [type.name, number]))

/** In the length word the number takes four bits. */
const bytesMax = 2 ** 27

/** The getter that names a typed array, whatever was done to it. */
const nameOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)?.get as (this: unknown) => unknown

/** The number of a view that is all of an ordinary buffer; -1 for every other, which would bring bytes around it along. */
export function numberArrayOf(view: ArrayBufferView): number {
  const { buffer, byteLength } = view
  if (byteLength === 0 || byteLength >= bytesMax || !(buffer instanceof ArrayBuffer) || buffer.byteLength !== byteLength || buffer.resizable) return -1
  return numbers.get(nameOf.call(view)) ?? -1
}
