/** Compares two files byte for byte, a chunk at a time. Any thread. */
import { closeSync, openSync, readSync } from 'node:fs'

const chunkBytes = 1 << 20

/** The offset of the first byte that differs, or undefined. With `prefix`, the first file may be a beginning of the second. */
export function firstDifference(file: string, reference: string, prefix: boolean): number | undefined {
  const [a, b] = [openSync(file, 'r'), openSync(reference, 'r')]
  try {
    const [left, right] = [Buffer.alloc(chunkBytes), Buffer.alloc(chunkBytes)]
    for (let offset = 0; ; offset += chunkBytes) {
      const leftBytes = readSync(a, left, 0, chunkBytes, offset)
      const rightBytes = readSync(b, right, 0, prefix ? leftBytes : chunkBytes, offset)
      const shared = Math.min(leftBytes, rightBytes)
      if (left.compare(right, 0, shared, 0, shared) !== 0) return offset + left.findIndex((byte, index) => byte !== right[index])
      if (leftBytes !== rightBytes) return offset + shared
      if (leftBytes === 0) return undefined
    }
  } finally {
    closeSync(a)
    closeSync(b)
  }
}
