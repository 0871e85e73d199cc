/**
 * What `mixed` and `mid-large` have in common: random slots, full ones freed, empty ones filled, by one thread or several with slots of
 * their own; and the same under strace. Parent and child.
 *
 * The invariant: warm-up and measurement are one sequence of steps, so the measured part starts in the steady state.
 */
import { writeSync } from 'node:fs'
import type { SharedHeap } from '../../src/memory/index.js'
import type { Bench, Cell, Choice, Contender, Job, Params, Reading } from '../harness/contract.js'
import { runCrew } from './crew.js'
import { addressHeaps, allocatorOf, collected, memoryOf, openHeap, openPercore, percore } from './heaps.js'
import { randomObjectsIn, randomSlotsIn, seedOf, type Sizes, warmUp } from './loops.js'
import { isNative, measureNative, nativeBuild, nativeCommand, natives } from './native.js'
import { runsOf, threadsOf, wanted } from './plan.js'
import { ratiosOver } from './ratios.js'
import { countSystemCalls, whyNoStrace } from './strace.js'

/** A point of the grid: threads and whatever the bench varies besides. */
export interface SlotsPoint {
  readonly params: Params
  readonly threads: number
  readonly slots: number
  readonly touch: number
}

/** What the two benches differ in. */
export interface SlotsOptions {
  readonly name: string
  readonly summary: string
  readonly module: string
  readonly sizes: Sizes
  /** Steps of one thread alone, and of each of several. */
  readonly steps: { readonly alone: number, readonly several: number }
  readonly points: (threads: readonly number[], choice: Choice) => readonly SlotsPoint[]
}

const slotsHeapBytes = 1 << 30
const seed = 42
/** These are so slow that a part of the steps says as much. */
const slowShare = 20

const alone: readonly Contender[] = [percore, ...natives, ...addressHeaps, ...collected]
const together: readonly Contender[] = [percore, ...natives]

export function slotsBench(options: SlotsOptions): Bench {
  const { name, summary, module, sizes, steps, points } = options
  return {
    name,
    summary,
    module,
    contenders: alone,
    ...nativeBuild,
    plan(choice) {
      const cells = points(threadsOf(choice), choice).map((point): Cell => {
        const all = point.threads === 1 ? steps.alone : steps.several
        const measured = choice.quick ? Math.min(all, 10e6) : all
        return {
          params: { threads: point.threads, ...point.params },
          contenders: wanted(point.threads === 1 ? alone : together, choice),
          runs: runsOf(choice),
          timeoutMs: 120_000,
          input: { slots: point.slots, touch: point.touch, steps: measured, warmup: Math.min(measured, 4e6), seed, ...sizes },
        }
      })
      const missing = whyNoStrace()
      const traced = cells.slice(0, choice.threads === undefined || choice.threads.includes(1) ? 1 : 0).map((cell): Cell => ({
        ...cell,
        params: { ...cell.params, traced: 'strace' },
        input: { ...cell.input, warmup: 40e6 },
        contenders: wanted(together, choice).map((contender) => (missing === undefined ? contender : { missing, ...contender })),
        runs: Math.min(cell.runs, 2),
      }))
      return [...cells, ...traced]
    },
    async measure(job) {
      if (job.params['traced'] === undefined) return await measureSlots(job)
      if (!isNative(job.subject)) return await countSystemCalls({ command: slotsCommand(module, job), env: process.env })
      return await countSystemCalls(nativeCommand(job, 'mixed', nativeOptions(job)))
    },
    derive: (results) => ratiosOver(results, 'ops_per_s'),
    views: [
      { kind: 'columns', metrics: ['ops_per_s', 'rss_mb', 'live_mb'] },
      { kind: 'pivot', metric: 'speedup', rows: ['over'] },
      { kind: 'columns', metrics: ['system_calls'] },
    ],
  }
}

/** Runs the job without strace in a process of its own: what the traced cell starts. */
function slotsCommand(module: string, job: Job): string[] {
  const { traced: _, ...params } = job.params
  const entry = new URL('../harness/measure.js', import.meta.url).pathname
  return [process.execPath, entry, JSON.stringify({ ...job, params, module })]
}

const nativeOptions = ({ params, input }: Job): Record<string, string | number> => {
  const { slots, touch, steps, warmup, min, range, seed } = input
  return { threads: Number(params['threads']), slots, touch, steps, warmup, min, range, seed } as Record<string, number>
}

async function measureSlots(job: Job): Promise<readonly Reading[]> {
  const { subject } = job
  if (isNative(subject)) return await measureNative(job, 'mixed', nativeOptions(job))
  if (collected.some((contender) => contender.subject === subject)) return measureCollected(job)
  if (Number(job.params['threads']) > 1) return await measureThreads(job)
  const { slots, sizes, touch, steps, warmup, x } = slotsOf(job)
  const { heap, words } = await openHeap(subject, slotsHeapBytes)
  const share = subject === 'percore' ? 1 : subject === 'wasm-dlmalloc' ? 4 : slowShare
  const measured = Math.ceil(steps / share)
  const randomSlots = randomSlotsIn(heap, words, slots, sizes, touch)
  const y = warmUp(randomSlots, x, Math.ceil(warmup / share))
  mark('steady: begins\n')
  const start = performance.now()
  randomSlots(y, measured)
  const seconds = (performance.now() - start) / 1000
  mark('steady: ends\n')
  return [{ metric: 'ops_per_s', value: measured / seconds }, ...subject === 'percore' ? memoryOf(heap as SharedHeap) : []]
}

/** What a job says, ready for the loop. */
function slotsOf({ input }: Job): { slots: Int32Array, sizes: Sizes, touch: number, steps: number, warmup: number, x: number } {
  return {
    slots: new Int32Array(Number(input['slots'])),
    sizes: { min: Number(input['min']), range: Number(input['range']) },
    touch: Number(input['touch']),
    steps: Number(input['steps']),
    warmup: Number(input['warmup']),
    x: seedOf(Number(input['seed']), 0),
  }
}

function measureCollected(job: Job): readonly Reading[] {
  const { slots: { length }, sizes, touch, steps, warmup, x } = slotsOf(job)
  const slots = Array.from<Uint8Array | undefined>({ length })
  const randomObjects = randomObjectsIn(allocatorOf(job.subject), slots, sizes, touch)
  const measured = Math.ceil(steps / slowShare)
  const y = warmUp(randomObjects, x, Math.ceil(warmup / slowShare))
  const start = performance.now()
  randomObjects(y, measured)
  return [{ metric: 'ops_per_s', value: measured / ((performance.now() - start) / 1000) }]
}

/** What one thread of several needs. */
export interface SlotsThread {
  readonly handle: ReturnType<typeof openPercore>['heap']['handle']
  readonly slots: number
  readonly sizes: Sizes
  readonly touch: number
  readonly steps: number
  readonly warmup: number
  readonly x: number
  readonly thread: number
}

async function measureThreads(job: Job): Promise<readonly Reading[]> {
  const { slots: { length }, sizes, touch, steps, warmup } = slotsOf(job)
  const threads = Number(job.params['threads'])
  const { heap } = openPercore(slotsHeapBytes)
  const seconds = await runCrew(
    new URL('./random-slots-thread.js', import.meta.url),
    Array.from({ length: threads }, (_, thread): SlotsThread => {
      return { handle: heap.handle, slots: length, sizes, touch, steps, warmup, x: seedOf(Number(job.input['seed']), thread), thread }
    }),
  )
  return [{ metric: 'ops_per_s', value: threads * steps / seconds }, ...memoryOf(heap)]
}

/** strace finds the steady state between two of these. */
function mark(text: string): void {
  if (process.env['PERCORE_BENCH_MARKS'] !== undefined) writeSync(2, text)
}
