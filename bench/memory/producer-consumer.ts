/**
 * `producer-consumer`: one thread allocates, the other frees, pointers travel through a ring; and what such a remote free costs by itself.
 * `plan` in the parent, `measure` in the main thread of a child, which is the producer.
 *
 * The invariant: every block is allocated by one thread and freed by the other; the ring is the same for all subjects.
 */
import { Worker } from 'node:worker_threads'
import type { Bench, Cell, Contender, Job, Reading } from '../harness/contract.js'
import { memoryOf, openPercore, percore } from './heaps.js'
import { fillTableIn, type Sizes, seedOf } from './loops.js'
import { isNative, measureNative, nativeBuild, natives } from './native.js'
import { runsOf, wanted } from './plan.js'
import { takeCore } from './own-core.js'
import { produceIn, ringWords, waitUntilEmpty } from './pointer-ring.js'
import { ratiosOver } from './ratios.js'

const sizes: Sizes = { min: 64, range: 449 }
const seed = 42
/** Short calls, see loops.ts. */
const warmUps = 4000

const contenders: readonly Contender[] = [percore, ...natives]

export const bench: Bench = {
  name: 'producer-consumer',
  summary: 'one thread allocates blocks of 64..512 bytes, another frees them: blocks per second, and the cost of a remote free',
  module: import.meta.url,
  contenders,
  ...nativeBuild,
  plan(choice) {
    const measured = wanted(contenders, choice)
    const common = { runs: runsOf(choice), timeoutMs: 60_000 }
    const rounds = { rounds: choice.quick ? 10 : 20, count: 100_000, bytes: 128 }
    return [
      ...[1, 32].map((batch): Cell => ({
        ...common, params: { publish: batch }, contenders: measured,
        input: { count: choice.quick ? 5e6 : 20e6, warmup: 2e6, batch, seed, ...sizes },
      })),
      { ...common, params: { remote_free: 'batched' }, contenders: measured, input: rounds },
      { ...common, params: { remote_free: 'alone' }, contenders: [percore], input: rounds },
    ]
  },
  async measure(job) {
    const { count = 0, warmup = 0, batch = 0, rounds = 0, bytes = 0 } = job.input as Record<string, number>
    if (job.params['remote_free'] !== undefined) {
      return isNative(job.subject) ? await measureNative(job, 'remote-free', { count, rounds, bytes }) : await measureRemoteFree(job)
    }
    if (!isNative(job.subject)) return await measureRing(job)
    return await measureNative(job, 'producer-consumer', { count, warmup, batch, seed, ...sizes })
  },
  derive: (results) => [...ratiosOver(results, 'items_per_s'), ...ratiosOver(results, 'ns_per_free')],
  views: [
    { kind: 'columns', metrics: ['items_per_s', 'rss_mb'] },
    { kind: 'pivot', metric: 'speedup', rows: ['over'] },
    { kind: 'columns', metrics: ['ns_per_free'] },
  ],
}

/** What the consuming thread needs. */
export interface ConsumerThread {
  readonly handle: ReturnType<typeof openPercore>['heap']['handle']
  /** The ring, or the table of blocks and its turn word. */
  readonly ring: Int32Array
  readonly count: number
  readonly warmups: readonly number[]
  readonly batch: number
  /** Frees tables instead: so many, each block sent alone or not. */
  readonly rounds: number
  readonly alone: boolean
}

async function measureRing({ input }: Job): Promise<readonly Reading[]> {
  const { count = 0, warmup = 0, batch = 0 } = input as Record<string, number>
  const { heap, words } = openPercore(1 << 30)
  const ring = new Int32Array(new SharedArrayBuffer(ringWords * 4))
  const warmups = Array.from({ length: warmUps }, () => warmup / warmUps)
  await startConsumer({ handle: heap.handle, ring, count, warmups, batch, rounds: 0, alone: false })
  const produce = produceIn(heap, words, ring, batch, sizes)
  let x = seedOf(seed, 0)
  for (const some of warmups) x = produce(x, some)
  waitUntilEmpty(ring)
  const start = performance.now()
  produce(x, count)
  waitUntilEmpty(ring)
  return [{ metric: 'items_per_s', value: count / ((performance.now() - start) / 1000) }, ...memoryOf(heap).slice(0, 1)]
}

/** This thread fills a table, the other frees it, in turns; the second half of the rounds counts. */
async function measureRemoteFree({ params, input }: Job): Promise<readonly Reading[]> {
  const { count = 0, rounds = 0, bytes = 0 } = input as Record<string, number>
  const { heap, words } = openPercore(1 << 30)
  const table = new Int32Array(new SharedArrayBuffer((count + 1) * 4))
  const alone = params['remote_free'] === 'alone'
  const worker = await startConsumer({ handle: heap.handle, ring: table, count, warmups: [], batch: 0, rounds, alone })
  const fillTable = fillTableIn(heap, words, table, bytes)
  const told = new Promise<number>((resolve) => { worker.once('message', resolve) })
  for (let round = 0; round < rounds; round++) {
    fillTable(count)
    Atomics.store(table, count, 1)
    Atomics.notify(table, count)
    Atomics.wait(table, count, 1)
  }
  return [{ metric: 'ns_per_free', value: await told }]
}

/** This thread and the one it starts have a core each. */
async function startConsumer(data: ConsumerThread): Promise<Worker> {
  const worker = new Worker(new URL('./consumer-thread.js', import.meta.url), { workerData: data })
  await new Promise((resolve, reject) => { worker.once('message', resolve).once('error', reject) })
  takeCore(0) // not before: a thread inherits what its parent is tied to
  return worker
}
