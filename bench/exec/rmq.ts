/**
 * `rmq`: a message broker's shape. Messages arrive at a fixed rate whatever happens (open loop), each owns 128 bytes and lives 200 ms, 10,000 or
 * 20,000 alive; what taking one costs, how late it is done, and the processor it all needs. `plan` in the parent, `measure` in a child.
 *
 * The invariant: no message is forgotten: those that are not done a second after the last arrived are lost, and counted.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench, Reading } from '../harness/contract.js'
import { quantile } from '../harness/stats.js'
import { ratiosOver } from '../memory/ratios.js'
import { brokerOf, brokers, type Broker } from './brokers.js'

const lifeMs = 200
const warmupMs = 600

export const bench: Bench = {
  name: 'rmq',
  summary: 'messages at 50,000 and 100,000/s that live 200 ms on a timer: cost of taking one, lateness, processor, memory',
  module: import.meta.url,
  contenders: brokers,
  plan: (choice) => [50_000, 100_000].map((rate) => ({
    params: { rate },
    contenders: brokers,
    runs: choice.runs ?? (choice.quick ? 2 : 5),
    timeoutMs: 60_000,
    input: { measure_ms: choice.quick ? 1500 : 10_000 },
  })),
  async measure({ subject, params, input }) {
    const rate = Number(params['rate'])
    const measureMs = Number(input['measure_ms'])
    const count = Math.ceil((rate * measureMs) / 1000)
    const first = Math.ceil((rate * warmupMs) / 1000)
    const latest = new Float64Array(first + count).fill(1)
    const lateness = new Float64Array(count).fill(1)
    const costs = new Float64Array(first + count).fill(1)
    const finished = { count: 0 }
    const broker = await brokerOf(subject, String(params['task']), lifeMs, (rate * lifeMs) / 1000, (n, state, start = 0) => {
      state[start] = n
      if (n < first) return
      lateness[n - first] = performance.now() - (latest[n] ?? 0)
      finished.count++
    })
    await offer(broker, 0, first, rate, latest, costs)
    const cpu = process.cpuUsage()
    const startMs = performance.now()
    await offer(broker, first, first + count, rate, latest, costs)
    const { user, system } = process.cpuUsage(cpu)
    const elapsedMs = performance.now() - startMs
    const rss = process.memoryUsage().rss
    for (const endMs = performance.now() + 1000 + lifeMs; finished.count < count && performance.now() < endMs;) {
      broker.turn()
      await delay(1)
    }
    const measured = costs.subarray(first).sort()
    return [
      { metric: 'ns_per_spawn_p50', value: quantile(measured, 0.5) },
      { metric: 'ns_per_spawn_p99', value: quantile(measured, 0.99) },
      { metric: 'ns_per_spawn_p999', value: quantile(measured, 0.999) },
      { metric: 'ns_per_spawn_max', value: quantile(measured, 1) },
      { metric: 'lateness_ms_p99', value: quantile(lateness.sort(), 0.99) },
      { metric: 'lost', value: count - finished.count },
      { metric: 'cpu_percent', value: (user + system) / 10 / elapsedMs },
      { metric: 'rss_mb', value: rss / 1e6 },
    ] satisfies Reading[]
  },
  derive: (results) => ratiosOver(results, 'cpu_percent'),
  views: [
    { kind: 'columns', metrics: ['ns_per_spawn_p50', 'ns_per_spawn_p99', 'ns_per_spawn_p999', 'ns_per_spawn_max'] },
    { kind: 'columns', metrics: ['cpu_percent', 'lateness_ms_p99', 'lost', 'rss_mb'] },
  ],
}

/** Messages `from` to `to` arrive at their times: each millisecond those that are due, each timed with the cost of one look at the clock. */
async function offer(broker: Broker, from: number, to: number, rate: number, latest: Float64Array, costs: Float64Array): Promise<void> {
  const startMs = performance.now()
  for (let n = from; n < to;) {
    const due = Math.min(to, from + Math.floor(((performance.now() - startMs) * rate) / 1000))
    while (n < due) {
      const beforeMs = performance.now()
      broker.take(n)
      const afterMs = performance.now()
      costs[n] = (afterMs - beforeMs) * 1e6
      latest[n] = afterMs + lifeMs
      n++
    }
    broker.turn()
    await delay(1)
  }
}
