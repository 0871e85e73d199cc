/**
 * Writes lines to a file, gathered to chunks or each by itself, waiting for the disk when it must: the rivals' output. One thread.
 *
 * The invariant: lines reach the file in the order of the calls.
 */
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'

/** As good as it gets: larger chunks are no faster. */
export const chunkChars = 65_536

export class LineWriter {
  readonly #stream: WriteStream
  readonly #chunkChars: number
  #pending = ''

  /** With `gatherChars` 0 every line is a write of its own. */
  constructor(file: string, gatherChars: number = chunkChars) {
    this.#stream = createWriteStream(file)
    this.#chunkChars = gatherChars
  }

  /** Adds whole lines, newline included. Await the result where there is one. */
  write(lines: string): Promise<unknown> | undefined {
    this.#pending += lines
    if (this.#pending.length < this.#chunkChars) return undefined
    const full = !this.#stream.write(this.#pending)
    this.#pending = ''
    return full ? once(this.#stream, 'drain') : undefined
  }

  async close(): Promise<void> {
    this.#stream.end(this.#pending)
    await once(this.#stream, 'close')
  }
}
