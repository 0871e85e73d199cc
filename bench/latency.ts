/**
 * `latency`: one task in flight, integer echo, the time of every round trip, also while 64 others sleep on the same worker; and the CPU a pool uses while it is idle.
 * `plan` in the parent, `measure` in the main thread of a measuring child.
 *
 * The invariant: a sample is the time from the call of `run` to the continuation after its promise, one clock read per task.
 */
import { cpuPercentDuring, delay, settleMs } from './cpu.js'
import { assertEchoes, runTasks, warmUpClock } from './driver.js'
import type { Bench, Reading } from './harness/contract.js'
import { quantile } from './harness/stats.js'
import { type Pool, poolNamed, pools, type PoolSubject, quickPools } from './subjects/index.js'

/** So many tasks sleep, each so long, on the worker that is to answer at once. */
const sleepers = 64
const sleepMs = 10

/** Room for 1 s of round trips of 1 µs. */
const maxSamples = 1_000_000
const payload = -42

export const bench: Bench = {
  name: 'latency',
  summary: 'one task in flight: p50, p99, p99.9 of the round trip; CPU of an idle pool',
  module: import.meta.url,
  contenders: pools,
  plan(choice) {
    const runs = choice.runs ?? (choice.quick ? 3 : 5)
    const workers = choice.workers ?? (choice.quick ? [1] : [1, 2])
    const input = choice.quick ? { warmup_cpu_ms: 250, measure_ms: 150 } : { warmup_cpu_ms: 600, measure_ms: 1000 }
    const contenders = choice.quick && !choice.subjects ? quickPools : pools
    const idlers = choice.quick && !choice.subjects ? pools.filter((pool) => pool.subject === 'percore') : pools
    const idleSeconds = choice.quick ? 1 : 5
    return [
      ...workers.map((count) => ({ params: { workers: count, in_flight: 1, payload: 'num' }, contenders, runs, timeoutMs: 60_000, input })),
      ...choice.quick && !choice.subjects ? [] : [
        { params: { workers: 1, in_flight: 1, payload: 'num', asleep: sleepers }, contenders: pools.filter(mayDoze), runs, timeoutMs: 60_000, input },
      ],
      { params: { workers: 2, idle_s: idleSeconds }, contenders: idlers, runs: choice.quick ? 1 : runs, timeoutMs: 60_000 },
    ]
  },
  async measure({ subject, params, input }) {
    const idleSeconds = params['idle_s']
    const asleep = Number(params['asleep'] ?? 0)
    const pool = await poolNamed(subject).start({ workers: Number(params['workers']), handler: asleep > 0 ? 'doze' : 'echo', inFlight: 1 + asleep })
    await assertEchoes(pool, [payload])
    const wake = keepAsleep(pool, asleep)
    const readings = idleSeconds === undefined
      ? await measureRoundTrips(pool, Number(input['warmup_cpu_ms']), Number(input['measure_ms']))
      : await measureIdle(pool, Number(idleSeconds) * 1000)
    await wake()
    await pool.close()
    return readings
  },
  views: [
    { kind: 'columns', metrics: ['latency_us_p50', 'latency_us_p99', 'latency_us_p999'] },
    { kind: 'columns', metrics: ['cpu_percent'] },
  ],
}

function mayDoze({ subject }: PoolSubject): boolean {
  return !subject.startsWith('postMessage')
}

/** Has `count` tasks sleep in the pool, one after the other each; gives what ends that. */
function keepAsleep(pool: Pool, count: number): () => Promise<unknown> {
  const end = new AbortController()
  async function oneAfterTheOther(): Promise<void> {
    while (!end.signal.aborted) await pool.run(sleepMs)
  }
  const sleeping = Array.from({ length: count }, oneAfterTheOther)
  return () => {
    end.abort()
    return Promise.all(sleeping)
  }
}

async function measureRoundTrips(pool: Pool, warmupCpuMs: number, measureMs: number): Promise<Reading[]> {
  const isWarm = warmUpClock(warmupCpuMs)
  const samples = new Float64Array(maxSamples)
  while (!isWarm()) await sample(pool, 20, samples)
  const sorted = (await sample(pool, measureMs, samples)).sort()
  return [
    { metric: 'latency_us_p50', value: quantile(sorted, 0.5) },
    { metric: 'latency_us_p99', value: quantile(sorted, 0.99) },
    { metric: 'latency_us_p999', value: quantile(sorted, 0.999) },
  ]
}

/** The microseconds of each round trip, one after the other for `durationMs`. */
async function sample(pool: Pool, durationMs: number, samples: Float64Array): Promise<Float64Array> {
  let count = 0
  let lastMs = performance.now()
  const endMs = lastMs + durationMs
  while (lastMs < endMs && count < samples.length) {
    await pool.run(payload)
    const nowMs = performance.now()
    samples[count++] = (nowMs - lastMs) * 1000
    lastMs = nowMs
  }
  return samples.subarray(0, count)
}

/** CPU of the whole process while a pool that has just worked has nothing to do. */
async function measureIdle(pool: Pool, idleMs: number): Promise<Reading[]> {
  await runTasks(pool, payload, 2000, 64)
  await delay(settleMs)
  return [{ metric: 'cpu_percent', value: await cpuPercentDuring(() => delay(idleMs)) }]
}
