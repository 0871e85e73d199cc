/**
 * `group`: echo through a pool of workers, one promise per task, exactly N in flight: tasks/s, CPU per task, resident memory.
 * `plan` in the parent, `measure` in the main thread of a measuring child.
 *
 * The invariant: every subject gets the same driver, the same handler and the same payload.
 */
import { assertEchoes, measureFlow } from './driver.js'
import type { Bench, Cell, Choice } from './harness/contract.js'
import { makePayloads } from './payloads.js'
import { poolNamed, pools, quickPools } from './subjects/index.js'

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

export const bench: Bench = {
  name: 'group',
  summary: 'echo through a pool, one promise per task: tasks/s, CPU per task, resident memory',
  module: import.meta.url,
  contenders: pools,
  plan(choice) {
    const input = choice.quick ? { warmup_cpu_ms: 400, measure_ms: 150 } : { warmup_cpu_ms: 1200, measure_ms: 600 }
    const contenders = choice.quick && !choice.subjects ? quickPools : pools
    return points(choice).map((point): Cell => ({
      params: { ...point }, contenders, runs: choice.runs ?? (choice.quick ? 3 : 5), timeoutMs: 60_000, input,
    }))
  },
  async measure({ subject, params, input }) {
    const inFlight = Number(params['in_flight'])
    const values = makePayloads(params['payload'], inFlight)
    const pool = await poolNamed(subject).start({ workers: Number(params['workers']), handler: 'echo', inFlight })
    await assertEchoes(pool, values)
    const budget = { warmupCpuMs: Number(input['warmup_cpu_ms']), measureMs: Number(input['measure_ms']) }
    const flow = await measureFlow(pool, values, { inFlight, ...budget })
    await pool.close()
    return [
      { metric: 'tasks_per_s', value: flow.tasks / (flow.elapsedMs / 1000) },
      { metric: 'cpu_us_per_task', value: flow.cpuMs * 1000 / flow.tasks },
      { metric: 'rss_mb', value: flow.rssBytes / 1e6 },
    ]
  },
  views: [{ kind: 'columns', metrics: ['tasks_per_s', 'cpu_us_per_task', 'rss_mb'] }],
}

/** The default grid; as soon as one axis is chosen, the product of what was chosen and, for the rest, the busy case. */
function points(choice: Choice): readonly Point[] {
  if (choice.workers === undefined && choice.inFlight === undefined && choice.payloads === undefined) {
    return choice.quick ? quickPoints : fullPoints
  }
  return product(choice.workers ?? [2], choice.inFlight ?? [4096], choice.payloads ?? ['num'])
}

function product(workers: readonly number[], inFlight: readonly number[], payloads: readonly string[]): Point[] {
  return payloads.flatMap((payload) => workers.flatMap((count) => inFlight.map((in_flight) => ({ workers: count, in_flight, payload }))))
}
