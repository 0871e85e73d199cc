/**
 * Cuts a stream of bytes into blocks of whole lines without looking at the lines: only the last line end of each block is
 * searched for. Main thread. Every byte of the input is in exactly one block, in order, but for a byte order mark at its
 * beginning and for lines that are too long.
 */
import { PercoreError } from '../base/index.js'
import type { Input } from './input.js'
import { chunkBytes } from './limits.js'

/** Whole lines, or the beginning of one line that is too long. The bytes are valid until the next call. */
export interface Cut {
  readonly bytes: Uint8Array
  /** Bytes of the input that this cut uses up. */
  readonly inputBytes: number
  /** Length of the line, when it is longer than allowed; `bytes` is then its beginning. */
  readonly tooLong?: number
}

export interface LineBlocks {
  /**
   * The next lines, about `targetBytes` of them and at least one; undefined at the end.
   *
   * @throws {PercoreError} `ERR_PERCORE_INPUT`
   */
  next(targetBytes: number): Promise<Cut | undefined>
}

const lineFeed = 10

/** The longest line end, `\r\n`, does not count as part of the line. */
const lineEndBytes = 2

export function createLineBlocks(input: Pick<Input, 'name' | 'live' | 'read'>, lineBytesMax: number, chunk: number = chunkBytes): LineBlocks {
  let buffer = Buffer.allocUnsafeSlow(chunk)
  let start = 0
  let end = 0
  /** No line end lies between `start` and here; keeps long lines from being searched again with every read. */
  let searched = 0
  let begun = false
  let ended = false

  /** Makes room behind the bytes that are left, and reads once. */
  async function fill(): Promise<void> {
    if (start > 0) {
      buffer.copyWithin(0, start, end)
      end -= start
      searched = Math.max(0, searched - start)
      start = 0
    }
    if (end === buffer.byteLength) {
      const larger = Buffer.allocUnsafeSlow(Math.min(buffer.byteLength * 2, Math.max(chunk, lineBytesMax + lineEndBytes)))
      larger.set(buffer)
      buffer = larger
    }
    const count = await input.read(buffer.subarray(end))
    end += count
    ended = count === 0
  }

  /** Skips a byte order mark, once there are enough bytes to tell. */
  function begin(): void {
    begun = true
    if (end >= 3 && buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf) start = 3
    if (end >= 2 && ((buffer[0] === 0xff && buffer[1] === 0xfe) || (buffer[0] === 0xfe && buffer[1] === 0xff))) {
      throw new PercoreError('ERR_PERCORE_INPUT', `${input.name} is UTF-16 text; percore reads UTF-8: convert it first, for instance with iconv`)
    }
  }

  /** The end of the block to cut, or 0 when the buffer holds no whole line. */
  function cutAt(targetBytes: number): number {
    const limit = Math.min(start + targetBytes, end)
    if (ended && limit === end) return end
    const from = Math.max(start, searched)
    const last = buffer.subarray(from, limit).lastIndexOf(lineFeed)
    if (last >= 0) return from + last + 1
    searched = Math.max(from, limit)
    const next = buffer.subarray(searched, end).indexOf(lineFeed)
    if (next >= 0) return searched + next + 1
    searched = end
    return ended ? end : 0
  }

  function take(until: number): Cut {
    const bytes = buffer.subarray(start, until)
    start = until
    return { bytes, inputBytes: bytes.byteLength }
  }

  /** The buffer holds the beginning of a line that is longer than allowed: finds where it ends, keeping nothing but that beginning. */
  async function takeTooLong(): Promise<Cut> {
    const bytes = Buffer.from(buffer.subarray(start, start + lineBytesMax))
    let length = 0
    for (;;) {
      const found = buffer.subarray(start, end).indexOf(lineFeed)
      if (found >= 0 || ended) {
        length += found >= 0 ? found : end - start
        start = found >= 0 ? start + found + 1 : end
        return { bytes, inputBytes: length + (found >= 0 ? 1 : 0), tooLong: length }
      }
      length += end - start
      start = end
      await fill()
    }
  }

  return {
    async next(targetBytes) {
      for (;;) {
        const held = end - start
        if (!begun) {
          if (end >= 3 || ended) begin()
          else await fill()
        } else if (held >= targetBytes || (held > 0 && (ended || input.live))) {
          const until = cutAt(targetBytes)
          if (until > 0) return take(until)
          if (held >= lineBytesMax + lineEndBytes) return takeTooLong()
          await fill()
        } else if (ended) {
          return undefined
        } else {
          await fill()
        }
      }
    },
  }
}
