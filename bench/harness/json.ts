/**
 * Results for machines: one JSON object per line. Pure; any thread.
 *
 * The invariant: the fields and their order are the published format and never change within a major version.
 */
import { metrics, type Result } from './contract.js'
import { cpuCount } from './machine.js'
import { spread } from './stats.js'

/** The published format. A value of null is "never reached", as for a break-even beyond the largest task. */
export interface JsonResult {
  readonly bench: string
  readonly subject: string
  readonly metric: string
  readonly unit: string
  readonly median: number | null
  readonly min: number | null
  readonly max: number | null
  readonly runs: number
  readonly params: Readonly<Record<string, string | number>>
  readonly node: string
  readonly cpus: number
}

/** One line, without the newline. */
export function toJsonLine(result: Result): string {
  const { median, min, max } = spread(result.values)
  const line: JsonResult = {
    bench: result.bench,
    subject: result.subject,
    metric: result.metric,
    unit: metrics[result.metric].unit,
    median: significant(median),
    min: significant(min),
    max: significant(max),
    runs: result.values.length,
    params: result.params,
    node: process.versions.node,
    cpus: cpuCount,
  }
  return JSON.stringify(line)
}

/** Six digits are more than any of these measurements is worth. */
function significant(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : null
}
