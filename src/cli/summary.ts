/** What a run did, for people and for machines. Pure; main thread. */
import type { PercoreError } from '../base/index.js'
import { describe, failureText, type Counts, type MapLinesEnd, type RowFailure } from '../source/index.js'
import { count, counted, duration, percent, rate } from './numbers.js'

/** The content of `--stats FILE`. */
export interface RunStats {
  readonly status: MapLinesEnd['status']
  readonly exitCode: number
  /** Lines of the input that are dealt with, blank ones too. After an interruption of an ordered run: continue with the next. */
  readonly lines: number
  /** Lines that are not blank. */
  readonly rows: number
  /** Lines of output. */
  readonly written: number
  readonly failed: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly seconds: number
  readonly rowsPerSecond: number
  readonly workers: readonly { readonly utilisation: number, readonly restarts: number }[]
  /** Processor time of the whole process. */
  readonly cpuSeconds: number
  /** The most memory the process ever had resident. */
  readonly rssMbMax: number
  readonly error: { readonly code: string, readonly message: string, readonly line?: number } | null
  readonly node: string
}

export function runStats(
  end: MapLinesEnd,
  exitCode: number,
  counts: Counts,
  seconds: number,
  workers: RunStats['workers'],
): RunStats {
  const { user, system } = process.cpuUsage()
  return {
    status: end.status,
    exitCode,
    ...counts,
    seconds,
    rowsPerSecond: seconds === 0 ? 0 : counts.rows / seconds,
    workers,
    cpuSeconds: (user + system) / 1e6,
    rssMbMax: process.resourceUsage().maxRSS / 1024,
    error: errorOf(end),
    node: process.versions.node,
  }
}

function errorOf(end: MapLinesEnd): RunStats['error'] {
  if ('failure' in end) return { code: end.failure.code, message: end.failure.message, line: end.failure.line }
  if ('error' in end) return { code: end.error.code, message: end.error.message }
  return null
}

/** The last line on standard error: `1,000,000 rows in 0.98 s, 1.02 M rows/s · 999,998 written · 2 failed · workers 98% 97%` */
export function summaryText(stats: RunStats): string {
  const restarts = stats.workers.reduce((sum, worker) => sum + worker.restarts, 0)
  return [
    `${headline(stats)}${counted(stats.rows, 'row')} in ${duration(stats.seconds)}, ${rate(stats.rowsPerSecond)}`,
    `${count(stats.written)} written`,
    ...(stats.failed === 0 ? [] : [`${count(stats.failed)} failed`]),
    `workers ${stats.workers.map(({ utilisation }) => percent(utilisation)).join(' ')}`,
    ...(restarts === 0 ? [] : [`${count(restarts)} restarted`]),
  ].join(' · ')
}

function headline({ status, lines }: RunStats): string {
  switch (status) {
    case 'done': return ''
    case 'interrupted': return `interrupted after line ${count(lines)}: `
    case 'row-failed': return `stopped at line ${count(lines)}: `
    default: return 'stopped: '
  }
}

/** A failure for people: where and what, and the line with a mark under the column. */
export function failureReport(failure: RowFailure): string {
  const { excerpt, column } = failure
  if (excerpt === undefined) return failureText(failure)
  return `${failureText(failure)}\n    ${excerpt.text}${column === undefined ? '' : `\n    ${' '.repeat(excerpt.mark)}^`}`
}

/** A worker that ended although no row failed: by what a handler left behind, such as a rejection that nobody handles. */
export function deathReport(worker: number, error: PercoreError): string {
  const { name, message, thrownAt } = describe(error.cause ?? error)
  return `worker ${worker} was ended by what a handler left behind, and replaced: ${name}: ${message}${thrownAt === undefined ? '' : ` (${thrownAt})`}`
}
