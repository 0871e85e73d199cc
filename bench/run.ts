/**
 * `run`: the main job from file to file, a whole process per measurement: `percore run`, one thread, and piscina by batches of 1
 * and 100 rows. `prepare` and `plan` in the parent; `measure` in a child that starts the measured process and compares its output.
 *
 * The invariant: a figure counts only if the output is, byte for byte, the one thread's.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { firstDifference } from './flights/compare.js'
import { ensureFlightsFile, flightsHandler, flightsHandlers } from './flights/examples.js'
import { writeInput } from './flights/input.js'
import { calibrateSpin } from './harness/calibrate.js'
import type { Bench, Contender, Job, Reading, Result } from './harness/contract.js'

/** One task per row is so slow in piscina that it gets a part of the file. */
const rowsOneByOne = (rows: number): number => Math.max(1, Math.min(rows, Math.floor(rows / 25)))

const contendersFor = (rows: number): readonly Contender[] => [
  { subject: 'one-thread' },
  { subject: 'percore' },
  { subject: 'one-thread-tuned' },
  { subject: 'piscina', needs: 'piscina', params: { batch: 100 } },
  { subject: 'piscina', needs: 'piscina', params: { batch: 1, rows: rowsOneByOne(rows) } },
]

export const bench: Bench = {
  name: 'run',
  summary: 'the main job, file to file, in order: rows/s, CPU seconds, peak memory; outputs compared byte for byte',
  module: import.meta.url,
  contenders: contendersFor(1),
  async prepare(choice, note) {
    const scratch = mkdtempSync(join(tmpdir(), 'percore-bench-'))
    const rows = rowsOf(choice)
    const source = await ensureFlightsFile()
    note(source === undefined ? `made-up rows: the flights example is not here` : `the first ${rows} rows of the flights data set`)
    const written = await writeInput(join(scratch, 'rows.ndjson'), rows, source)
    if (written < rows) throw new Error(`the data set has only ${written} rows; ask for fewer with --rows`)
    await writeInput(join(scratch, 'rows-one-by-one.ndjson'), rowsOneByOne(rows), join(scratch, 'rows.ndjson'))
    return { scratch, rows, iterations_per_us: calibrateSpin() }
  },
  cleanup: async ({ scratch }) => { if (typeof scratch === 'string') rmSync(scratch, { recursive: true, force: true }) },
  plan(choice) {
    const rows = rowsOf(choice)
    const real = flightsHandlers === undefined ? [] : ['flights']
    const contenders = contendersFor(rows).filter((each) => !choice.quick || choice.subjects || each.subject !== 'one-thread-tuned')
    const handlers = choice.quick ? [...real, 'spin5us'].slice(0, 1) : [...real, 'copy', 'spin1us', 'spin5us', 'spin20us']
    return (choice.workers ?? [2]).flatMap((workers) => handlers.map((handler) => ({
      params: { workers, handler, rows }, contenders, runs: choice.runs ?? (choice.quick ? 2 : 5), timeoutMs: 300_000,
    })))
  },
  async measure(job) {
    const { scratch, rows } = { scratch: String(job.input['scratch']), rows: Number(job.params['rows']) }
    const partial = rows < Number(job.input['rows'])
    const input = join(scratch, partial ? 'rows-one-by-one.ndjson' : 'rows.ndjson')
    const output = join(scratch, 'output.ndjson')
    const usage = await runProcess(commandFor(job, input, output), Number(job.input['iterations_per_us']))
    compareWithReference(output, join(scratch, `reference-${job.params['handler']}.ndjson`), partial)
    return [
      { metric: 'rows_per_s', value: rows / (usage.wallMs / 1000) },
      { metric: 'cpu_s', value: usage.cpuMs / 1000 },
      { metric: 'rss_mb', value: usage.maxRssKb * 1024 / 1e6 },
    ] satisfies Reading[]
  },
  derive: (results) => results.filter((result) => result.metric === 'rows_per_s').flatMap((result) => speedupOf(result, results)),
  views: [{ kind: 'columns', metrics: ['rows_per_s', 'speedup', 'cpu_s', 'rss_mb'] }],
}

const rowsOf = (choice: { readonly quick: boolean, readonly rows?: number }): number => choice.rows ?? (choice.quick ? 100_000 : 1_000_000)

/** Rows/s over one thread's rows/s, run by run. */
function speedupOf(result: Result, results: readonly Result[]): Result[] {
  const base = results
    .filter((other) => other.subject === 'one-thread' && other.metric === 'rows_per_s')
    .find((other) => sameParams(other.shared, result.shared))
  const pairs = result.runs.flatMap((run, index) => {
    const baseline = base?.values[base.runs.indexOf(run)]
    return baseline === undefined ? [] : [{ run, value: (result.values[index] ?? Number.NaN) / baseline }]
  })
  if (pairs.length === 0) return []
  return [{ ...result, metric: 'speedup', values: pairs.map((pair) => pair.value), runs: pairs.map((pair) => pair.run) }]
}

const sameParams = (a: object, b: object): boolean => JSON.stringify(a) === JSON.stringify(b)

/** The measured process's arguments after `node`. */
function commandFor({ subject, params }: Job, input: string, output: string): string[] {
  const wanted = String(params['handler'])
  const handlers = wanted === 'flights' && flightsHandlers !== undefined ? flightsHandlers : fileOf('./flights/handlers.js')
  const handler = wanted === 'flights' ? flightsHandler : wanted
  const workers = String(params['workers'])
  switch (subject) {
    case 'percore': {
      const files = ['--input', input, '--output', output]
      return [fileOf('../src/cli/main.js'), 'run', handlers, '--handler', handler, ...files, '--workers', workers, '--progress', 'none']
    }
    case 'one-thread': return [fileOf('./flights/one-thread.js'), handlers, handler, input, output]
    case 'one-thread-tuned': return [fileOf('./flights/one-thread.js'), handlers, handler, input, output, 'tuned']
    default: return [fileOf('./flights/piscina.js'), handlers, handler, input, output, workers, String(params['batch'])]
  }
}

const fileOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

interface Usage {
  readonly wallMs: number
  readonly cpuMs: number
  readonly maxRssKb: number
}

/** Runs `node` to its end and returns what the whole process used, from its start to its exit. */
async function runProcess(args: readonly string[], iterationsPerUs: number): Promise<Usage> {
  const child = spawn(process.execPath, [...process.execArgv, '--require', fileOf('./flights/usage.cjs'), ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, PERCORE_BENCH_ITERATIONS_PER_US: String(iterationsPerUs) },
  })
  let stderr = ''
  let usage = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { stderr = (stderr + text).slice(-4096) })
  const report = child.stdio[3] as NodeJS.ReadableStream
  report.setEncoding('utf8').on('data', (text: string) => { usage += text })
  const code = await new Promise((resolve, reject) => { child.on('error', reject).on('close', resolve) })
  if (code !== 0) throw new Error(`the process exited with code ${code}: ${stderr.trim()}`)
  return JSON.parse(usage) as Usage
}

/** The first whole output of a handler becomes the reference; one thread runs first. */
function compareWithReference(output: string, reference: string, partial: boolean): void {
  if (!existsSync(reference)) {
    if (!partial) renameSync(output, reference)
    return
  }
  const at = firstDifference(output, reference, partial)
  if (at !== undefined) throw new Error(`the output differs from one thread's at byte ${at}`)
  rmSync(output)
}
