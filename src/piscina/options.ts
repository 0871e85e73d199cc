/** The options of a pool, what is wrong with them, and what they are when not given. On the pool's thread. */
import type { EventEmitter } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ResourceLimits, Transferable, WorkerOptions } from 'node:worker_threads'
import { availableCores } from '../platform/index.js'
import type { PiscinaWorker } from './thread.js'
import { badOption } from './errors.js'
import { FixedQueue, isTaskQueue, type PiscinaTask, type TaskQueue } from './queue.js'

/** Chooses a worker for a task, or none when it shall wait. Workers may still be starting; a task for one waits there. */
export type LoadBalancer = (task: PiscinaTask, workers: PiscinaWorker[]) => PiscinaWorker | null | undefined

/** piscina's options; every one is taken, and docs/piscina.md says which change nothing here. */
export interface PiscinaOptions {
  /** The module whose handlers `run` calls: an absolute path or a file URL. */
  filename?: string | null
  /** The export that `run` calls. Default `default`. */
  name?: string
  /** Default: half the cores. */
  minThreads?: number
  /** Default: 1.5 times the cores. */
  maxThreads?: number
  /** How long a thread above `minThreads` may be idle, in ms. Default 0. */
  idleTimeout?: number
  /** How many tasks may wait; `auto`: `maxThreads` squared. Default: any number. */
  maxQueue?: number | 'auto'
  /** Default 1. */
  concurrentTasksPerWorker?: number
  /** Changes nothing: percore's workers sleep on shared memory while they may, and never while they have something else to wait for. */
  atomics?: 'sync' | 'async' | 'disabled'
  /** The older spelling of `atomics`. Changes nothing either. */
  useAtomics?: boolean
  resourceLimits?: ResourceLimits
  argv?: string[]
  execArgv?: string[]
  env?: WorkerOptions['env']
  /** Cloned to every worker, where it is `workerData`. */
  workerData?: unknown
  taskQueue?: TaskQueue
  /** Added to the process's niceness. */
  niceIncrement?: number
  /** Changes nothing: a thread's descriptors are Node's to track. */
  trackUnmanagedFds?: boolean
  /** How long `close` waits for tasks, in ms. Default 30,000. */
  closeTimeout?: number
  /** Whether there are histograms. Default true. */
  recordTiming?: boolean
  /** Changes nothing: waiting tasks always start in their order. */
  stricterFIFO?: boolean
  loadBalancer?: LoadBalancer
  /** Whether each worker has a histogram. Default false. */
  workerHistogram?: boolean
}

/** With what was not given filled in. */
export interface FilledOptions extends PiscinaOptions {
  filename: string | null
  name: string
  minThreads: number
  maxThreads: number
  idleTimeout: number
  maxQueue: number
  concurrentTasksPerWorker: number
  atomics: 'sync' | 'async' | 'disabled'
  taskQueue: TaskQueue
  niceIncrement: number
  closeTimeout: number
  recordTiming: boolean
  stricterFIFO: boolean
  workerHistogram: boolean
}

/** Options of one task. */
export interface RunOptions {
  /** What is moved to the worker, not copied. */
  transferList?: readonly Transferable[]
  filename?: string | null
  /** Aborts the task; one that runs loses its thread. An AbortSignal, or an emitter of `abort`. */
  signal?: AbortSignal | EventEmitter | null
  name?: string | null
}

export interface CloseOptions {
  /** Aborts the tasks that have not started. Default false: they are run. */
  force?: boolean
}

/** Only its own properties, so that nothing is taken from a prototype. */
export function own<T extends object>(options: T): T {
  return Object.assign(Object.create(null) as T, options)
}

export function pathOf(filename: string): string {
  return filename.startsWith('file:') ? fileURLToPath(filename) : filename
}

const amount = (value: unknown, least: number): boolean => typeof value === 'number' && value >= least
const isBoolean = (value: unknown): boolean => typeof value === 'boolean'
const isTextOrNull = (value: unknown): boolean => value === null || typeof value === 'string'

const rules: readonly (readonly [option: keyof PiscinaOptions, holds: (value: unknown) => boolean, must: string])[] = [
  ['filename', isTextOrNull, 'must be a string or null'],
  ['name', isTextOrNull, 'must be a string or null'],
  ['minThreads', (value) => amount(value, 0), 'must be a non-negative integer'],
  ['maxThreads', (value) => amount(value, 1), 'must be a positive integer'],
  ['idleTimeout', (value) => amount(value, 0), 'must be a non-negative integer'],
  ['maxQueue', (value) => value === 'auto' || amount(value, 0), 'must be a non-negative integer'],
  ['concurrentTasksPerWorker', (value) => amount(value, 1), 'must be a positive integer'],
  ['atomics', (value) => value === null || ['sync', 'async', 'disabled'].includes(value as string), 'should be a value of sync, sync or disabled.'],
  ['useAtomics', isBoolean, 'must be a boolean value'],
  ['resourceLimits', (value) => typeof value === 'object' && value !== null, 'must be an object'],
  ['taskQueue', isTaskQueue, 'must be a TaskQueue object'],
  ['niceIncrement', (value) => amount(value, process.platform === 'win32' ? Number.NEGATIVE_INFINITY : 0), 'must be a non-negative integer on Unix systems'],
  ['trackUnmanagedFds', isBoolean, 'must be a boolean value'],
  ['closeTimeout', (value) => amount(value, 0), 'must be a non-negative integer'],
  ['recordTiming', isBoolean, 'must be a boolean'],
  ['loadBalancer', (value) => typeof value === 'function' && value.length > 0, 'must be a function with at least two args'],
  ['workerHistogram', isBoolean, 'must be a boolean'],
  ['stricterFIFO', isBoolean, 'must be a boolean'],
]

/** Checks and fills in; throws what piscina throws, with ERR_PERCORE_INVALID_OPTION as its code. */
export function fill(given: PiscinaOptions): FilledOptions {
  for (const [option, holds, must] of rules) {
    if (given[option] !== undefined && !holds(given[option])) throw badOption(`options.${option} ${must}`)
  }
  const cores = availableCores()
  const { minThreads: min, maxThreads: max } = given
  if (min !== undefined && max !== undefined && min > max) throw badOption('options.minThreads and options.maxThreads must not conflict', RangeError)
  const minThreads = min ?? Math.min(Math.max(Math.floor(cores / 2), 1), max ?? Number.POSITIVE_INFINITY)
  const maxThreads = max ?? Math.max(cores * 1.5, minThreads)
  return own({
    ...given,
    filename: typeof given.filename === 'string' ? pathOf(given.filename) : null,
    name: given.name ?? 'default',
    minThreads,
    maxThreads,
    idleTimeout: given.idleTimeout ?? 0,
    maxQueue: given.maxQueue === 'auto' ? maxThreads ** 2 : given.maxQueue ?? Number.POSITIVE_INFINITY,
    concurrentTasksPerWorker: given.concurrentTasksPerWorker ?? 1,
    atomics: given.atomics ?? 'sync',
    taskQueue: given.taskQueue ?? new FixedQueue(),
    niceIncrement: given.niceIncrement ?? 0,
    trackUnmanagedFds: given.trackUnmanagedFds ?? true,
    closeTimeout: given.closeTimeout ?? 30_000,
    recordTiming: given.recordTiming ?? true,
    stricterFIFO: given.stricterFIFO ?? false,
    workerHistogram: given.workerHistogram ?? false,
  })
}
