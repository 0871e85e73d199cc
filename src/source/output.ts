/**
 * Bytes to a file or standard output, in order, with back-pressure: a write is done when its bytes have been taken, and only
 * then may their memory be used again. Main thread. Nothing is copied: views of shared memory go to the system as they are.
 *
 * What may refuse bytes for long (pipes, sockets) goes through a stream of the event loop, for the reason given in input.ts.
 */
import { close, fstat, ftruncate, open, writev } from 'node:fs'
import type { Writable } from 'node:stream'
import { isatty } from 'node:tty'
import { Socket } from 'node:net'
import { promisify } from 'node:util'
import { PercoreError } from '../base/index.js'
import { systemReason } from './system-reason.js'

export interface Output {
  readonly name: string
  readonly identity: string | undefined
  /**
   * Writes all of it. One call at a time.
   *
   * @throws {PercoreError} `ERR_PERCORE_OUTPUT`: the disk is full, the reader has gone
   */
  write(views: readonly Uint8Array[]): Promise<void>
  close(): Promise<void>
}

const openFile = promisify(open)
const closeFile = promisify(close)
const writeFile = promisify(writev)
const statFile = promisify(fstat)
const truncateFile = promisify(ftruncate)

/** A file that is in use already. */
export interface Taken {
  readonly name: string
  readonly identity: string | undefined
}

/**
 * Opens a file for writing; `-` is standard output. A file that exists is emptied, unless it is in use for something else.
 *
 * @throws {PercoreError} `ERR_PERCORE_OUTPUT` when it cannot be opened, `ERR_PERCORE_INVALID_OPTION` when it is taken
 */
export async function openOutput(path: string, taken: readonly Taken[] = []): Promise<Output> {
  const name = path === '-' ? 'standard output' : path
  const fail = (error: unknown): never => {
    throw new PercoreError('ERR_PERCORE_OUTPUT', `cannot write ${name}: ${systemReason(error)}`, { cause: error })
  }
  // Opened without truncation first: the input must survive being named as the output.
  const fd = path === '-' ? 1 : await openFile(path, 'a').catch(fail)
  const stats = await statFile(fd).catch(fail)
  const identity = stats.isFile() ? `${stats.dev}:${stats.ino}` : undefined
  const clash = identity === undefined ? undefined : taken.find((other) => other.identity === identity)
  if (clash !== undefined) {
    if (fd !== 1) await closeFile(fd)
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `${name} and ${clash.name} are the same file: writing would destroy it. Name another file.`)
  }
  if (path !== '-' && stats.isFile()) await truncateFile(fd, 0).catch(fail)

  const sink = isatty(fd) || fd === 1 && (stats.isFIFO() || stats.isSocket()) ? process.stdout
    : stats.isFIFO() || stats.isSocket() ? new Socket({ fd, readable: false, writable: true })
      : undefined
  if (sink !== undefined) return { name, identity, ...pushInto(sink, fail) }
  return {
    name,
    identity,
    write: (views) => writeAll(fd, views).catch(fail),
    close: async () => {
      if (fd !== 1) await closeFile(fd).catch(fail)
    },
  }
}

async function writeAll(fd: number, views: readonly Uint8Array[]): Promise<void> {
  let rest = views.filter((view) => view.byteLength > 0)
  while (rest.length > 0) {
    let { bytesWritten } = await writeFile(fd, rest.slice(0, vectorMax))
    const next: Uint8Array[] = []
    for (const view of rest) {
      if (bytesWritten < view.byteLength) next.push(bytesWritten === 0 ? view : view.subarray(bytesWritten))
      bytesWritten = Math.max(0, bytesWritten - view.byteLength)
    }
    rest = next
  }
}
/** The most pieces Linux takes in one call. */
const vectorMax = 1024

function pushInto(stream: Writable, fail: (error: unknown) => never): Pick<Output, 'write' | 'close'> {
  stream.on('error', () => undefined) // each write reports its own
  return {
    write: (views) => new Promise<void>((resolve, reject) => {
      const done = (error?: Error | null): void => (error ? reject(error) : resolve())
      stream.cork()
      views.forEach((view, index) => stream.write(view, index === views.length - 1 ? done : undefined))
      stream.uncork()
    }).catch(fail),
    async close() {
      if (stream !== process.stdout) await new Promise<void>((resolve) => { stream.end(resolve) })
    },
  }
}
