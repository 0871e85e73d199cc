/**
 * How plain data lies in a block: 4-byte words, values in the order they are met, then the shapes. Pure; any thread.
 *
 * ```
 *   message   = shapeTable (index of the count word, from the start of the message), value, count, shape × count
 *   value     = head, body                       head = type | n << 4
 *   shape     = hash, wordCount, key × keyCount  (a key is a text value)
 *
 *   type      n                 body
 *   small     the integer, 28 bits, signed
 *   int32                       1 word
 *   float64                     2 words
 *   latin1    characters        ⌈n / 4⌉ words
 *   utf16     characters        ⌈n / 2⌉ words
 *   bytes     bytes             ⌈n / 4⌉ words
 *   date                        2 words, milliseconds as a double
 *   array     elements          n values
 *   object    shape             a value per key of the shape
 *   open      shape             a value per key of the shape, then (key, value) until `end`
 * ```
 * A shape is the sequence of an object's keys. A message carries each of its shapes once, as ready bytes, which the reader
 * compares with those it knows: no table is shared between threads, so none can be out of date or lost with one.
 */
export const plain = {
  undefined: 0,
  null: 1,
  true: 2,
  false: 3,
  small: 4,
  int32: 5,
  float64: 6,
  latin1: 7,
  utf16: 8,
  array: 9,
  object: 10,
  open: 11,
  end: 12,
  bytes: 13,
  date: 14,
} as const

export const typeMask = 0xf
export const typeBits = 4
/** The most that `n` can count. */
export const countMax: number = 2 ** 27 - 1

/** Objects nested deeper than this are not written as plain data. */
export const depthMax = 100
/** A shape has at most so many keys; further keys are written in the object. */
export const shapeKeysMax = 64
