/**
 * How plain data lies in its bytes: one value after the other, each a head byte and what belongs to it, then the shapes that travel
 * along. Pure; any thread. Little-endian, unaligned; a message starts at a multiple of 16.
 *
 * ```
 *   message    = value, shapes                    shapes are absent as long as every object's shape is shared
 *   shapes     = count u32, shape × count, each at an even byte
 *   shape      = hash u32, byteCount u32 of the keys, key × keyCount      a key is a text value
 *   value      = head u8, body
 *
 *   head           body
 *   text + n       n characters of one byte, n < 64
 *   array + n      n values, n < 32
 *   int + n        the number n itself, n < 64
 *   int8 … float64 the number; float32 only where that loses nothing
 *   date           float64, milliseconds
 *   longText       count, one byte per character
 *   wideText       count, then from the next even byte on two bytes per character
 *   longArray      count, values
 *   bytes          count, bytes
 *   object         shape ref, a value per key of the shape
 *   open           shape ref, a value per key of the shape, then (key, value) until `end`
 *
 *   count      = u8, or 255 and u32
 *   shape ref  = u32: even, the word index of a shared shape; odd, 2 i + 1 for shape i of this message
 * ```
 * A shape is the sequence of an object's keys. One that is seen often is written once to its writer's *sheet*, and from then on named by
 * its address, which means the same on every thread for as long as the memory exists: there is no table on two sides that could fall out
 * of step, and nothing to repair when a thread dies.
 */
export const head = {
  text: 0x00,
  array: 0x40,
  int: 0x60,
  undefined: 0xa0,
  null: 0xa1,
  true: 0xa2,
  false: 0xa3,
  int8: 0xa4,
  int16: 0xa5,
  int32: 0xa6,
  float32: 0xa7,
  float64: 0xa8,
  date: 0xa9,
  longText: 0xaa,
  wideText: 0xab,
  longArray: 0xac,
  bytes: 0xad,
  object: 0xae,
  open: 0xaf,
  end: 0xb0,
} as const

/** The counts that fit a head. */
export const textHeads = 64
export const arrayHeads = 32
export const intHeads = 64
/** In place of a count of one byte: the count follows in four. */
export const longCount = 255
/** The most that a count can be. */
export const countMax: number = 2 ** 30

/** Objects nested deeper than this are not written as plain data. */
export const depthMax = 100
/** A shape has at most so many keys; further keys are written in the object. */
export const shapeKeysMax = 64
