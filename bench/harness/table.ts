/**
 * Results for people: aligned tables of median [min..max], with each subject's ratio to percore. Pure; any thread.
 *
 * The invariant: a figure is never shown without its spread.
 */
import type { Bench, Metric, Params, Report, Result, View } from './contract.js'
import { formatParams } from './runner.js'
import { spread } from './stats.js'

/** The subject all others are compared with. */
export const home = 'percore'

const titles: Partial<Record<Metric, string>> = {
  tasks_per_s: 'tasks/s',
  rows_per_s: 'rows/s',
  ops_per_s: 'ops/s',
  items_per_s: 'items/s',
  cpu_us_per_task: 'CPU µs/task',
  cpu_s: 'CPU s',
  cpu_percent: 'CPU %',
  idle_cpu_percent: 'idle CPU %',
  latency_us_p50: 'p50 µs',
  latency_us_p99: 'p99 µs',
  latency_us_p999: 'p99.9 µs',
  break_even_us: 'break-even µs',
  elapsed_ms: 'ms',
  peak_mb_above_idle: 'peak MB above idle',
  rss_mb: 'RSS MB',
  page_reuse: 'page reuse',
  new_pages: 'new pages',
  ns_per_malloc: 'ns/malloc',
  ns_per_free: 'ns/free',
  live_mb: 'live MB',
  arena_mb: 'arena MB',
  system_calls: 'system calls',
}

/** How a metric is called in a table or a plot. */
export const metricTitle = (metric: Metric): string => titles[metric] ?? metric

/** All the views of a bench, then what failed and what was skipped. Ends with a newline. */
export function formatReport(bench: Bench, report: Report): string {
  const parts = bench.views.flatMap((view) => blocksOf(view, report.results).map((block) => formatBlock(view, block)))
  const troubles = [
    ...report.failures.map((each) => `failed   ${each.subject}  ${formatParams(each.params)}  run ${each.run + 1}: ${each.reason}`),
    ...report.skips.map((each) => `skipped  ${each.subject}: ${each.reason}`),
  ]
  return [`${bench.name}: ${bench.summary}`, ...parts, troubles.join('\n')].filter((part) => part !== '').join('\n\n') + '\n'
}

/** What is compared with each other: the results of one view under the same shared params, percore first. */
export interface Block {
  readonly title: string
  readonly results: readonly Result[]
}

/** A view's results, cut into blocks. */
export function blocksOf(view: View, results: readonly Result[]): Block[] {
  const wanted = view.kind === 'pivot' ? [view.metric] : view.metrics
  const across = view.kind === 'pivot' ? view.rows : []
  const shown = results.filter((result) => wanted.includes(result.metric))
  const titleOf = (result: Result): string => formatParams(without(result.shared, (key) => across.includes(key)))
  return [...groupBy(shown, titleOf)].map(([title, block]) => ({
    title, results: [...block.filter((result) => result.subject === home), ...block.filter((result) => result.subject !== home)],
  }))
}

/** A subject and the params only it has: `piscina  batch=100`. */
export function labelOf(result: Result): string {
  const own = formatParams(without(result.params, (key) => result.params[key] === result.shared[key]))
  return own === '' ? result.subject : `${result.subject}  ${own}`
}

/** `12.3 k [11.9..12.8]`, all three in the scale of the median. */
export function formatSpread(values: readonly number[]): string {
  if (values.length === 0) return '-'
  const { median, min, max } = spread(values)
  const [scale, suffix] = !Number.isFinite(median) || median < 1e4 ? [1, ''] : median < 1e6 ? [1e3, ' k'] : [1e6, ' M']
  const digits = decimals(median / scale)
  const show = (value: number): string => Number.isFinite(value) ? (value / scale).toFixed(digits) : 'never'
  return `${show(median)}${suffix} [${show(min)}..${show(max)}]`
}

function formatBlock(view: View, block: Block): string {
  return view.kind === 'pivot'
    ? `${metricTitle(view.metric)}: ${block.title}\n${formatPivot(view, block)}`
    : `${block.title}\n${formatColumns(view, block)}`
}

function formatColumns(view: View & { kind: 'columns' }, block: Block): string {
  const [first] = view.metrics
  const base = block.results.find((result) => result.subject === home && result.metric === first)
  const lines = [...groupBy(block.results, labelOf)].map(([label, results]) => [
    label,
    ...view.metrics.flatMap((metric) => {
      const values = results.find((result) => result.metric === metric)?.values ?? []
      return metric === first ? [formatSpread(values), ratioTo(base, values)] : [formatSpread(values)]
    }),
  ])
  const header = view.metrics.flatMap((metric) => metric === first ? [metricTitle(metric), `vs ${home}`] : [metricTitle(metric)])
  return align([['', ...header], ...lines])
}

function formatPivot(view: View & { kind: 'pivot' }, block: Block): string {
  const labels = [...new Set(block.results.map(labelOf))]
  const keysOf = (result: Result): string[] => view.rows.map((key) => String(result.params[key] ?? ''))
  const lines = [...groupBy(block.results, (result) => keysOf(result).join(' '))].map(([, results]) => [
    ...results.slice(0, 1).flatMap(keysOf),
    ...labels.map((label) => formatSpread(results.find((result) => labelOf(result) === label)?.values ?? [])),
  ])
  return align([[...view.rows, ...labels], ...lines])
}

/** How many times percore's figure this one is: 0.02x of its tasks/s is a fiftieth, 60x of its latency is sixty times as long. */
function ratioTo(base: Result | undefined, values: readonly number[]): string {
  if (base === undefined || values.length === 0) return ''
  const ratio = spread(values).median / spread(base.values).median
  return Number.isFinite(ratio) ? `${ratio.toFixed(decimals(ratio))}x` : ''
}

/** Enough for three significant digits, never more than three. */
function decimals(value: number): number {
  if (!Number.isFinite(value) || value === 0) return 2
  return Math.min(3, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))))
}

function without(params: Params, drop: (key: string) => boolean): Params {
  return Object.fromEntries(Object.entries(params).filter(([key]) => !drop(key)))
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(keyOf(item), [...groups.get(keyOf(item)) ?? [], item])
  return groups
}

/** First column left, the others right, two spaces between. */
function align(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)).join('  ')
  return rows.map((row) => `  ${line(row)}`.trimEnd()).join('\n')
}
