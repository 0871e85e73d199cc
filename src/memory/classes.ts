/**
 * Size classes: which block size serves a request, and how far apart blocks of a class lie. Pure; any thread.
 *
 * Invariant: a class has one stride, {@link strideBytes}, and everything that carves, counts, checks or walks blocks uses that
 * one. (An allocator this one learns from had two, and overran its pages.)
 *
 * 16-byte steps to 128, then four classes per doubling to 64 KiB, and 52 KiB: at most a fifth of a block is unused. Blocks of
 * 8 KiB and more lie 64 bytes further apart than their size, because free lists run through the first word of each block and
 * first words that are multiples of 4 KiB apart fight for one set of the first-level cache.
 *
 * A thread's first page of a class is short, one unit; when that is not enough its further ones are long, eight units, so that a class in
 * use seldom runs from page to page. Blocks of 8 KiB and more have long pages only, those of less than 128 bytes short ones only: more
 * blocks than {@link REMOTE_COUNT_MASK} would not be counted.
 */

import { UNIT_BYTES } from './layout.js'

const SMALL_STEP = 16
const SMALL_MAX = 128

/** The largest request served from a page; above it a block is a run of whole units. */
export const CLASS_BYTES_MAX = 65536

/** From this size on, blocks are coloured, and all pages are long. */
const MID_BYTES_MIN = 8192
const MID_COLOUR_BYTES = 64
/** From this size on, pages are long but for a thread's first. */
const LONG_BYTES_MIN = 128

/** Units of a short page and of a long one. */
export const SHORT_SPAN = 1
export const LONG_SPAN = 8

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

/** How many 64 KiB units a thread's first page of class `c` spans, and each further one. */
export function firstSpan(c: number): number {
  return classBytes[c]! < MID_BYTES_MIN ? SHORT_SPAN : LONG_SPAN
}
export function laterSpan(c: number): number {
  return classBytes[c]! < LONG_BYTES_MIN ? SHORT_SPAN : LONG_SPAN
}

/** How many blocks of class `c` a page of so many units holds. */
export function blocksIn(c: number, span: number): number {
  return Math.floor((span * UNIT_BYTES) / strideBytes(c))
}

/** {@link strideBytes} in words by class, for the faster paths. */
export const strideWords: Int32Array = Int32Array.from(classBytes, (_, c) => strideBytes(c) / 4)

/**
 * A number `m` that tells the starts of blocks by one multiplication in place of a division: for every word offset within a page, `offset · m
 * mod 2^32` is less than {@link reachOf} of `n` blocks exactly when `offset` is that of one of the first `n`. After Lemire, Kaser and
 * Kurz (2019): of the k-th block it is `k · (stride · m − 2^32)`, of what lies between blocks at least `m`, which is more.
 */
export function strideMagic(c: number): number {
  return Math.floor(2 ** 32 / (strideBytes(c) / 4)) + 1
}
export function reachOf(c: number, blocks: number): number {
  return blocks * (strideWords[c]! * strideMagic(c) - 2 ** 32)
}

/** Class by size: `classOf[(bytes + 15) >>> 4]` for 0 ≤ bytes ≤ {@link CLASS_BYTES_MAX}. */
export const classOf: Uint8Array = new Uint8Array(CLASS_BYTES_MAX / SMALL_STEP + 1)
for (let step = 0, c = 0; step < classOf.length; step++) {
  while (classBytes[c]! < step * SMALL_STEP) c++
  classOf[step] = c
}
