/**
 * `paced`: one task every millisecond from a pool that is idle in between, as a server with little to do sees it: how long does a task take
 * when everybody has gone to sleep, what does such a trickle cost, and what does the pool cost when nothing comes at all. `plan` in the parent,
 * `measure` in the main thread of a measuring child.
 *
 * The invariant: a task is sent when its time has come, whether or not the one before is done; a sample is the time from the call of `run` to
 * the callback of its promise.
 */
import { cpuPercentDuring, delay, settleMs } from './cpu.js'
import { assertEchoes, runTasks, warmUpClock } from './driver.js'
import { echo } from './handlers.js'
import type { Bench } from './harness/contract.js'
import { quantile } from './harness/stats.js'
import { type Pool, poolNamed, pools, type PoolSubject, quickPools } from './subjects/index.js'

const payload = 42
const everyMs = 1
/** More than any pool lets a task wait at this pace. */
const inFlight = 64

/** No pool at all: what the timer and the clock cost by themselves. */
const inline: PoolSubject = {
  subject: 'inline',
  start: async () => ({ run: async (value) => echo(value), close: async () => undefined }),
}

const fullInput = { warmup_cpu_ms: 600, tasks: 2000, idle_ms: 5000 }
const quickInput = { warmup_cpu_ms: 200, tasks: 300, idle_ms: 400 }

export const bench: Bench = {
  name: 'paced',
  summary: 'one task every millisecond from an idle pool: p50, p99, CPU while pacing; CPU when nothing comes',
  module: import.meta.url,
  contenders: [...pools, inline],
  plan(choice) {
    const contenders = choice.quick && !choice.subjects ? quickPools : bench.contenders
    return (choice.workers ?? [1]).map((workers) => ({
      params: { workers, every_ms: everyMs }, contenders, runs: choice.runs ?? (choice.quick ? 1 : 5), timeoutMs: 60_000,
      input: choice.quick ? quickInput : fullInput,
    }))
  },
  async measure({ subject, params, input }) {
    const start = subject === inline.subject ? inline.start : poolNamed(subject).start
    const pool = await start({ workers: Number(params['workers']), handler: 'echo', inFlight })
    await assertEchoes(pool, [payload])
    const isWarm = warmUpClock(Number(input['warmup_cpu_ms']))
    while (!isWarm()) await runTasks(pool, payload, 200, inFlight)
    await delay(settleMs)

    const samplesUs = new Float64Array(Number(input['tasks']))
    const cpuPercent = await cpuPercentDuring(() => pace(pool, payload, everyMs, samplesUs))
    await delay(settleMs)
    const idleCpuPercent = await cpuPercentDuring(() => delay(Number(input['idle_ms'])))
    await pool.close()
    samplesUs.sort()
    return [
      { metric: 'latency_us_p50', value: quantile(samplesUs, 0.5) },
      { metric: 'latency_us_p99', value: quantile(samplesUs, 0.99) },
      { metric: 'cpu_percent', value: cpuPercent },
      { metric: 'idle_cpu_percent', value: idleCpuPercent },
    ]
  },
  views: [{ kind: 'columns', metrics: ['latency_us_p50', 'latency_us_p99', 'cpu_percent', 'idle_cpu_percent'] }],
}

/**
 * A task every `everyMs` until each of `samplesUs` has the microseconds of one. Resolves when the last has settled; rejects with the first
 * that fails. The pace is that of Node's timers, which are late by some 0.1 ms and alike for all pools.
 */
export function pace(pool: Pool, value: unknown, everyMs: number, samplesUs: Float64Array): Promise<void> {
  return new Promise((resolve, reject) => {
    let issued = 0
    let settled = 0
    const timer = setInterval(() => {
      const nth = issued++
      if (issued === samplesUs.length) clearInterval(timer)
      const sentMs = performance.now()
      pool.run(value).then(() => {
        samplesUs[nth] = (performance.now() - sentMs) * 1000
        if (++settled === samplesUs.length) resolve()
      }, (error: unknown) => {
        clearInterval(timer)
        reject(error)
      })
    }, everyMs)
  })
}
