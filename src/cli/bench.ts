/**
 * `percore bench`: repeats every published figure on the reader's own machine. Main thread of the command line.
 *
 * The invariant: stdout carries only results (tables, or JSON lines); progress and failures go to stderr.
 */
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import {
  type Bench,
  benches,
  type Choice,
  describeMachine,
  formatReport,
  payloadNames,
  plotReports,
  policyNames,
  type Report,
  runBench,
  type RunnerOptions,
  toJsonLine,
} from '../../bench/index.js'
import { depthMax, workersMax } from '../group/index.js'
import { type BenchProgress, createBenchProgress } from './bench-progress.js'
import { type ExitCode, exitCodes, say } from './exit.js'
import { wholeNumber } from './options.js'

interface BenchFlags {
  readonly quick?: boolean
  readonly json?: boolean
  readonly runs?: number
  readonly workers?: number[]
  readonly inFlight?: number[]
  readonly payload?: string[]
  readonly subjects?: string[]
  readonly rows?: number
  readonly threads?: number[]
  readonly policy?: string[]
  readonly sweep?: boolean
  readonly oneCore?: boolean
  readonly profile?: string
  readonly plot?: string
}

const benchNames = benches.map((bench) => bench.name)
/** Summaries stand in one column, behind the longest name. */
const nameWidth = Math.max(...benchNames.map((name) => name.length)) + 2
const subjectNames = [...new Set(benches.flatMap((bench) => bench.contenders.map((contender) => contender.subject)))]

/** The `bench` subcommand. Exit codes: 0 done, 1 a measurement failed, 2 wrong usage, 3 the plot could not be written, 130 interrupted. */
export function benchCommand(): Command {
  return new Command('bench')
    .description('measure percore and its rivals side by side, in fresh processes, interleaved')
    .argument('[name...]', `which benches: ${benchNames.join(', ')} (default: all)`)
    .option('--quick', 'fewer runs and tasks: a first look, not for publication')
    .option('--json', 'one JSON object per line instead of tables')
    .option('--runs <n>', 'runs per figure', wholeNumber(1, 1000))
    .option('--workers <n,…>', 'numbers of workers', listOf(wholeNumber(1, workersMax)))
    .option('--in-flight <n,…>', 'numbers of tasks in flight (group)', listOf(wholeNumber(1, depthMax)))
    .option('--payload <name,…>', `payloads (group): ${payloadNames.join(', ')}`, listOf(oneOf('payload', payloadNames)))
    .option('--subjects <name,…>', `only these: ${subjectNames.join(', ')}`, listOf(oneOf('subject', subjectNames)))
    .option('--rows <n>', 'rows of the file (run)', wholeNumber(1, 100_000_000))
    .option('--threads <n,…>', 'numbers of threads (larson, mixed, mid-large)', listOf(wholeNumber(1, 64)))
    .option('--policy <name,…>', `page reuse (larson): ${policyNames.join(', ')}`, listOf(oneOf('policy', policyNames)))
    .option('--sweep', 'vary how chunks grow instead (grow)')
    .option('--one-core', 'confine every measurement to one processor (needs taskset)')
    .option('--profile <dir>', 'write CPU profiles of all threads of every measurement')
    .option('--plot <file>', 'write the figures as an SVG as well')
    .addHelpText('after', `\nBenches:\n${benches.map((bench) => `  ${bench.name.padEnd(nameWidth)}${bench.summary}`).join('\n')}`)
    .action(async (names: string[], flags: BenchFlags, command: Command) => {
      for (const name of names) if (!benchNames.includes(name)) command.error(`error: ${unknown('bench', name, benchNames)}`)
      process.exitCode = await runBenches(names, flags)
    })
}

async function runBenches(names: readonly string[], flags: BenchFlags): Promise<ExitCode> {
  const interruption = new AbortController()
  const interrupt = (): void => interruption.abort()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  // `| head` is a way of asking for less, not an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? exitCodes.done : exitCodes.io))
  const chosen = benches.filter((bench) => names.length === 0 || names.includes(bench.name))
  const machine = describeMachine()
  const repeat = ['percore bench', ...names, ...repeatFlags(flags)].join(' ')
  const legend = 'every figure: median [min..max] of runs in fresh processes, interleaved'
  if (!flags.json) process.stdout.write(`${machine}\nrepeat: ${repeat}\n${legend}\n\n`)
  const progress = createBenchProgress(process.stderr)
  const options = runnerOptions(flags, interruption.signal, progress)
  const entries: { bench: Bench, report: Report }[] = []
  for (const bench of chosen) {
    if (interruption.signal.aborted) break
    const report = await runBench(bench, options)
    progress.clear()
    entries.push({ bench, report })
    if (flags.json) for (const skip of report.skips) say(`skipped ${skip.subject}: ${skip.reason}`)
    const lines = report.results.map((result) => `${toJsonLine(result)}\n`)
    process.stdout.write(flags.json ? lines.join('') : `${formatReport(bench, report)}\n`)
  }
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  if (interruption.signal.aborted) return exitCodes.interrupted
  if (flags.plot !== undefined && !tryWrite(flags.plot, plotReports(entries, `${machine} · ${repeat}`))) return 3
  return entries.some(({ report }) => report.failures.length > 0) ? exitCodes.rowFailed : exitCodes.done
}

function runnerOptions(flags: BenchFlags, signal: AbortSignal, progress: BenchProgress): RunnerOptions {
  const choice: Choice = {
    quick: flags.quick ?? false,
    ...flags.runs !== undefined && { runs: flags.runs },
    ...flags.workers && { workers: flags.workers },
    ...flags.inFlight && { inFlight: flags.inFlight },
    ...flags.payload && { payloads: flags.payload },
    ...flags.rows !== undefined && { rows: flags.rows },
    ...flags.threads && { threads: flags.threads },
    ...flags.policy && { policies: flags.policy },
    ...flags.sweep && { sweep: true },
    ...flags.subjects && { subjects: flags.subjects },
  }
  return {
    choice,
    signal,
    onProgress: progress.show,
    ...flags.profile !== undefined && { profileDir: resolve(flags.profile) },
    ...flags.oneCore && { under: { command: ['taskset', '-c', '0'], params: { cores: 1 } } },
  }
}

/** The flags that change figures; where the figures go is nobody else's business. */
function repeatFlags(flags: BenchFlags): string[] {
  const valued = {
    '--runs': flags.runs,
    '--workers': flags.workers,
    '--in-flight': flags.inFlight,
    '--payload': flags.payload,
    '--subjects': flags.subjects,
    '--rows': flags.rows,
    '--threads': flags.threads,
    '--policy': flags.policy,
  }
  return [
    ...flags.quick ? ['--quick'] : [],
    ...flags.oneCore ? ['--one-core'] : [],
    ...flags.sweep ? ['--sweep'] : [],
    ...Object.entries(valued).flatMap(([flag, value]) => value === undefined ? [] : [flag, String(value)]),
  ]
}

function tryWrite(file: string, content: string): boolean {
  try {
    writeFileSync(file, content)
    return true
  } catch (error) {
    say(`the plot could not be written: ${(error as Error).message}`)
    return false
  }
}

function oneOf(what: string, names: readonly string[]): (text: string) => string {
  return (text) => {
    if (!names.includes(text)) throw new InvalidArgumentError(unknown(what, text, names))
    return text
  }
}

function listOf<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => text.split(',').map((part) => parse(part.trim()))
}

function unknown(what: string, name: string, names: readonly string[]): string {
  return `no ${what} named '${name}'; there are ${names.join(', ')}.`
}
