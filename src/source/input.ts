/**
 * Bytes from a file or standard input, pulled: nothing is read before it is asked for. Main thread.
 *
 * Regular files are read through the thread pool. Everything that may stay silent (pipes, sockets, terminals) goes through
 * a stream of the event loop instead, because a thread of the pool that is blocked in a read keeps the process from exiting.
 */
import { close, fstat, open, read } from 'node:fs'
import { Socket } from 'node:net'
import { isatty, ReadStream } from 'node:tty'
import { promisify } from 'node:util'
import { PercoreError } from '../base/index.js'
import { systemReason } from './system-reason.js'

export interface Input {
  readonly name: string
  /** Unknown for pipes. */
  readonly sizeBytes: number | undefined
  /** Bytes arrive when somebody writes them: what is there must not wait for more. */
  readonly live: boolean
  /** Names the file itself, to recognise it as an output; undefined for what is no file. */
  readonly identity: string | undefined
  /**
   * Reads at least one byte to the beginning of `target` and returns how many; 0 at the end.
   *
   * @throws {PercoreError} `ERR_PERCORE_INPUT`
   */
  read(target: Uint8Array): Promise<number>
  close(): Promise<void>
}

const openFile = promisify(open)
const closeFile = promisify(close)
const readFile = promisify(read)
const statFile = promisify(fstat)

/**
 * Opens a file for reading; `-` is standard input.
 *
 * @throws {PercoreError} `ERR_PERCORE_INPUT` when it is missing, a directory, or may not be read
 */
export async function openInput(path: string): Promise<Input> {
  const name = path === '-' ? 'standard input' : path
  const fail = (error: unknown): never => {
    throw new PercoreError('ERR_PERCORE_INPUT', `cannot read ${name}: ${systemReason(error)}`, { cause: error })
  }
  const fd = path === '-' ? 0 : await openFile(path, 'r').catch(fail)
  const stats = await statFile(fd).catch(fail)
  if (stats.isDirectory()) return fail({ code: 'EISDIR' })

  const source = isatty(fd) ? new ReadStream(fd)
    : stats.isFIFO() || stats.isSocket() ? new Socket({ fd, readable: true, writable: false })
      : undefined
  if (source !== undefined) return { name, sizeBytes: undefined, live: true, identity: undefined, ...pull(source, fail) }
  return {
    name,
    sizeBytes: stats.isFile() ? stats.size : undefined,
    live: false,
    identity: stats.isFile() ? `${stats.dev}:${stats.ino}` : undefined,
    read: (target) => readFile(fd, target, 0, target.byteLength, null).then(({ bytesRead }) => bytesRead, fail),
    close: () => closeFile(fd),
  }
}

/** A stream read by hand: it is paused unless a read waits, so its buffer stays at a chunk. */
function pull(stream: Socket, fail: (error: unknown) => never): Pick<Input, 'read' | 'close'> {
  let rest: Buffer | null = null
  let wake: (() => void) | undefined
  let problem: Error | undefined
  const changed = (): void => wake?.()
  stream.on('readable', changed).on('end', changed).on('close', changed).on('error', (error) => {
    problem = error
    changed()
  })
  return {
    async read(target) {
      for (;;) {
        if (problem !== undefined) fail(problem)
        rest ??= stream.read() as Buffer | null
        if (rest !== null) break
        if (stream.readableEnded || stream.destroyed) return 0
        await new Promise<void>((resolve) => { wake = resolve })
      }
      const taken = rest.subarray(0, target.byteLength)
      target.set(taken)
      rest = taken.byteLength < rest.byteLength ? rest.subarray(taken.byteLength) : null
      return taken.byteLength
    },
    async close() {
      stream.destroy()
    },
  }
}
