/** How the heap says that an address or a page cannot be right. Any thread; cold. */
import { PercoreError } from '../base/index.js'
import { classBytes } from './classes.js'
import { capacityOf, classIn, ownerOf, unitOf, usedOf, type View } from './view.js'

/** The error for an address that is no block of ours, or not any more. */
export function badPointer(ptr: unknown, why: string): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_BAD_POINTER',
    `${String(ptr)} is not a live block of this heap: ${why}. Free each block once, with the value malloc returned.`,
  )
}

/** The error for a page whose counts or links contradict each other. */
export function corrupt(v: View, page: number, what: string): PercoreError {
  const c = classIn(v, page)
  return new PercoreError(
    'ERR_PERCORE_BAD_POINTER',
    `${what} in page ${unitOf(page)} (blocks of ${classBytes[c] ?? '?'} bytes, owner ${ownerOf(v, page)}, ` +
      `used ${usedOf(v, page)} of ${capacityOf(v, page)}): a block was freed twice, or written after it was freed`,
  )
}
