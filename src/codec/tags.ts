/**
 * The layout of an encoded value: what the codec writes into the 13 payload words of a descriptor. Pure; any thread. Both
 * sides of a lane must agree on every number here, and a tag never changes its meaning while a value is under way.
 *
 * ```
 *   word   at        at+1 … at+12
 *          length    48 inline bytes, or at+1 = Ptr of a heap block of `length` bytes
 *
 *   tag    7        6       5 … 0
 *          thrown   block   kind
 * ```
 * Of plain data the length word says where its shapes begin instead; see plain-layout.ts.
 * `at + 1` is a multiple of 4, so that the inline bytes are 16-byte aligned, as blocks are. Kinds of a fixed size leave the
 * length unwritten.
 */

/** What a value is: the low six bits of a tag. */
export const kind = {
  undefined: 0,
  null: 1,
  true: 2,
  false: 3,
  int32: 4,
  float64: 5,
  /** A bigint that fits 64 bits, two's complement. */
  int64: 6,
  /** One byte per character, all below U+0100. */
  latin1: 7,
  /** Two bytes per character, as the string is: lone surrogates survive. */
  utf16: 8,
  bytes: 9,
  /** The engine's own serialisation, which takes whatever structuredClone takes. */
  structured: 10,
  /** A block that is moved, not copied: at+1 is its Ptr. */
  sharedBlock: 11,
  /** An error taken apart, as plain data: see error-record.ts. */
  error: 12,
  /** The same, with parts that are not plain. */
  structuredError: 15,
  /** The first 48 characters of an error for which there was no room. */
  lostError: 13,
  /** A tree of objects and arrays: see plain-write.ts. */
  plain: 14,
  /** What only the host can send: a message beside the descriptor, at+1 is its number. */
  carried: 16,
  /** The record of an error that holds such a value. */
  carriedError: 17,
  /** A typed array that is all of its buffer. The length word is its bytes times 16, plus its place in numberArrays. */
  numbers: 18,
} as const

export const kindMask = 0x3f
/** The payload lies in a heap block, which whoever decodes or releases the tag frees. */
export const blockBit = 0x40
/** The value was thrown: the task failed with it. */
export const thrownBit = 0x80

export const inlineBytes = 48

/** Whether a tag carries what a task failed with. Any thread. */
export function isError(tag: number): boolean {
  return (tag & thrownBit) !== 0
}
