/**
 * `grow`: a million blocks from cold memory, and again when it is warm; the first allocations of fresh threads, with and without prewarm;
 * and with `--sweep` how chunks should grow. `plan` in the parent, `measure` in a child.
 *
 * The invariant: cold means that nobody has touched the memory; the code is warm in either case.
 */
import { attachHeap, defaultPlan } from '../../src/memory/index.js'
import type { Bench, Cell, Choice, Contender, Job, Params, Reading } from '../harness/contract.js'
import { quantile } from '../harness/stats.js'
import { addressHeaps, memoryOf, openHeap, openPercore, percore } from './heaps.js'
import { fillTableIn, freeTableIn } from './loops.js'
import { isNative, measureNative, nativeBuild, natives } from './native.js'
import { runsOf, wanted } from './plan.js'
import { ratiosOver } from './ratios.js'

const blockBytes = 128
const blockCount = 1_000_000
const mebibyte = 1 << 20
const freshThreads = 32
const discardedThreads = 8

/** Sizes of a thread's first blocks: those of the default plan, in an order that mixes them. */
const firstSizes = mixedUp(defaultPlan.flatMap(({ bytes, count }) => Array.from({ length: count }, () => bytes)))

/** Threads that prewarm by the default plan, or with what earlier threads have learned by doing the same. */
const ours = ['none', 'default', 'adaptive'].map((prewarm): Contender => ({ ...percore, params: { prewarm } }))

export const bench: Bench = {
  name: 'grow',
  summary: 'a million blocks of 128 bytes from cold and warm memory; first allocations with and without prewarm; --sweep: how chunks grow',
  module: import.meta.url,
  contenders: [percore, ...natives, ...addressHeaps],
  ...nativeBuild,
  plan(choice) {
    const common = { runs: runsOf(choice), timeoutMs: 120_000 }
    const grown = { ...common, params: { blocks: blockCount, bytes: blockBytes }, input: { count: blockCount, bytes: blockBytes } }
    if (choice.sweep === true) return [{ ...grown, contenders: sweepPoints(choice).map((params) => ({ ...percore, params })) }]
    const rivals = wanted(natives, choice)
    return [
      { ...grown, contenders: [percore, { ...percore, params: { pretouch: 'yes' } }, ...rivals] },
      {
        ...common,
        params: { first: firstSizes.length },
        contenders: [...ours, ...rivals],
        input: { sizes: firstSizes.join(), fresh_threads: freshThreads },
      },
    ] satisfies Cell[]
  },
  async measure(job) {
    const { input, params } = job
    if (params['first'] !== undefined) {
      return isNative(job.subject) ? await measureNative(job, 'first-allocation', input) : measureFirst(job)
    }
    return isNative(job.subject) ? await measureNative(job, 'grow', { count: blockCount, bytes: blockBytes }) : await measureGrowth(job)
  },
  derive: (results) => ratiosOver(results, 'ns_per_malloc'),
  views: [
    { kind: 'columns', metrics: ['ns_per_malloc', 'rss_mb', 'arena_mb'] },
    { kind: 'pivot', metric: 'speedup', rows: ['over'] },
    { kind: 'columns', metrics: ['latency_us_p99', 'latency_us_p50'] },
  ],
}

/** First chunk × largest chunk × how often it doubles, as far as they differ in what they do. */
function sweepPoints({ quick }: Choice): Params[] {
  const points = [1, 2, 4, 8].flatMap((first) => [8, 32].flatMap((max) =>
    [0, 1, 2, 3, 5].map((levels) => ({ first_mib: first, max_mib: max, levels }))))
  return points.filter(({ first_mib: first, max_mib: max, levels }) => first << Math.max(0, levels - 1) < max && (!quick || first !== 2))
}

async function measureGrowth({ subject, params }: Job): Promise<readonly Reading[]> {
  const { first_mib: first, max_mib: max, levels } = params as Record<string, number>
  const isGiven = first !== undefined && max !== undefined && levels !== undefined
  const chunks = isGiven ? { firstBytes: first * mebibyte, maxBytes: max * mebibyte, levels } : {}
  const opened = subject === 'percore' ? openPercore(2 ** 30, { chunks }) : undefined
  const { heap, words } = opened ?? await openHeap(subject, 2 ** 30)
  const table = new Int32Array(blockCount).fill(1)
  const [fillTable, freeTable] = [fillTableIn(heap, words, table, blockBytes), freeTableIn(heap, table)]
  for (let round = 0; round < 1200; round++) {
    fillTable(500)
    freeTable(500)
  }
  if (params['pretouch'] !== undefined) opened?.heap.pretouch(blockCount * blockBytes * 1.02)
  const cold = timeFill(fillTable)
  const arena = opened?.heap.stats().records[0]?.bytesReserved ?? 0
  const memory = opened === undefined ? [] : memoryOf(opened.heap).slice(0, 1)
  freeTable(blockCount)
  const warm = timeFill(fillTable)
  return [
    { metric: 'ns_per_malloc', value: cold, params: { memory: 'cold' } },
    { metric: 'ns_per_malloc', value: warm, params: { memory: 'warm' } },
    ...memory.map((reading): Reading => ({ ...reading, params: { memory: 'cold' } })),
    { metric: 'arena_mb', value: arena / 1e6, params: { memory: 'cold' } },
  ]
}

function timeFill(fillTable: (count: number) => void): number {
  const start = performance.now()
  fillTable(blockCount)
  return (performance.now() - start) * 1e6 / blockCount
}

/** The first blocks of so many fresh records, one after the other, each malloc timed with the writes to the block's two ends. */
function measureFirst({ params, input }: Job): readonly Reading[] {
  const sizes = String(input['sizes']).split(',').map(Number)
  const threads = Number(input['fresh_threads'])
  const { prewarm } = params
  const records = threads + discardedThreads + 1
  const { heap: { handle }, words } = openPercore(2 ** 30, { records, ...prewarm === 'adaptive' && { prewarm } })
  const latencies = new Float64Array(threads * sizes.length)
  for (let thread = -discardedThreads; thread < threads; thread++) {
    const heap = attachHeap(handle)
    if (prewarm === 'default') heap.prewarm()
    else if (prewarm === 'adaptive') heap.idle()
    for (const [i, size] of sizes.entries()) {
      const start = performance.now()
      const block = heap.malloc(size)
      words[block] = i
      words[block + (size >>> 2) - 1] = i
      const elapsedMs = performance.now() - start
      if (thread >= 0) latencies[thread * sizes.length + i] = elapsedMs * 1000
    }
    if (thread < 0) heap.idle()
  }
  const sorted = latencies.sort()
  return [{ metric: 'latency_us_p50', value: quantile(sorted, 0.5) }, { metric: 'latency_us_p99', value: quantile(sorted, 0.99) }]
}

/** Every size early and late: a stride that has no divisor in common with the length. */
function mixedUp(sizes: readonly number[]): readonly number[] {
  return sizes.map((_, i) => sizes[i * 29 % sizes.length] ?? 0)
}
