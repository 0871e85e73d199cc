/**
 * The handlers module that `percore run` starts its workers with: one task is one block of raw lines. Runs only in workers;
 * the user's module is imported here, so that its side effects happen where its handlers run.
 *
 * standard output carries results and nothing else, so what user code prints goes to standard error.
 */
import { PercoreError } from '../base/index.js'
import type { SharedBlock } from '../codec/index.js'
import type { Context } from '../group/index.js'
import { packResult } from './block.js'
import { formats, type FormatName } from './formats.js'
import { loadHandler } from './handlers.js'
import { type RowHandler, runRows, type RowsOptions } from './rows.js'

/** What the main thread tells its workers, as `workerData`. */
export interface WorkerJob {
  readonly moduleUrl: string
  readonly handler: string | undefined
  readonly format: FormatName
  readonly stopAtFailure: boolean
  readonly keepRaw: boolean
  readonly lineBytesMax: number
}

interface Ready {
  readonly options: RowsOptions<Context>
  /** What the user's handler gets: the worker's context without what is percore's own in it. */
  readonly context: Context
}

let ready: Ready | undefined
let opening: Promise<Ready> | undefined

process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write

/** Loads the user's module, so that an error in it is known before any input is read. */
export async function open(_: undefined, context: Context): Promise<void> {
  ready = await (opening ??= load(context))
}

/** Turns a block of lines into a block of results. Takes ownership of `input`. */
export function block(input: SharedBlock, context: Context): SharedBlock | Promise<SharedBlock> {
  if (ready === undefined) return open(undefined, context).then(() => block(input, context))
  const outcome = runRows(input.bytes, ready.options, ready.context)
  if (!(outcome instanceof Promise)) {
    input.free()
    return packResult((bytes) => context.alloc(bytes), outcome)
  }
  return outcome.then((settled) => {
    input.free()
    return packResult((bytes) => context.alloc(bytes), settled)
  })
}

/** Resolves after a turn of the event loop: a rejection that nobody handles has ended this thread by then. */
export function rest(): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}

async function load(own: Context): Promise<Ready> {
  const job = own.workerData as WorkerJob
  const format = formats[job.format]
  if (format === undefined) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `there is no format "${job.format}"`)
  const handler = await loadHandler(job.moduleUrl, job.handler) as RowHandler<Context>
  const { stopAtFailure, keepRaw, lineBytesMax } = job
  return { options: { format, handler, stopAtFailure, keepRaw, lineBytesMax }, context: Object.create(own, { workerData: { value: undefined } }) as Context }
}
