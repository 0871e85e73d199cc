/**
 * The words every benchmark shares: what a bench is, what it measures, and what a measurement says. Types and names only;
 * any thread.
 *
 * To add a bench, write one file that exports `bench: Bench` and list it in `bench/registry.ts`.
 *
 * The invariant: a metric has one name and one unit for ever, so figures of different days can be compared.
 */

/** Every metric a bench may report, with its unit and the way it improves. */
export const metrics = {
  tasks_per_s: { unit: 'tasks/s', better: 'more' },
  ops_per_s: { unit: 'ops/s', better: 'more' },
  items_per_s: { unit: 'items/s', better: 'more' },
  rows_per_s: { unit: 'rows/s', better: 'more' },
  speedup: { unit: 'x', better: 'more' },
  page_reuse: { unit: 'ratio', better: 'more' },
  cpu_us_per_task: { unit: 'us', better: 'less' },
  cpu_s: { unit: 's', better: 'less' },
  cpu_percent: { unit: '%', better: 'less' },
  idle_cpu_percent: { unit: '%', better: 'less' },
  latency_us_p50: { unit: 'us', better: 'less' },
  latency_us_p99: { unit: 'us', better: 'less' },
  latency_us_p999: { unit: 'us', better: 'less' },
  break_even_us: { unit: 'us', better: 'less' },
  ns_per_spawn: { unit: 'ns', better: 'less' },
  ns_per_spawn_p50: { unit: 'ns', better: 'less' },
  ns_per_spawn_p99: { unit: 'ns', better: 'less' },
  ns_per_spawn_p999: { unit: 'ns', better: 'less' },
  ns_per_spawn_p9999: { unit: 'ns', better: 'less' },
  ns_per_spawn_max: { unit: 'ns', better: 'less' },
  lateness_ms_p99: { unit: 'ms', better: 'less' },
  lost: { unit: 'tasks', better: 'less' },
  ns_per_switch: { unit: 'ns', better: 'less' },
  ns_per_malloc: { unit: 'ns', better: 'less' },
  ns_per_free: { unit: 'ns', better: 'less' },
  kb_per_1000_tasks: { unit: 'kB', better: 'less' },
  bytes_per_spawn: { unit: 'bytes', better: 'less' },
  new_pages: { unit: 'pages', better: 'less' },
  elapsed_ms: { unit: 'ms', better: 'less' },
  peak_mb_above_idle: { unit: 'MB', better: 'less' },
  rss_mb: { unit: 'MB', better: 'less' },
  live_mb: { unit: 'MB', better: 'less' },
  arena_mb: { unit: 'MB', better: 'less' },
  system_calls: { unit: 'calls', better: 'less' },
} as const

/** A metric's stable name. */
export type Metric = keyof typeof metrics

/** What was varied: workers, in_flight, payload, batch, … Keys carry their unit last (`spin_us`). */
export type Params = Readonly<Record<string, string | number>>

/** One figure from one run. Its own `params` are added to the cell's; `value` is Infinity for "never reached". */
export interface Reading {
  readonly metric: Metric
  readonly value: number
  readonly params?: Params
}

/** Something that is measured: percore or a rival. */
export interface Contender {
  /** `percore` or the rival's name; what `--subjects` selects. */
  readonly subject: string
  /** The npm package it needs; when that is missing the subject is skipped and the reader told how to install it. */
  readonly needs?: string
  /** Why it cannot be measured here, and how that can be changed; it is then skipped. */
  readonly missing?: string
  /** Params that only this contender has, such as `{ batch: 100 }`. */
  readonly params?: Params
}

/** One set of params under which every one of its contenders is measured, `runs` times each, interleaved. */
export interface Cell {
  readonly params: Params
  readonly contenders: readonly Contender[]
  readonly runs: number
  /** A child that takes longer than this is killed and reported as failed. */
  readonly timeoutMs: number
  /** Anything else the child needs to know (budgets, paths): not part of the identity of a figure. */
  readonly input?: Readonly<Record<string, string | number>>
}

/** What the command line asked for; a bench takes its own default where a field is absent. */
export interface Choice {
  readonly quick: boolean
  readonly runs?: number
  readonly workers?: readonly number[]
  readonly inFlight?: readonly number[]
  readonly payloads?: readonly string[]
  readonly rows?: number
  readonly threads?: readonly number[]
  readonly policies?: readonly string[]
  readonly sweep?: boolean
  /** Only these subjects; a quick run measures fewer when it is not told. */
  readonly subjects?: readonly string[]
}

/** One measurement, as the child process receives it. */
export interface Job {
  readonly subject: string
  readonly params: Params
  readonly input: Readonly<Record<string, string | number>>
}

/** How a bench's results are shown to people. */
export type View =
  /** One block per set of params, one line per contender, one column per metric; the first metric gets the ratio to percore. */
  | { readonly kind: 'columns', readonly metrics: readonly Metric[] }
  /** One line per combination of the params in `rows` (the first is the x axis of a plot), one column per contender, one metric. */
  | { readonly kind: 'pivot', readonly metric: Metric, readonly rows: readonly string[] }

/** A benchmark: plans its cells in the parent, measures one of them in a fresh child process. */
export interface Bench {
  readonly name: string
  readonly summary: string
  /** `import.meta.url` of the module that exports this as `bench`; the child process imports it. */
  readonly module: string
  /** Every contender it knows, for `--subjects`. */
  readonly contenders: readonly Contender[]
  /** Parent: work done once before measuring (calibration, data files); its result is added to every job's input. */
  prepare?(choice: Choice, note: (text: string) => void): Promise<Readonly<Record<string, string | number>>>
  /** Parent: undoes what `prepare` left behind. */
  cleanup?(input: Readonly<Record<string, string | number>>): Promise<void>
  /** Parent: what to measure. */
  plan(choice: Choice): readonly Cell[]
  /** Child: warms up, measures once and returns the figures of this run. */
  measure(job: Job): Promise<readonly Reading[]>
  /** Parent: figures that follow from those of several contenders, such as a speed-up. */
  derive?(results: readonly Result[]): readonly Result[]
  readonly views: readonly View[]
}

/** All the figures of one metric for one subject and one set of params: one value per run that succeeded. */
export interface Result {
  readonly bench: string
  readonly subject: string
  readonly metric: Metric
  readonly params: Params
  /** The params it shares with the contenders it is compared with. */
  readonly shared: Params
  readonly values: readonly number[]
  /** The number of the run each value comes from. */
  readonly runs: readonly number[]
}

/** A measurement that gave no figure: its child crashed, hung or refused. */
export interface Failure {
  readonly bench: string
  readonly subject: string
  readonly params: Params
  readonly run: number
  readonly reason: string
}

/** A subject that was not measured because its package is not installed. */
export interface Skip {
  readonly bench: string
  readonly subject: string
  readonly reason: string
}

/** Everything one bench has to say. */
export interface Report {
  readonly bench: string
  readonly results: readonly Result[]
  readonly failures: readonly Failure[]
  readonly skips: readonly Skip[]
}
