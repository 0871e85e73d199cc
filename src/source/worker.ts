/**
 * The handlers module that `percore run` starts its workers with: one task is one block of raw lines. Runs only in workers;
 * the user's module is imported here, so that its side effects happen where its handlers run.
 *
 * standard output carries results and nothing else, so what user code prints goes to standard error.
 */
import { PercoreError } from '../base/index.js'
import { packResult, type Block } from './block.js'
import { formats, type FormatName } from './formats.js'
import { loadHandler } from './handlers.js'
import { runRows, type RowsOptions } from './rows.js'

/** What the main thread tells its workers, as `workerData`. */
export interface WorkerJob {
  readonly moduleUrl: string
  readonly handler: string | undefined
  readonly format: FormatName
  readonly stopAtFailure: boolean
  readonly keepRaw: boolean
  readonly lineBytesMax: number
}

/** The second argument of a user's handler. */
export interface RowContext {
  readonly worker: number
}

interface WorkerContext {
  readonly worker: number
  readonly workerData: unknown
  alloc(bytes: number): Block
}

interface Ready {
  readonly options: RowsOptions<RowContext>
  readonly context: RowContext
}

let ready: Ready | undefined
let opening: Promise<Ready> | undefined

process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write

/** Loads the user's module, so that an error in it is known before any input is read. */
export async function open(_: null, context: WorkerContext): Promise<void> {
  ready = await (opening ??= load(context))
}

/** Turns a block of lines into a block of results. Takes ownership of `input`. */
export function block(input: Block, context: WorkerContext): Block | Promise<Block> {
  if (ready === undefined) return open(null, context).then(() => block(input, context))
  const outcome = runRows(input.bytes, ready.options, ready.context)
  if (!(outcome instanceof Promise)) {
    input.free()
    return packResult(context.alloc, outcome)
  }
  return outcome.then((settled) => {
    input.free()
    return packResult(context.alloc, settled)
  })
}

async function load({ worker, workerData }: WorkerContext): Promise<Ready> {
  const job = workerData as WorkerJob
  const format = formats[job.format]
  if (format === undefined) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `there is no format "${job.format}"`)
  const handler = await loadHandler<RowContext>(job.moduleUrl, job.handler)
  const { stopAtFailure, keepRaw, lineBytesMax } = job
  return { options: { format, handler, stopAtFailure, keepRaw, lineBytesMax }, context: { worker } }
}
