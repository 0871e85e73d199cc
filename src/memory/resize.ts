/**
 * What is built from malloc and free: zeroed, resized and aligned blocks. The handle's thread only.
 *
 * Invariant: a block obtained here is freed like any other, because alignment comes from the choice of the class, never from an offset.
 */
import { PercoreError } from '../base/index.js'
import { CLASS_BYTES_MAX, CLASS_COUNT, classBytes, strideBytes } from './classes.js'
import { UNIT_BYTES } from './layout.js'
import type { Ptr } from './view.js'

const ALIGN_DEFAULT = 16

/**
 * A size whose blocks are all aligned to `align`: a class whose stride is a multiple of it, or a run of whole units. Throws
 * ERR_PERCORE_INVALID_OPTION when `align` is no power of two up to 64 KiB.
 */
export function alignedSize(align: number, bytes: number): number {
  if (!Number.isInteger(Math.log2(align)) || align < 1 || align > UNIT_BYTES) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `blocks can be aligned to a power of two up to ${UNIT_BYTES}, not to ${align}`)
  }
  if (align <= ALIGN_DEFAULT) return bytes
  for (let c = 0; c < CLASS_COUNT; c++) {
    if (classBytes[c]! >= bytes && strideBytes(c) % align === 0) return classBytes[c]!
  }
  return Math.max(bytes, CLASS_BYTES_MAX + 1)
}

/** Whether a block of `usable` bytes may stay where it is when `bytes` are wanted: it fits, and not more than half is wasted. */
export function mayStay(usable: number, bytes: number): boolean {
  return bytes <= usable && (bytes >= usable / 2 || usable <= 64)
}

/** Copies the first `bytes` from one block to another, 16 bytes at a time. */
export function copyBlock(f64: Float64Array, from: Ptr, to: Ptr, bytes: number): void {
  f64.copyWithin(to / 2, from / 2, from / 2 + Math.ceil(bytes / 16) * 2)
}
