/**
 * Writes lines to a file in chunks of 64 KiB, waiting for the disk when it must: the rivals' output, as good as ours. One thread.
 *
 * The invariant: lines reach the file in the order of the calls.
 */
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'

const chunkChars = 65_536

export class LineWriter {
  readonly #stream: WriteStream
  #pending = ''

  constructor(file: string) {
    this.#stream = createWriteStream(file)
  }

  /** Adds whole lines, newline included. Await the result where there is one. */
  write(lines: string): Promise<unknown> | undefined {
    this.#pending += lines
    if (this.#pending.length < chunkChars) return undefined
    const full = !this.#stream.write(this.#pending)
    this.#pending = ''
    return full ? once(this.#stream, 'drain') : undefined
  }

  async close(): Promise<void> {
    this.#stream.end(this.#pending)
    await once(this.#stream, 'close')
  }
}
