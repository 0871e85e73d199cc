/** `percore run`: a handler over every row of a file, on every core. Main thread. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Command, Option } from 'commander'
import { PercoreError } from '../base/index.js'
import { depthMax, ExecGroup, workersMax } from '../group/index.js'
import {
  createDeadLetters,
  depthDefault,
  formats,
  type FormatName,
  type Input,
  lineBytesMax,
  mapLines,
  type MapLinesEnd,
  openInput,
  openOutput,
  type Output,
  type RowFailure,
  rowsWorkerUrl,
  systemReason,
  type WorkerJob,
  workerYoungMbMax,
} from '../source/index.js'
import { type ExitCode, exitCodeOf, exitCodes, report, say } from './exit.js'
import { counted } from './numbers.js'
import { type ErrorPolicy, errorPolicy, wholeNumber } from './options.js'
import { type ProgressStyle, type Reading, showProgress } from './progress.js'
import { deathReport, failureReport, runStats, summaryText } from './summary.js'

type RowsGroup = ExecGroup<typeof import('../source/worker.js')>

interface RunOptions {
  readonly handler?: string
  readonly input: string
  readonly output: string
  readonly format: FormatName
  readonly workers: number
  readonly depth: number
  readonly unordered?: true
  readonly onError: ErrorPolicy
  readonly maxLineBytes: number
  readonly progress: ProgressStyle
  readonly stats?: string
}

/** The longest line that may be asked for: a block must still fit in one JavaScript string. */
const lineBytesLimit = 256 * 1024 * 1024

/** A module that takes longer to load may be at work, or wait for what never comes: then whoever sits there is told. */
const loadingHintMs = 2000

/** A run with skipped rows shows the first of them. */
const failuresShown = 3

const examples = `
Examples:
  $ percore run handlers.js --handler score --input rows.ndjson --output scores.ndjson
  $ zcat log.gz | percore run parse.js --format lines --on-error skip > rows.ndjson
  $ percore run handlers.js --handler check --input rows.ndjson --on-error dead-letter:bad.ndjson > good.ndjson

handlers.js exports functions, one row in, one result out:
  export const score = (row) => ({ id: row.id, score: row.delay * 2 })
A result of null or undefined writes no line. Handlers may be async.

Standard output carries results only; progress and the summary go to standard error.
Exit codes: 0 done, 1 a row failed, 2 wrong usage, 3 input or output failed, 130 interrupted.`

export function runCommand(): Command {
  const cores = availableParallelism()
  return new Command('run')
    .description('Run a handler on every row of a file, on every core, and write the results in order.')
    .argument('<handlers>', 'module with the handlers: .js, .mjs, or .ts where Node can load it')
    .optionsGroup('What to run:')
    .option('--handler <name>', 'which handler; may be left out when the module has only one')
    .option('--workers <n>', 'worker threads', wholeNumber(1, workersMax, ` (this machine has ${counted(cores, 'core')})`), cores)
    .option('--depth <n>', 'blocks of rows on their way per worker', wholeNumber(1, depthMax), depthDefault)
    .optionsGroup('Input and output:')
    .option('--input <file>', 'rows, one per line; - is standard input', '-')
    .option('--output <file>', 'results, one per line; - is standard output', '-')
    .addOption(new Option('--format <name>', 'what a line is: JSON, or plain text').choices(Object.keys(formats)).default('ndjson'))
    .option('--unordered', 'write results as they come instead of in the order of the rows')
    .optionsGroup('Bad rows:')
    .addOption(new Option('--on-error <policy>', 'fail: stop at the first bad row; skip: count it and go on; dead-letter:FILE: keep it in FILE')
      .argParser(errorPolicy).default({ kind: 'fail' }, 'fail'))
    .option('--max-line-bytes <n>', 'longer lines are bad rows', wholeNumber(1, lineBytesLimit), lineBytesMax)
    .optionsGroup('Reporting:')
    .addOption(new Option('--progress <style>', 'auto: a live line on a terminal, else plain').choices(['auto', 'plain', 'none']).default('auto'))
    .option('--stats <file>', 'write the summary as JSON')
    .addHelpText('after', examples)
    .action(async (module: string, options: RunOptions) => {
      process.exitCode = await run(module, options)
    })
}

async function run(module: string, options: RunOptions): Promise<ExitCode> {
  const interruption = new AbortController()
  // Once: a second Ctrl-C finds no listener and ends the process at once.
  const interrupt = (): void => interruption.abort()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  let input: Input | undefined
  let group: RowsGroup | undefined
  const outputs: Output[] = []
  try {
    input = await openInput(options.input)
    group = await startGroup(module, options, interruption.signal)
    if (group === undefined) {
      say('interrupted while the handlers module was being loaded: nothing was read')
      return exitCodes.interrupted
    }
    const output = await openOutput(options.output, [input])
    outputs.push(output)
    const deadLetters = options.onError.kind === 'dead-letter' ? await openOutput(options.onError.file, [input, output]) : undefined
    if (deadLetters !== undefined) outputs.push(deadLetters)
    return await runRows(options, group, input, output, deadLetters, interruption.signal)
  } catch (error) {
    return report(error)
  } finally {
    // With nothing in flight any more, close waits for what handlers print.
    if (group?.stats().inFlight === 0) await group.close()
    else await group?.terminate()
    await input?.close()
    for (const output of outputs) await output.close()
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

/** Undefined when it was interrupted: a module that awaits something that never comes must not keep the process. */
async function startGroup(module: string, options: RunOptions, signal: AbortSignal): Promise<RowsGroup | undefined> {
  const workerData: WorkerJob = {
    moduleUrl: pathToFileURL(resolve(module)).href,
    handler: options.handler,
    format: options.format,
    stopAtFailure: options.onError.kind === 'fail',
    keepRaw: options.onError.kind === 'dead-letter',
    lineBytesMax: options.maxLineBytes,
  }
  const { workers, depth } = options
  const group: RowsGroup = await ExecGroup.start(rowsWorkerUrl, { workers, depth, workerData, resourceLimits: { maxYoungGenerationSizeMb: workerYoungMbMax } })
  const hint = setTimeout(() => say(`${module} is still being loaded, after ${loadingHintMs / 1000} s. Ctrl-C ends it.`), loadingHintMs)
  try {
    // One for each worker: a module that does not load says so before anything is read or written.
    const opened = Promise.all(Array.from({ length: workers }, () => group.run('open')))
    opened.catch(() => undefined) // it may lose the race
    if (!signal.aborted) await Promise.race([opened, once(signal, 'abort')])
  } catch (error) {
    await group.terminate()
    throw error
  } finally {
    clearTimeout(hint)
  }
  if (!signal.aborted) return group
  await group.terminate()
  return undefined
}

async function runRows(
  options: RunOptions,
  group: RowsGroup,
  input: Input,
  output: Output,
  deadLetters: Output | undefined,
  signal: AbortSignal,
): Promise<ExitCode> {
  const startedAt = performance.now()
  const atStart = idleMs(group)
  const shown: RowFailure[] = []
  let death: { readonly worker: number, readonly error: PercoreError } | undefined
  group.once('died', (worker, error) => { death = { worker, error } })
  let rowsTold = false
  const job = mapLines({
    group: group as never,
    input,
    output,
    inFlightMax: options.workers * options.depth,
    ordered: options.unordered !== true,
    onError: options.onError.kind === 'fail' ? 'fail' : 'skip',
    ...(deadLetters !== undefined && { deadLetters: createDeadLetters(deadLetters) }),
    lineBytesMax: options.maxLineBytes,
    signal,
    onFailure: (failure) => {
      if (shown.length < failuresShown) shown.push(failure)
      rowsTold ||= failure.code === 'ERR_PERCORE_WORKER_DIED'
    },
  })
  const read = (): Reading => ({ atMs: performance.now(), counts: { ...job.counts }, idleMs: idleMs(group) })
  const progress = await showProgress(options.progress, input.sizeBytes, read)
  const end = await job.end
  progress.stop()

  const seconds = (performance.now() - startedAt) / 1000
  const idle = idleMs(group)
  if (group.stats().inFlight === 0) await Promise.allSettled(Array.from({ length: options.workers }, (_, worker) => group.run('rest', undefined, { worker })))
  const workers = group.stats().workers.map(({ restarts }, worker) => (
    { utilisation: Math.max(0, 1 - ((idle[worker] ?? 0) - (atStart[worker] ?? 0)) / 1000 / seconds), restarts }))
  const exitCode = exitCodeOfEnd(end)
  const stats = runStats(end, exitCode, job.counts, seconds, workers)

  if ('failure' in end) say(failureReport(end.failure))
  else for (const failure of shown) say(failureReport(failure))
  if (!('failure' in end) && stats.failed > shown.length) say(`… and ${counted(stats.failed - shown.length, 'more failed row')}`)
  if ('error' in end) say(end.error.message)
  if (death !== undefined && !rowsTold && !('failure' in end)) say(deathReport(death.worker, death.error))
  say(summaryText(stats))
  if (options.stats !== undefined) await writeStats(options.stats, `${JSON.stringify(stats, null, 2)}\n`)
  return exitCode
}

async function writeStats(file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((error: unknown) => {
    throw new PercoreError('ERR_PERCORE_OUTPUT', `cannot write ${file}: ${systemReason(error)}`, { cause: error })
  })
}

function idleMs(group: RowsGroup): number[] {
  return group.stats().workers.map((worker) => worker.idleMs)
}

function exitCodeOfEnd(end: MapLinesEnd): ExitCode {
  switch (end.status) {
    case 'done': return exitCodes.done
    case 'interrupted': return exitCodes.interrupted
    case 'row-failed': return exitCodes.rowFailed
    default: return exitCodeOf(end.error)
  }
}
