/**
 * `larson`: threads that replace random blocks and hand them to their heirs. After so many ops a thread ends and a fresh one with a heap
 * record of its own takes its blocks over, so frees are remote and the pages belong to nobody alive. With `--policy` also the shape that
 * the policies were made for: the threads stay, and pass their blocks around, so frees are remote and the owner needs the pages back.
 * Policies are compared on pages of 64 KiB: long ones seldom run dry, and then there is little to decide.
 * `plan` in the parent, `measure` in a child.
 *
 * The invariant: every heir is a real thread that attached, warmed up and gave all pages back before the measurement began, so what it
 * pays for is the heap, not V8's start; a thread that handed over has detached and sleeps.
 */
import { Worker } from 'node:worker_threads'
import { attachHeap, type HeapHandle, type HeapStats } from '../../src/memory/index.js'
import type { Bench, Cell, Choice, Contender, Job, Reading } from '../harness/contract.js'
import { addressHeaps, allocatorOf, collected, memoryOf, openHeap, openPercore, percore } from './heaps.js'
import { replaceRandomIn, replaceRandomObjectIn, setUpTable } from './larson-loops.js'
import { type Sizes, seedOf, warmUp } from './loops.js'
import { isNative, measureNative, nativeBuild, natives } from './native.js'
import { runsOf, threadsOf, wanted } from './plan.js'
import { ratiosOver } from './ratios.js'

/** Policies of page reuse, and how the heap calls them. */
const policies = { 'route-s': 'off', 'route-p': 'gated', cda: 'ungated', 'cda-must-reuse': 'eager' } as const
type Policy = keyof typeof policies

/** The names of the policies. */
export const policyNames: readonly string[] = Object.keys(policies)

const sizes: Sizes = { min: 8, range: 992 }
const seed = 4141
const blocksPerThread = 1000
/** A fresh thread takes over after this many ops. */
const opsPerThread = blocksPerThread * 10_000
/** Ops between two looks at whether to stop; and between two exchanges of tables, so few that blocks do not stay where they were made. */
const chunk = 10_000
const chunkPassed = 250

export const bench: Bench = {
  name: 'larson',
  summary: 'threads replace random blocks of 8..1000 bytes and leave them to fresh threads: ops per second, page reuse',
  module: import.meta.url,
  contenders: [percore, ...natives, ...addressHeaps, ...collected],
  ...nativeBuild,
  plan(choice) {
    const chosen = choice.policies ?? ['route-s']
    const threads = threadsOf(choice)
    const ours = chosen.map((policy): Contender => ({ ...percore, ...choice.policies && { params: { policy } } }))
    const common = { runs: runsOf(choice), timeoutMs: 120_000 }
    const cells = threads.map((count): Cell => ({
      ...common,
      params: { threads: count },
      contenders: [...ours, ...wanted(count === 1 ? [...natives, ...addressHeaps, ...collected] : natives, choice)],
      input: inputFor(choice, heirsFor(choice.quick, count)),
    }))
    const living = threads.filter((count) => choice.policies && count > 1).map((count): Cell => ({
      ...common,
      params: { threads: count, passed_to: 'the living' },
      contenders: ours,
      input: inputFor(choice, 1),
    }))
    return [...cells, ...living]
  },
  async measure(job) {
    if (isNative(job.subject)) return await measureNative(job, 'larson', { threads: Number(job.params['threads']), ...numbersOf(job) })
    return job.subject === 'percore' ? await measurePercore(job) : await measureAlone(job)
  },
  derive: (results) => ratiosOver(results, 'ops_per_s'),
  views: [
    { kind: 'columns', metrics: ['ops_per_s', 'rss_mb', 'live_mb'] },
    { kind: 'pivot', metric: 'speedup', rows: ['over'] },
    { kind: 'columns', metrics: ['page_reuse', 'new_pages'] },
  ],
}

const inputFor = ({ quick }: Choice, heirs: number): Record<string, number> =>
  ({ measure_ms: quick ? 500 : 2000, heirs, blocks: blocksPerThread, ops_per_thread: opsPerThread, seed, ...sizes })

/** Threads made ready per line of succession; the last one stays to the end. */
const heirsFor = (quick: boolean, threads: number): number => Math.ceil((quick ? 5 : 16) / Math.max(1, threads / 2))

const numbersOf = ({ input }: Job): Record<string, number> => {
  const { measure_ms, blocks, ops_per_thread, min, range, seed } = input as Record<string, number>
  return { measure_ms, blocks, ops_per_thread, min, range, seed } as Record<string, number>
}

// Words shared with the threads, one line of 16 per line of succession.
export const L_TURN = 0
export const L_STATE = 1
export const L_ENDED = 2
export const LINE_WORDS = 16

/** What one thread needs. */
export interface LarsonThread {
  readonly handle: ReturnType<typeof openPercore>['heap']['handle']
  readonly lines: Int32Array
  /** One double per line: ops done. */
  readonly ops: Float64Array
  /** One word: 1 stops every thread, 2 lets those that sleep end. */
  readonly stop: Int32Array
  /** One table of blocks after the other. */
  readonly tables: Int32Array
  readonly tableLength: number
  /** Where threads swap their table for the one that lies there; without it each keeps its own. */
  readonly passedOn?: Int32Array
  readonly line: number
  readonly turn: number
  readonly opsPerThread: number
  readonly chunk: number
  readonly sizes: Sizes
}

async function measurePercore(job: Job): Promise<readonly Reading[]> {
  const threads = Number(job.params['threads'])
  const { measure_ms: measureMs = 0, heirs = 1, blocks = 0, seed = 0 } = job.input as Record<string, number>
  const policy = String(job.params['policy'] ?? 'route-s') as Policy
  const { heap } = openPercore(1 << 30, { adoption: policies[policy], longPages: job.params['policy'] === undefined, records: threads * heirs + 2 })
  const lines = new Int32Array(new SharedArrayBuffer(threads * LINE_WORDS * 4)).fill(-1)
  const ops = new Float64Array(new SharedArrayBuffer(threads * 8))
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const passing = job.params['passed_to'] !== undefined
  const tables = new Int32Array(new SharedArrayBuffer((threads + (passing ? 1 : 0)) * blocks * 4))
  const shared = {
    handle: heap.handle, lines, ops, stop, tables, tableLength: blocks, opsPerThread, sizes, chunk: passing ? chunkPassed : chunk,
    ...passing && { passedOn: new Int32Array(new SharedArrayBuffer(4)).fill(threads) },
  }
  for (let turn = 0; turn < heirs; turn++) {
    const ordinal = turn === heirs - 1 ? -1 - turn : turn
    const crew = await Promise.all(Array.from({ length: threads }, (_, line) => startThread({ ...shared, line, turn: ordinal })))
    await Promise.all(rehearsalsOf(heap.handle, threads, blocks).map((rehearsal, line) => answerTo(crew[line]!, rehearsal)))
  }
  rehearsalsOf(heap.handle, 0, 0) // takes back and trims what the last ones left
  let x = setUpTable(heap, new Uint8Array(heap.handle.buffer), tables, seedOf(seed, 0), sizes)
  heap.detach()
  const before = heap.stats()
  for (let line = 0; line < threads; line++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    lines[line * LINE_WORDS + L_STATE] = x
  }
  const start = performance.now()
  for (let line = 0; line < threads; line++) {
    Atomics.store(lines, line * LINE_WORDS + L_TURN, 0)
    Atomics.notify(lines, line * LINE_WORDS + L_TURN)
  }
  await delay(measureMs / 4)
  const warm = heap.stats()
  await delay(measureMs * 3 / 4)
  Atomics.store(stop, 0, 1)
  for (let line = 0; line < threads; line++) Atomics.wait(lines, line * LINE_WORDS + L_ENDED, -1, 60_000)
  const seconds = (performance.now() - start) / 1000
  const after = heap.stats()
  return [
    { metric: 'ops_per_s', value: ops.reduce((sum, count) => sum + count, 0) / seconds },
    ...memoryOf(heap),
    ...pagesOf(before, after, 'all'),
    ...pagesOf(warm, after, 'after warm-up'),
  ]
}

/** Tables of blocks left by a thread that is gone, to warm up with. */
function rehearsalsOf(handle: HeapHandle, threads: number, blocks: number): Int32Array[] {
  const heap = attachHeap(handle)
  heap.trim()
  const rehearsals = Array.from({ length: threads }, () => new Int32Array(new SharedArrayBuffer(blocks * 4)))
  for (const rehearsal of rehearsals) setUpTable(heap, new Uint8Array(handle.buffer), rehearsal, seed, sizes)
  heap.detach()
  return rehearsals
}

/** Starts a thread, which attaches to the heap. */
async function startThread(data: LarsonThread): Promise<Worker> {
  const worker = new Worker(new URL('./larson-thread.js', import.meta.url), { workerData: data })
  await answerOf(worker)
  // From here on an error must end the measurement, which would wait for ever.
  worker.on('error', (error) => { throw error })
  return worker
}

async function answerTo(worker: Worker, message: unknown): Promise<void> {
  worker.postMessage(message)
  await answerOf(worker)
}

async function answerOf(worker: Worker): Promise<void> {
  await new Promise((resolve, reject) => { worker.once('message', resolve).once('error', reject) })
}

/** New pages, and refills served without one, between two moments. */
function pagesOf(before: HeapStats, after: HeapStats, part: string): Reading[] {
  const sumOf = ({ records }: HeapStats): { fresh: number, reused: number } => ({
    fresh: records.reduce((sum, { counters: c }) => sum + c.newPages, 0),
    reused: records.reduce((sum, { counters: c }) =>
      sum + c.partialHits + c.pendingHits + c.emptyHits + c.goneHits + c.adopted + c.activeDrains, 0),
  })
  const [a, b] = [sumOf(before), sumOf(after)]
  const [fresh, reused] = [b.fresh - a.fresh, b.reused - a.reused]
  return [
    { metric: 'page_reuse', value: reused + fresh === 0 ? 1 : reused / (reused + fresh), params: { part } },
    { metric: 'new_pages', value: fresh, params: { part } },
  ]
}

/** The rivals that know one thread only: the same table, without heirs. */
async function measureAlone(job: Job): Promise<readonly Reading[]> {
  const { measure_ms: measureMs = 0, blocks = 0, seed = 0 } = job.input as Record<string, number>
  let x = seedOf(seed, 0)
  let step: (count: number) => void
  if (collected.some(({ subject }) => subject === job.subject)) {
    const allocate = allocatorOf(job.subject)
    const table = Array.from({ length: blocks }, () => allocate(sizes.min))
    const replaceRandom = replaceRandomObjectIn(allocate, table, sizes)
    step = (count) => { x = replaceRandom(x, count) }
  } else {
    const { heap, words } = await openHeap(job.subject, 1 << 30)
    const [bytes, table] = [new Uint8Array(words.buffer), new Int32Array(blocks)]
    x = setUpTable(heap, bytes, table, x, sizes)
    const replaceRandom = replaceRandomIn(heap, bytes, table, sizes)
    step = (count) => { x = replaceRandom(x, count) }
  }
  warmUp((state, count) => { step(count); return state }, x, 30 * chunk)
  const start = performance.now()
  let done = 0
  while (performance.now() - start < measureMs / 2) {
    step(chunk)
    done += chunk
  }
  return [{ metric: 'ops_per_s', value: done / ((performance.now() - start) / 1000) }]
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })
