/**
 * The one place that knows how a block of results lies in shared memory: written by a worker, read by the main thread,
 * each through a view of its own. Nothing outlives the block but the failures, which are decoded into plain objects.
 *
 * ```text
 *   byte  0  lines          lines of the block, blank ones too       u32 words, in the host's byte order
 *         4  rows           lines given to the handler, and bad ones
 *         8  written        lines of output
 *        12  failed         failures described below
 *        16  outputBytes
 *        20  failureBytes
 *        24  micros         time the block took; 0 when it waited for promises
 *        28  —
 *        32  output         UTF-8, each line with its line end
 *         …  failures       a JSON array, only when `failed` > 0
 * ```
 *
 * The input block has no layout: it is whole raw lines, as they were in the file.
 */
import type { RowFailure } from './failure.js'

/** A block of shared memory that moves between threads with its task. */
export interface Block {
  readonly bytes: Uint8Array
  readonly byteLength: number
  free(): void
}

export interface BlockResult {
  readonly lines: number
  readonly rows: number
  readonly written: number
  readonly micros: number
  readonly failures: readonly RowFailure[]
  /** A view of the block itself: valid until the block is freed. */
  readonly output: Uint8Array
}

/** What a worker has when it is through with a block, before it becomes bytes. */
export interface BlockOutcome extends Omit<BlockResult, 'output'> {
  /** The output in order: text, and bytes where it had grown too long for one text. */
  readonly output: readonly (string | Uint8Array)[]
}

const headerBytes = 32
const headerWords = headerBytes / 4

/** Worker side. Takes exactly the memory it needs from `alloc`; whoever receives the block frees it. */
export function packResult<B extends Block>(alloc: (bytes: number) => B, outcome: BlockOutcome): B {
  const failures = outcome.failures.length === 0 ? undefined : Buffer.from(JSON.stringify(outcome.failures))
  const failureBytes = failures?.byteLength ?? 0
  let outputBytes = 0
  for (const part of outcome.output) outputBytes += typeof part === 'string' ? Buffer.byteLength(part) : part.byteLength

  const block = alloc(headerBytes + outputBytes + failureBytes)
  const target = Buffer.from(block.bytes.buffer, block.bytes.byteOffset, block.bytes.byteLength)
  const words = new Uint32Array(target.buffer, target.byteOffset, headerWords)
  words.set([
    outcome.lines, outcome.rows, outcome.written, outcome.failures.length, outputBytes, failureBytes, Math.ceil(outcome.micros),
  ])
  let at = headerBytes
  for (const part of outcome.output) {
    if (typeof part === 'string') at += target.write(part, at)
    else {
      target.set(part, at)
      at += part.byteLength
    }
  }
  if (failures !== undefined) target.set(failures, at)
  return block
}

/** Main side. */
export function unpackResult(block: Block): BlockResult {
  const { buffer, byteOffset } = block.bytes
  const [lines = 0, rows = 0, written = 0, failed = 0, outputBytes = 0, failureBytes = 0, micros = 0] =
    new Uint32Array(buffer, byteOffset, headerWords)
  const output = block.bytes.subarray(headerBytes, headerBytes + outputBytes)
  const failures = failed === 0 ? [] : JSON.parse(Buffer.from(buffer, output.byteOffset + outputBytes, failureBytes).toString()) as RowFailure[]
  return { lines, rows, written, micros, failures, output }
}
