/**
 * `spawn-blocks`: blocks of 128 bytes as tasks use them: one at a time, and 10,000 alive, the oldest replaced. One op is one malloc or one
 * free. `plan` in the parent, `measure` in a child.
 *
 * The invariant: every block is written before it is freed.
 */
import type { Bench, Job, Reading } from '../harness/contract.js'
import { addressHeaps, allocatorOf, collected, openHeap, percore } from './heaps.js'
import { objectByObjectIn, oneByOneIn, replaceOldestIn, replaceOldestObjectIn, warmUp } from './loops.js'
import { isNative, measureNative, nativeBuild, natives } from './native.js'
import { runsOf, wanted } from './plan.js'
import { ratiosOver } from './ratios.js'

const blockBytes = 128
/** Rivals in JavaScript do this part of the work. */
const slowShare = 20
const points = [{ live: 1, count: 50e6 }, { live: 10_000, count: 20e6 }]

export const bench: Bench = {
  name: 'spawn-blocks',
  summary: 'blocks of 128 bytes, one at a time or 10,000 alive and the oldest replaced: mallocs and frees per second',
  module: import.meta.url,
  contenders: [percore, ...natives, ...addressHeaps, ...collected],
  ...nativeBuild,
  plan: (choice) => points.map(({ live, count }) => ({
    params: { live },
    contenders: wanted(bench.contenders, choice),
    runs: runsOf(choice),
    timeoutMs: 60_000,
    input: { count: choice.quick ? count / 4 : count, warmup: 2e6, bytes: blockBytes, live },
  })),
  async measure(job) {
    const { count = 0, warmup = 0, bytes = 0, live = 0 } = job.input as Record<string, number>
    return isNative(job.subject) ? await measureNative(job, 'spawn-blocks', { count, warmup, bytes, live }) : await measureHere(job)
  },
  derive: (results) => ratiosOver(results, 'ops_per_s'),
  views: [{ kind: 'columns', metrics: ['ops_per_s'] }, { kind: 'pivot', metric: 'speedup', rows: ['over'] }],
}

async function measureHere({ subject, input }: Job): Promise<readonly Reading[]> {
  const { count: all = 0, warmup = 0, bytes = 0, live = 0 } = input as Record<string, number>
  const count = subject === 'percore' ? all : Math.ceil(all / slowShare)
  const isCollected = collected.some((each) => each.subject === subject)
  const run = isCollected ? objectLoop(subject, live, bytes) : await addressLoop(subject, live, bytes)
  warmUp((at, some) => { run(some); return at }, 0, Math.min(warmup, count))
  const start = performance.now()
  run(count)
  return [{ metric: 'ops_per_s', value: 2 * count / ((performance.now() - start) / 1000) }]
}

async function addressLoop(subject: string, live: number, bytes: number): Promise<(count: number) => void> {
  const { heap, words } = await openHeap(subject, 1 << 28)
  if (live === 1) return oneByOneIn(heap, words, bytes)
  const replaceOldest = replaceOldestIn(heap, words, Int32Array.from({ length: live }, () => heap.malloc(bytes)), bytes)
  let at = 0
  return (count) => { at = replaceOldest(at, count) }
}

function objectLoop(subject: string, live: number, bytes: number): (count: number) => void {
  const allocate = allocatorOf(subject)
  if (live === 1) return objectByObjectIn(allocate, bytes)
  const replaceOldest = replaceOldestObjectIn(allocate, Array.from({ length: live }, () => allocate(bytes)), bytes)
  let at = 0
  return (count) => { at = replaceOldest(at, count) }
}
