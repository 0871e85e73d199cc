/**
 * Size classes: which block size serves a request, and how far apart blocks of a class lie. Pure; any thread.
 *
 * Invariant: a class has one stride, {@link strideBytes}, and everything that carves, counts, checks or walks blocks uses that
 * one. (An allocator this one learns from had two, and overran its pages.)
 *
 * 16-byte steps to 128, then four classes per doubling to 64 KiB, and 52 KiB: at most a fifth of a block is unused. Blocks of
 * 8 KiB and more lie 64 bytes further apart than their size, because free lists run through the first word of each block and
 * first words that are multiples of 4 KiB apart fight for one set of the first-level cache.
 */

import { UNIT_BYTES } from './layout.js'

const SMALL_STEP = 16
const SMALL_MAX = 128

/** The largest request served from a page; above it a block is a run of whole units. */
export const CLASS_BYTES_MAX = 65536

/** From this size on, blocks are coloured and their pages are {@link MID_SPAN_UNITS} units long. */
const MID_BYTES_MIN = 8192
const MID_COLOUR_BYTES = 64
const MID_SPAN_UNITS = 8

function listSizes(): readonly number[] {
  const sizes: number[] = []
  for (let size = SMALL_STEP; size <= SMALL_MAX; size += SMALL_STEP) sizes.push(size)
  for (let low = SMALL_MAX; low < CLASS_BYTES_MAX; low *= 2) for (let k = 1; k <= 4; k++) sizes.push(low + (low / 4) * k)
  sizes.push(52 * 1024)
  return sizes.sort((a, b) => a - b)
}

/** Usable bytes of a block, by class. */
export const classBytes: readonly number[] = listSizes()
export const CLASS_COUNT: number = classBytes.length

/** Distance in bytes from one block of class `c` to the next: the one definition. */
export function strideBytes(c: number): number {
  const size = classBytes[c]!
  return size < MID_BYTES_MIN ? size : size + MID_COLOUR_BYTES
}

/** How many 64 KiB units a page of class `c` spans. */
export function spanUnits(c: number): number {
  return classBytes[c]! < MID_BYTES_MIN ? 1 : MID_SPAN_UNITS
}

/** How many blocks a page of class `c` holds. */
export function blocksPerPage(c: number): number {
  return Math.floor((spanUnits(c) * UNIT_BYTES) / strideBytes(c))
}

/** {@link strideBytes} in words, {@link spanUnits} and {@link blocksPerPage} by class, for the faster paths. */
export const strideWords: Int32Array = Int32Array.from(classBytes, (_, c) => strideBytes(c) / 4)
export const spans: Int32Array = Int32Array.from(classBytes, (_, c) => spanUnits(c))
export const capacities: Int32Array = Int32Array.from(classBytes, (_, c) => blocksPerPage(c))
/** Words of a page's blocks, those behind the last one left out. */
export const pageWords: Int32Array = Int32Array.from(classBytes, (_, c) => blocksPerPage(c) * (strideBytes(c) / 4))

/**
 * A number `m` such that, for every word offset within a page, `offset` is a multiple of the stride exactly when
 * `offset · m mod 2^32 < m`: the divisibility test of Lemire, Kaser and Kurz (2019). One multiplication in place of a division.
 */
export function strideMagic(c: number): number {
  return Math.ceil(2 ** 32 / (strideBytes(c) / 4))
}

/** {@link strideMagic} by class. */
export const magics: Int32Array = Int32Array.from(classBytes, (_, c) => strideMagic(c))

/** Class by size: `classOf[(bytes + 15) >>> 4]` for 0 ≤ bytes ≤ {@link CLASS_BYTES_MAX}. */
export const classOf: Uint8Array = new Uint8Array(CLASS_BYTES_MAX / SMALL_STEP + 1)
for (let step = 0, c = 0; step < classOf.length; step++) {
  while (classBytes[c]! < step * SMALL_STEP) c++
  classOf[step] = c
}
