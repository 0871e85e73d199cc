/**
 * `group`: echo through a pool of workers, one promise per task, exactly N in flight: tasks/s, CPU per task, resident memory. Beside it percore's
 * other ways in, a busy process, and 100,000 tasks at once.
 * `plan` in the parent, `measure` in the main thread of a measuring child.
 *
 * The invariant: every subject gets the same driver, the same handler and the same payload.
 */
import { measureBurst } from './burst.js'
import { startBusyProcess } from './busy.js'
import { assertEchoes, measureFlow } from './driver.js'
import type { Bench, Cell, Choice, Contender, Params } from './harness/contract.js'
import { makePayloads } from './payloads.js'
import { type PoolOptions, poolNamed, pools, quickPools, startWay, type Way, type WayPool, ways } from './subjects/index.js'

interface Point {
  readonly workers: number
  readonly in_flight: number
  readonly payload: string
}

/** What a quick look needs: the busy case, small and structured. */
const quickPoints: readonly Point[] = [
  { workers: 2, in_flight: 4096, payload: 'num' },
  { workers: 2, in_flight: 4096, payload: 'json' },
]

/** One in flight says what a round trip costs, 64 is a server, 4096 a batch; large payloads in numbers that fit in memory. */
const fullPoints: readonly Point[] = [
  ...product([1, 2], [1, 64, 4096], ['num']),
  ...product([1, 2], [64, 4096], ['json']),
  ...product([2], [64], ['u8_1k', 'u8_64k']),
]

/** Issued at once, by somebody who does not count. */
const burst = 100_000

export const bench: Bench = {
  name: 'group',
  summary: 'echo through a pool, one promise per task: tasks/s, CPU per task, resident memory',
  module: import.meta.url,
  contenders: pools,
  plan(choice) {
    const input = choice.quick ? { warmup_cpu_ms: 400, measure_ms: 150 } : { warmup_cpu_ms: 1200, measure_ms: 600 }
    const few = choice.quick && !choice.subjects
    const runs = choice.runs ?? (choice.quick ? 3 : 5)
    const cellOf = (params: Params, contenders: readonly Contender[]): Cell => ({ params, contenders, runs, timeoutMs: 60_000, input })
    return [
      ...points(choice).map((point) => cellOf({ ...point }, few ? quickPools : [...pools, ...waysFor(point)])),
      ...choice.quick || isChosen(choice) ? [] : [
        ...product([1, 2], [4096], ['num']).map((point) => cellOf({ ...point, beside: 'busy process' }, pools)),
        cellOf({ workers: 2, at_once: burst, payload: 'num' }, pools),
      ],
    ]
  },
  async measure({ subject, params, input }) {
    const { by, at_once: atOnce } = params
    const warmupCpuMs = Number(input['warmup_cpu_ms'])
    const inFlight = Number(params['in_flight'] ?? 1024)
    const values = makePayloads(params['payload'], inFlight)
    const options: PoolOptions = { workers: Number(params['workers']), handler: 'echo', inFlight }
    const { pool, checked, tasksPerRun, values: given } = by === undefined
      ? await startPlain(subject, options, values)
      : await startWay(by as Way, options, values)
    await assertEchoes(checked, values)
    if (atOnce !== undefined) return await measureBurst(pool, Number(atOnce), warmupCpuMs)
    const stop = params['beside'] === undefined ? undefined : startBusyProcess()
    const measureMs = Number(input['measure_ms'])
    const flow = await measureFlow(pool, given, { inFlight: Math.max(1, Math.round(inFlight / tasksPerRun)), warmupCpuMs, measureMs })
    stop?.()
    await pool.close()
    const tasks = flow.tasks * tasksPerRun
    return [
      { metric: 'tasks_per_s', value: tasks / (flow.elapsedMs / 1000) },
      { metric: 'cpu_us_per_task', value: flow.cpuMs * 1000 / tasks },
      { metric: 'rss_mb', value: flow.rssBytes / 1e6 },
    ]
  },
  views: [
    { kind: 'columns', metrics: ['tasks_per_s', 'cpu_us_per_task', 'rss_mb'] },
    { kind: 'columns', metrics: ['elapsed_ms', 'peak_mb_above_idle'] },
  ],
}

/** One promise per task, as all pools have it. */
async function startPlain(subject: string, options: PoolOptions, values: readonly unknown[]): Promise<WayPool> {
  const pool = await poolNamed(subject).start(options)
  return { pool, checked: pool, tasksPerRun: 1, values }
}

/** Percore's other ways stand beside the rest where there is something to gather: not with one task in flight. */
function waysFor({ payload, in_flight }: Point): readonly Contender[] {
  return in_flight < 4 ? [] : ways.filter(({ payloads }) => payloads.includes(payload))
}

function isChosen({ workers, inFlight, payloads }: Choice): boolean {
  return workers !== undefined || inFlight !== undefined || payloads !== undefined
}

/** The default grid; as soon as one axis is chosen, the product of what was chosen and, for the rest, the busy case. */
function points(choice: Choice): readonly Point[] {
  if (!isChosen(choice)) return choice.quick ? quickPoints : fullPoints
  return product(choice.workers ?? [2], choice.inFlight ?? [4096], choice.payloads ?? ['num'])
}

function product(workers: readonly number[], inFlight: readonly number[], payloads: readonly string[]): Point[] {
  return payloads.flatMap((payload) => workers.flatMap((count) => inFlight.map((in_flight) => ({ workers: count, in_flight, payload }))))
}
