/**
 * The main job: the lines of an input through a handler on every core, results to an output. Main thread, which only moves
 * bytes: it cuts the input into blocks of whole lines, hands them to the workers, and writes what comes back.
 *
 * ```text
 *   input ──cut──▶ on their way (≤ depth × workers) ──▶ finished, out of order ──settle in order──▶ writer ──▶ output
 *                  └──────────────── entries (≤ 4 × depth × workers, ≤ 32 MiB) ────────────────┘
 * ```
 *
 * Entries are settled in input order, always: line numbers are sums over the blocks before. Ordered results are written when
 * they are settled, unordered ones as they finish. What must never break: a line's result is written once or not at all, and
 * after the first failure under `fail` nothing that comes later in the input is written (when ordered).
 */
import { type ErrorCode, PercoreError } from '../base/index.js'
import { type Block, type BlockResult, unpackResult } from './block.js'
import type { DeadLetters } from './dead-letters.js'
import { describe, excerptOf, type RowFailure } from './failure.js'
import type { Input } from './input.js'
import { blockBytesMax, blockBytesMin, blockBytesStart, blockMicrosTarget, heldBytesMax, interruptGraceMs, reorderFactor } from './limits.js'
import { type Cut, createLineBlocks } from './line-blocks.js'
import type { Output } from './output.js'
import { createResultWriter, type ResultWriter } from './result-writer.js'

/** What the job needs of a group whose workers run worker.ts. */
export interface BlockGroup {
  run(name: 'block', input: Block): Promise<unknown>
  alloc(bytes: number): Block
}

export interface MapLinesOptions {
  readonly group: BlockGroup
  readonly input: Input
  readonly output: Output
  /** Blocks on their way at once, over all workers. */
  readonly inFlightMax: number
  readonly ordered: boolean
  /** Under `fail` the first failure in input order ends the run. */
  readonly onError: 'fail' | 'skip'
  /** Where failures go; needs `onError: 'skip'`. */
  readonly deadLetters?: DeadLetters
  readonly lineBytesMax: number
  /** Ends the run: no more input, a short wait for what is on its way, and what was written ends with a line. */
  readonly signal?: AbortSignal
  /** How long that wait may be. */
  readonly graceMs?: number
  /** Called for every failure, in input order, with line numbers of the input. */
  onFailure?(failure: RowFailure): void
}

/** How far a run has got. Live while it runs. */
export interface Counts {
  /** Lines dealt with, blank ones too. */
  lines: number
  rows: number
  failed: number
  bytesIn: number
  /** Lines of output, and their bytes, that the system has taken. */
  written: number
  bytesOut: number
}

export type MapLinesEnd =
  | { readonly status: 'done' | 'interrupted' }
  | { readonly status: 'row-failed', readonly failure: RowFailure }
  | { readonly status: 'io-failed' | 'group-failed', readonly error: PercoreError }

export interface MapLinesRun {
  readonly counts: Readonly<Counts>
  /** Never rejects for what a run can meet: bad rows, bad files, dead workers and an interruption are ends like any other. */
  readonly end: Promise<MapLinesEnd>
}

export function mapLines(options: MapLinesOptions): MapLinesRun {
  const job = new Job(options)
  return { counts: job.counts, end: job.run() }
}

/** A block that was cut, until it is settled. */
interface Entry {
  readonly inputBytes: number
  /** The lines themselves: a block that is lost as a whole is accounted for line by line. */
  readonly kept: Buffer
  readonly outcome: Promise<Outcome>
  /** Ends the wait for the outcome. */
  readonly abandon: () => void
}

/** What became of a block; undefined when nobody waited for it. `block` is what is left to write and free. */
type Outcome = { readonly result: BlockResult, readonly block: Block | undefined } | { readonly error: unknown } | undefined

class Job {
  readonly counts: Counts = { lines: 0, rows: 0, written: 0, failed: 0, bytesIn: 0, bytesOut: 0 }
  private readonly options: MapLinesOptions
  private readonly writer: ResultWriter
  private readonly changed = new Bell()
  /** In input order; the first is the next to be settled. */
  private readonly entries: Entry[] = []
  private readonly spare: Buffer[] = []
  private inFlight = 0
  private heldBytes = 0
  private blockBytes = blockBytesStart
  /** No more entries will come. */
  private fed = false
  private inputEnded = false
  private feedError: unknown
  private end: MapLinesEnd | undefined

  constructor(options: MapLinesOptions) {
    this.options = options
    this.writer = createResultWriter(
      options.output,
      (lines, bytes) => {
        this.counts.written += lines
        this.counts.bytesOut += bytes
        this.changed.ring()
      },
      (error) => this.finish(failedEnd(error)),
    )
  }

  async run(): Promise<MapLinesEnd> {
    const { signal, graceMs = interruptGraceMs } = this.options
    let grace: NodeJS.Timeout | undefined
    const interrupt = (): void => {
      this.fed = true
      this.changed.ring()
      grace = setTimeout(() => this.finish({ status: 'interrupted' }), graceMs)
    }
    if (signal?.aborted) interrupt()
    else signal?.addEventListener('abort', interrupt)

    // Not awaited: a read of a silent pipe may never return. It reports through `fed` and `feedError`.
    void this.feed()
    await this.settle()
    await this.writer.drained()
    clearTimeout(grace)
    signal?.removeEventListener('abort', interrupt)
    if (this.end === undefined && this.feedError !== undefined) this.finish(failedEnd(this.feedError))
    return this.end ?? { status: this.inputEnded ? 'done' : 'interrupted' }
  }

  /** Ends the run now: what is on its way is abandoned. The first reason counts, but an output that failed outranks a row. */
  private finish(end: MapLinesEnd): void {
    if (this.end === undefined || (this.end.status === 'row-failed' && end.status === 'io-failed')) this.end = end
    this.fed = true
    for (const entry of this.entries) entry.abandon()
    this.changed.ring()
  }

  /** The producing side: cuts and submits while there is room. */
  private async feed(): Promise<void> {
    const lines = createLineBlocks(this.options.input, this.options.lineBytesMax)
    try {
      for (;;) {
        while (!this.fed && !this.hasRoom()) await this.changed.wait()
        if (this.fed) return
        const cut = await lines.next(this.blockBytes)
        if (this.fed) return
        if (cut === undefined) break
        await this.submit(cut)
        this.changed.ring()
      }
      this.inputEnded = true
    } catch (error) {
      this.feedError = error
    }
    this.fed = true
    this.changed.ring()
  }

  private hasRoom(): boolean {
    const { entries, inFlight, writer, options: { inFlightMax } } = this
    if (inFlight >= inFlightMax || entries.length + writer.waiting >= inFlightMax * reorderFactor) return false
    const held = this.heldBytes + writer.waitingBytes
    return held === 0 || held + this.blockBytes <= heldBytesMax
  }

  private async submit(cut: Cut): Promise<void> {
    const { bytes } = cut
    if (cut.tooLong !== undefined) {
      const result = this.tooLong(bytes, cut.tooLong)
      this.enter({ inputBytes: cut.inputBytes, kept: noBytes, outcome: Promise.resolve({ result, block: undefined }), abandon: () => undefined })
      return
    }
    const block = await this.allocate(bytes.byteLength)
    block.bytes.set(bytes)
    const kept = bytes.byteLength <= blockBytesMax ? this.spare.pop() ?? Buffer.allocUnsafeSlow(blockBytesMax) : Buffer.from(bytes)
    kept.set(bytes)

    let abandon = (): void => undefined
    const outcome = new Promise<Outcome>((resolve) => {
      abandon = () => resolve(undefined)
      this.options.group.run('block', block).then(
        (result) => resolve(this.arrived(result as Block, bytes.byteLength)),
        (error: unknown) => {
          this.inFlight -= 1
          resolve({ error })
          this.changed.ring()
        },
      )
    })
    this.inFlight += 1
    this.enter({ inputBytes: cut.inputBytes, kept: kept.subarray(0, bytes.byteLength), outcome, abandon })
  }

  private enter(entry: Entry): void {
    this.entries.push(entry)
    this.heldBytes += entry.inputBytes
  }

  /** Memory for a block; when the shared heap is full, waits until something comes back. */
  private async allocate(bytes: number): Promise<Block> {
    for (;;) {
      try {
        return this.options.group.alloc(bytes)
      } catch (error) {
        const full = error instanceof PercoreError && error.code === 'ERR_PERCORE_OUT_OF_MEMORY'
        if (!full || this.inFlight + this.writer.waiting + this.entries.length === 0) throw error
      }
      await this.changed.wait()
    }
  }

  /** A worker has answered. */
  private arrived(block: Block, inputBytes: number): Outcome {
    this.inFlight -= 1
    this.changed.ring()
    if (this.end !== undefined) {
      block.free()
      return undefined
    }
    const result = unpackResult(block)
    if (result.micros > 0) this.adaptBlockSize(inputBytes, result.micros)
    if (this.options.ordered) return { result, block }
    this.writer.push(block, result.output, result.written)
    return { result, block: undefined }
  }

  /** At most a factor of two at a time: one odd block must not decide. */
  private adaptBlockSize(inputBytes: number, micros: number): void {
    const ideal = inputBytes * (blockMicrosTarget / micros)
    const near = Math.min(this.blockBytes * 2, Math.max(this.blockBytes / 2, ideal))
    this.blockBytes = Math.round(Math.min(blockBytesMax, Math.max(blockBytesMin, near)))
  }

  /** The consuming side: takes the outcomes in input order. */
  private async settle(): Promise<void> {
    for (;;) {
      const entry = this.entries[0]
      if (entry === undefined) {
        if (this.fed) return
        await this.changed.wait()
        continue
      }
      const outcome = await entry.outcome
      if (this.end !== undefined || outcome === undefined) return
      if ('error' in outcome) await this.settleLost(entry, outcome.error)
      else await this.settleResult(outcome.result, outcome.block)
      this.counts.bytesIn += entry.inputBytes
      this.heldBytes -= entry.inputBytes
      this.entries.shift()
      if (entry.kept.buffer.byteLength === blockBytesMax) this.spare.push(Buffer.from(entry.kept.buffer))
      this.changed.ring()
      if (this.end !== undefined) return
    }
  }

  private async settleResult(result: BlockResult, block: Block | undefined): Promise<void> {
    const { counts } = this
    if (block !== undefined) this.writer.push(block, result.output, result.written)
    const before = counts.lines
    counts.lines += result.lines
    counts.rows += result.rows
    if (result.failures.length > 0) await this.fail(result.failures.map((failure) => ({ ...failure, line: failure.line + before })))
  }

  /** A whole block failed, because its worker died or memory ran out: each of its rows failed. */
  private async settleLost(entry: Entry, error: unknown): Promise<void> {
    if (fatalCodes.has((error as { code?: string }).code ?? '')) {
      this.finish(failedEnd(error))
      return
    }
    const { counts, options } = this
    const lines = entry.kept.toString().replace(/\n$/, '').split('\n')
    const first = counts.lines + 1
    const lastLine = counts.lines + lines.length
    const description = describe(error)
    const failures = lines.flatMap((raw, index) =>
      (raw.trim() === '' ? [] : [{ line: first + index, ...description, raw: raw.endsWith('\r') ? raw.slice(0, -1) : raw }]))
    counts.rows += failures.length
    if (options.onError === 'fail') {
      this.finish({ status: 'row-failed', failure: { line: first, lastLine, ...description } })
      counts.failed += failures.length
    } else {
      await this.fail(failures)
    }
    counts.lines = lastLine
  }

  private async fail(failures: readonly RowFailure[]): Promise<void> {
    const { onError, deadLetters, onFailure } = this.options
    this.counts.failed += failures.length
    for (const failure of failures) onFailure?.(failure)
    const [first] = failures
    if (onError === 'fail' && first !== undefined) this.finish({ status: 'row-failed', failure: first })
    await deadLetters?.add(failures).catch((error: unknown) => this.finish(failedEnd(error)))
  }

  private tooLong(beginning: Uint8Array, length: number): BlockResult {
    const text = Buffer.from(beginning).toString()
    const message = `the line is ${length} bytes long, --max-line-bytes allows ${this.options.lineBytesMax}`
    const failure: RowFailure = {
      line: 1, name: 'RangeError', message, code: 'ERR_PERCORE_ROW', excerpt: excerptOf(text),
      ...(this.options.deadLetters && { raw: text, truncated: true }),
    }
    return { lines: 1, rows: 1, written: 0, micros: 0, failures: [failure], output: noBytes }
  }
}

const noBytes: Buffer = Buffer.alloc(0)

/** Errors after which no block can succeed. */
const fatalCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'ERR_PERCORE_CLOSED', 'ERR_PERCORE_WORKER_START', 'ERR_PERCORE_HANDLERS_LOAD', 'ERR_PERCORE_NO_SUCH_HANDLER', 'ERR_PERCORE_INVARIANT',
])

function failedEnd(error: unknown): MapLinesEnd {
  const known = error instanceof PercoreError ? error : new PercoreError('ERR_PERCORE_INVARIANT', String(error), { cause: error })
  const io = known.code === 'ERR_PERCORE_INPUT' || known.code === 'ERR_PERCORE_OUTPUT'
  return { status: io ? 'io-failed' : 'group-failed', error: known }
}

/** Wakes whoever waits for something to change. Whoever waits looks first, in the same turn, so no ring is lost. */
class Bell {
  private waiting: (() => void)[] = []

  wait(): Promise<void> {
    return new Promise((resolve) => { this.waiting.push(resolve) })
  }

  ring(): void {
    const woken = this.waiting
    this.waiting = []
    for (const wake of woken) wake()
  }
}
