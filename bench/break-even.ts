/**
 * `break-even`: how small may a task be and still be worth moving to another core? Tasks that spin for X µs on two workers
 * against the same loop inline, in the same child. `prepare` and `plan` in the parent, `measure` in a child's main thread.
 *
 * The invariant: both sides run the same function for the same number of iterations, calibrated once for all children.
 */
import { runTasks, warmUpClock } from './driver.js'
import { spin } from './handlers.js'
import { calibrateSpin } from './harness/calibrate.js'
import type { Bench, Reading } from './harness/contract.js'
import { spread } from './harness/stats.js'
import { type Pool, poolNamed, pools, quickPools } from './subjects/index.js'

const fullSpinsUs: readonly number[] = [0.25, 0.5, 1, 2, 5, 10, 20, 50, 100]
const quickSpinsUs: readonly number[] = [0.25, 0.5, 1, 2, 5, 20, 100]
const inFlight = 4096

/** So many tasks, but never more than `inline_ms` of work; a fast pool repeats the comparison within `repeat_ms`. */
const fullInput = { quick: 0, tasks: 20_000, inline_ms: 200, repeat_ms: 150, warmup_cpu_ms: 1200 }
const quickInput = { quick: 1, tasks: 2000, inline_ms: 10, repeat_ms: 25, warmup_cpu_ms: 400 }

export const bench: Bench = {
  name: 'break-even',
  summary: 'the smallest task that two workers run faster than the caller itself, and the speed-up by task size',
  module: import.meta.url,
  contenders: pools,
  prepare: async () => ({ iterations_per_us: calibrateSpin() }),
  plan(choice) {
    const input = choice.quick ? quickInput : fullInput
    const contenders = choice.quick && !choice.subjects ? quickPools : pools
    return (choice.workers ?? [2]).map((workers) => ({
      params: { workers, in_flight: inFlight }, contenders, runs: choice.runs ?? (choice.quick ? 3 : 5), timeoutMs: 120_000, input,
    }))
  },
  async measure({ subject, params, input }) {
    const pool = await poolNamed(subject).start({ workers: Number(params['workers']), handler: 'spin', inFlight })
    const perUs = Number(input['iterations_per_us'])
    await warmUp(pool, perUs, Number(input['warmup_cpu_ms']))
    const readings: Reading[] = []
    let breakEvenUs = Infinity
    for (const spinUs of input['quick'] === 1 ? quickSpinsUs : fullSpinsUs) {
      const tasks = Math.min(Number(input['tasks']), Math.floor(Number(input['inline_ms']) * 1000 / spinUs))
      const { speedup, cpuUs } = await compare(pool, Math.round(spinUs * perUs), tasks, Number(input['repeat_ms']))
      if (speedup > 1) breakEvenUs = Math.min(breakEvenUs, spinUs)
      readings.push({ metric: 'speedup', value: speedup, params: { spin_us: spinUs, tasks } })
      readings.push({ metric: 'cpu_us_per_task', value: cpuUs, params: { spin_us: spinUs, tasks } })
    }
    await pool.close()
    return [...readings, { metric: 'break_even_us', value: breakEvenUs }]
  },
  views: [
    { kind: 'pivot', metric: 'speedup', rows: ['spin_us', 'tasks'] },
    { kind: 'pivot', metric: 'cpu_us_per_task', rows: ['spin_us', 'tasks'] },
    { kind: 'columns', metrics: ['break_even_us'] },
  ],
}

interface Comparison {
  /** Inline time over pool time for the same tasks. */
  readonly speedup: number
  /** CPU time of all threads per task of the pool, the task itself included. */
  readonly cpuUs: number
}

/** Both sides in turn, the median of as many rounds as fit, at least one. */
async function compare(pool: Pool, iterations: number, tasks: number, repeatMs: number): Promise<Comparison> {
  const speedups: number[] = []
  const cpusUs: number[] = []
  const endMs = performance.now() + repeatMs
  do {
    const startMs = performance.now()
    runInline(iterations, tasks)
    const betweenMs = performance.now()
    const between = process.cpuUsage()
    await runTasks(pool, iterations, tasks, inFlight)
    speedups.push((betweenMs - startMs) / (performance.now() - betweenMs))
    const { user, system } = process.cpuUsage(between)
    cpusUs.push((user + system) / tasks)
  } while (performance.now() < endMs)
  return { speedup: spread(speedups).median, cpuUs: spread(cpusUs).median }
}

function runInline(iterations: number, tasks: number): number {
  let sink = 0
  for (let i = 0; i < tasks; i++) sink ^= spin(iterations)
  return sink
}

/** Both sides compiled, both workers up, before anything is timed. */
async function warmUp(pool: Pool, perUs: number, cpuMs: number): Promise<void> {
  const isWarm = warmUpClock(cpuMs)
  do {
    runInline(Math.round(perUs / 2), 1000)
    await runTasks(pool, Math.round(perUs / 2), 500, inFlight)
  } while (!isWarm())
}
