/**
 * `latency`: one task in flight, integer echo, the time of every round trip; and the CPU an idle pool uses for 5 s.
 * `plan` in the parent, `measure` in the main thread of a measuring child.
 *
 * The invariant: a sample is the time from the call of `run` to the continuation after its promise, one clock read per task.
 */
import { assertEchoes, runTasks } from './driver.js'
import type { Bench, Reading } from './harness/contract.js'
import { quantile } from './harness/stats.js'
import { essentialPools, poolNamed, pools, type Pool } from './subjects/index.js'

const maxSamples = 4_000_000
const idleMs = 5000
const payload = 42

export const bench: Bench = {
  name: 'latency',
  summary: 'one task in flight: p50, p99, p99.9 of the round trip; CPU of an idle pool',
  module: import.meta.url,
  contenders: pools,
  plan(choice) {
    const runs = choice.runs ?? (choice.quick ? 3 : 5)
    const workers = choice.workers ?? (choice.quick ? [1] : [1, 2])
    const input = choice.quick ? { warmup_ms: 100, measure_ms: 150 } : { warmup_ms: 300, measure_ms: 1000 }
    const contenders = choice.quick && !choice.subjects ? essentialPools : pools
    const idle = choice.quick ? pools.filter((pool) => pool.subject === 'percore') : pools
    return [
      ...workers.map((count) => ({ params: { workers: count, in_flight: 1, payload: 'num' }, contenders, runs, timeoutMs: 30_000, input })),
      { params: { workers: 2, in_flight: 0 }, contenders: idle, runs: choice.quick ? 1 : runs, timeoutMs: 30_000 },
    ]
  },
  async measure({ subject, params, input }) {
    const idle = params['in_flight'] === 0
    const pool = await poolNamed(subject).start({ workers: Number(params['workers']), handler: 'echo', inFlight: 1 })
    await assertEchoes(pool, payload)
    const readings = idle ? await measureIdle(pool) : await measureRoundTrips(pool, Number(input['warmup_ms']), Number(input['measure_ms']))
    await pool.close()
    return readings
  },
  views: [{ kind: 'columns', metrics: ['latency_us_p50', 'latency_us_p99', 'latency_us_p999'] }, { kind: 'columns', metrics: ['cpu_percent'] }],
}

async function measureRoundTrips(pool: Pool, warmupMs: number, measureMs: number): Promise<Reading[]> {
  await sample(pool, warmupMs)
  const sorted = (await sample(pool, measureMs)).sort()
  return [
    { metric: 'latency_us_p50', value: quantile(sorted, 0.5) },
    { metric: 'latency_us_p99', value: quantile(sorted, 0.99) },
    { metric: 'latency_us_p999', value: quantile(sorted, 0.999) },
  ]
}

/** The microseconds of each round trip, one after the other for `durationMs`. */
async function sample(pool: Pool, durationMs: number): Promise<Float64Array> {
  const samples = new Float64Array(maxSamples)
  let count = 0
  let lastMs = performance.now()
  const endMs = lastMs + durationMs
  while (lastMs < endMs && count < maxSamples) {
    await pool.run(payload)
    const nowMs = performance.now()
    samples[count++] = (nowMs - lastMs) * 1000
    lastMs = nowMs
  }
  return samples.subarray(0, count)
}

/** CPU of the whole process while a pool that has just worked has nothing to do. */
async function measureIdle(pool: Pool): Promise<Reading[]> {
  await runTasks(pool, payload, 2000, 64)
  // The tail of the work (a spin before parking, a garbage collection) is not idleness.
  await delay(200)
  const startMs = performance.now()
  const start = process.cpuUsage()
  await delay(idleMs)
  const cpu = process.cpuUsage(start)
  return [{ metric: 'cpu_percent', value: (cpu.user + cpu.system) / 1000 / (performance.now() - startMs) * 100 }]
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })
