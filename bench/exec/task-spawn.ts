/**
 * `task-spawn`: 10,000 tasks spawned, then run; what one costs, in time and in bytes. For the tail, 10,000 tasks alive of which each spawns its
 * successor. `plan` in the parent, `measure` in a child.
 *
 * The invariant: a task does nothing but add, and the same for every subject.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { warmUpClock } from '../driver.js'
import type { Bench, Reading } from '../harness/contract.js'
import { quantile } from '../harness/stats.js'
import { ratiosOver } from '../memory/ratios.js'
import { type Spawner, spawnerOf, spawners, statedSpawnerOf, statedSpawners, type Task } from './spawners.js'

const live = 10_000
/** Few enough that no collection happens while bytes are counted, at a few hundred bytes per task. */
const tasksToWeigh = 20_000
const samplesMax = 1 << 18

export const bench: Bench = {
  name: 'task-spawn',
  summary: 'tasks on one thread, 10,000 alive: ns and bytes to spawn and run one, against microtasks, promises, generators, fibers',
  module: import.meta.url,
  contenders: [...spawners, ...statedSpawners],
  plan: (choice) => {
    const cell = {
      runs: choice.runs ?? (choice.quick ? 3 : 5),
      timeoutMs: 60_000,
      input: choice.quick ? { warmup_cpu_ms: 300, measure_ms: 150 } : { warmup_cpu_ms: 600, measure_ms: 500 },
    }
    const stated = (choice.quick ? [128] : [64, 128, 512, 2048]).map((bytes) => ({ ...cell, params: { live, state_bytes: bytes }, contenders: statedSpawners }))
    return [{ ...cell, params: { live }, contenders: spawners }, ...stated]
  },
  async measure({ subject, params, input }) {
    const bytesOfState = params['state_bytes']
    const spawner = bytesOfState === undefined
      ? await spawnerOf(subject, String(params['task']), live)
      : statedSpawnerOf(subject, String(params['strategy']), Number(bytesOfState), live)
    const isWarm = warmUpClock(Number(input['warmup_cpu_ms']))
    while (!isWarm()) await round(spawner)
    const ns = await measureCost(spawner, Number(input['measure_ms']))
    const bytes = await weigh(spawner)
    // Only now: two functions instead of one make the calls of each dearer.
    for (let i = 0; i < 100; i++) await sample(spawner, live)
    const samples = await sample(spawner, samplesMax)
    const empty = sampleNothing(samplesMax)
    return [
      { metric: 'ns_per_spawn', value: ns },
      { metric: 'tasks_per_s', value: 1e9 / ns },
      { metric: 'bytes_per_spawn', value: bytes },
      { metric: 'ns_per_spawn_p50', value: quantile(samples, 0.5) - quantile(empty, 0.5) },
      { metric: 'ns_per_spawn_p99', value: quantile(samples, 0.99) - quantile(empty, 0.99) },
      { metric: 'ns_per_spawn_p999', value: quantile(samples, 0.999) - quantile(empty, 0.999) },
      { metric: 'ns_per_spawn_p9999', value: quantile(samples, 0.9999) - quantile(empty, 0.9999) },
      ...bytesOfState === undefined ? [] : [{ metric: 'kb_per_1000_tasks' as const, value: weighLive(subject, String(params['strategy']), Number(bytesOfState)) }],
    ] satisfies Reading[]
  },
  derive: (results) => ratiosOver(results, 'ns_per_spawn'),
  views: [
    { kind: 'columns', metrics: ['ns_per_spawn', 'bytes_per_spawn', 'ns_per_spawn_p50', 'ns_per_spawn_p99', 'ns_per_spawn_p999', 'ns_per_spawn_p9999'] },
    { kind: 'columns', metrics: ['kb_per_1000_tasks'] },
    { kind: 'pivot', metric: 'speedup', rows: ['over'] },
  ],
}

let sum = 0

const work: Task = (n) => { sum = (sum + n) | 0 }

/** One round: so many tasks are spawned, then all run. */
async function round(spawner: Spawner): Promise<void> {
  spawner.spawnAll(work, live)
  await spawner.settle()
}

/** Nanoseconds per task: the median of rounds. A round is so short that few of them are disturbed. */
async function measureCost(spawner: Spawner, measureMs: number): Promise<number> {
  const costs: number[] = []
  const endMs = performance.now() + measureMs
  while (performance.now() < endMs || costs.length < 5) {
    const startMs = performance.now()
    await round(spawner)
    costs.push(((performance.now() - startMs) * 1e6) / live)
  }
  return quantile(Float64Array.from(costs).sort(), 0.5)
}

/** Heap bytes per task by the engine's own counter: the upper quartile of weighings that no collection spoilt. */
async function weigh(spawner: Spawner): Promise<number> {
  const weights: number[] = []
  for (let i = 0; i < 15; i++) {
    const before = getHeapStatistics().used_heap_size
    for (let tasks = 0; tasks < tasksToWeigh; tasks += live) await round(spawner)
    const bytes = getHeapStatistics().used_heap_size - before
    if (bytes >= 0) weights.push(bytes / tasksToWeigh)
  }
  return quantile(Float64Array.from(weights).sort(), 0.75)
}

/** Kilobytes of memory, wherever it lies, per 1000 live tasks of an executor made for them. */
function weighLive(subject: string, strategy: string, bytes: number): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const held = (): number => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = held()
  const spawner = statedSpawnerOf(subject, strategy, bytes, live)
  spawner.spawnAll(work, live)
  // The engine does not count shared memory; a heap's pages are its own count.
  const { heap, bytes: heapBytes } = spawner.exec.state.counters()
  const total = held() - before + (heap > 0 ? heapBytes : 0)
  void spawner.settle()
  return total / 1000 / (live / 1000)
}

/** The nanoseconds from one task to the next, in ascending order: each runs, looks at the clock, and spawns its successor. */
async function sample(spawner: Spawner, count: number): Promise<Float64Array> {
  const samples = new Float64Array(count).fill(1) // touched: a page fault is nobody's latency
  let at = 0
  let lastMs = performance.now()
  const task: Task = (n) => {
    sum = (sum + n) | 0
    if (at === count) return
    const nowMs = performance.now()
    samples[at++] = (nowMs - lastMs) * 1e6
    lastMs = nowMs
    spawner.spawn(task, n)
  }
  for (let n = 0; n < live; n++) spawner.spawn(task, n)
  lastMs = performance.now()
  await spawner.settle()
  return samples.sort()
}

/** The same loop with nothing to spawn: what the clock and the machine cost. */
function sampleNothing(count: number): Float64Array {
  const samples = new Float64Array(count)
  for (let round = 0; round < 2; round++) {
    let lastMs = performance.now()
    for (let at = 0; at < count; at++) {
      const nowMs = performance.now()
      samples[at] = (nowMs - lastMs) * 1e6
      lastMs = nowMs
    }
  }
  return samples.sort()
}
