/**
 * How a group is started: what a user may say, and what it comes to. Pure but for a look at the host's cores; any thread.
 *
 * Invariant: what is wrong is said before anything is started, by name, with the range that is right.
 */
import { isAbsolute, resolve as resolvePath } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkNames, PercoreError } from '../base/index.js'
import { availableCores, physicalCores } from '../platform/index.js'
import { balance, type Balancer, type Placement } from './balance.js'
import { depthMax, memoryBytesMax, memoryBytesMin, workersMax } from './fabric.js'
import { type RecycleAfter, recycleHeapBytesMin } from './fatigue.js'
import { type Idle, idles } from './idle.js'
import { type WhenFull, whenFullPolicies } from './pressure.js'
import type { MainHandlers } from './router.js'
import { type ThreadOptions, type ThreadSettings, threadSettings } from './threads.js'

/** Tasks a worker may hold at a time by default: enough to keep it fed for 100 µs, few enough to spread evenly. */
const depthDefault = 1024

/** Calls that may wait for a worker by default: a million waiting calls are some 200 MB, and more is a mistake. */
const maxQueueDefault = 1_000_000

/** How long a worker that is not needed stays, by default: starting one takes some 30 ms of CPU. */
const idleTimeoutMsDefault = 5000

/** The longest time that Node's timers take. */
const timeoutMsMax = 2 ** 31 - 1

/**
 * How to start a group; every one has a default that is right for most programs. A value out of range is ERR_PERCORE_INVALID_OPTION.
 *
 * @example
 * ```ts
 * import { ExecGroup, type ExecGroupOptions } from 'percore'
 *
 * const options: ExecGroupOptions = { workers: 2, depth: 64, maxQueue: 10_000, workerData: { locale: 'en' } }
 * const group = await ExecGroup.start(new URL('./handlers.js', import.meta.url), options)
 * console.log(group.handlers, group.workers) // [ 'double', 'greet', 'invert' ] 2
 * await group.close()
 * ```
 */
export interface ExecGroupOptions extends ThreadOptions {
  /** How many worker threads, 1 … 256, or `'physical'`: one per physical core. Default: one per available core. */
  readonly workers?: number | 'physical'
  /**
   * The least and the most workers: between them their number follows the load. One is added when all are busy and tasks wait behind for some
   * 40 ms; the last one goes when it has had nothing to do for `idleTimeoutMs`. Default: both are `workers`, which is where they start, and
   * which is `minWorkers` when only that is given. `maxWorkers` also reserves room for `resize`.
   */
  readonly minWorkers?: number
  readonly maxWorkers?: number
  /** How long a worker above `minWorkers` may be without work, in ms. Default 5000. */
  readonly idleTimeoutMs?: number
  /** What handlers may call on this thread with `ctx.group.main`, see {@link WorkerGroup}. Default: nothing. */
  readonly main?: MainHandlers
  /** Replaces workers that have done so much. Default: never. */
  readonly recycle?: RecycleAfter
  /** How many tasks a worker may hold before it counts as full. Default 1024. 1 … 65,536. */
  readonly depth?: number
  /** Which worker a task goes to: one of {@link balance}, or your own. Default `balance.roundRobin()`. */
  readonly balance?: Balancer | Placement
  /** How many calls of `run` may wait when all workers are full. Default 1,000,000. */
  readonly maxQueue?: number
  /**
   * What happens to a call of `run` that finds no room. `wait` (default): up to `maxQueue` wait, more reject with ERR_PERCORE_QUEUE_FULL.
   * `reject`: none wait. `drop-newest`, `drop-oldest`: up to `maxQueue` wait, then the new call is dropped, or the one that has waited
   * longest. A dropped call rejects with ERR_PERCORE_DROPPED, is counted in `stats().dropped` and told by the event `drop`. `push`
   * never waits, except that with `drop-oldest` it takes its place among the waiting and is always true.
   */
  readonly whenFull?: WhenFull
  /** The event `high` comes when so many tasks are in flight or waiting. Default: as many as all workers hold, `workers * depth`. */
  readonly highWater?: number
  /** After `high`, the event `low` comes when no more than so many are left. Default: half of `highWater`. */
  readonly lowWater?: number
  /** Cloned to every worker, where it is `ctx.workerData`. */
  readonly workerData?: unknown
  /**
   * How a worker waits for work. `auto` (default): spins up to 15 µs, then blocks, or waits in its event loop while that has
   * something to wait for. `block`: never spins. `spin`: never sleeps, takes a whole core. `loop`: always in the event loop.
   */
  readonly idle?: Idle
  /** Address space reserved for lanes and payloads; memory is only taken when used. Default 4 GiB, which is also the most; at least 16 MiB. */
  readonly memoryBytes?: number
  /**
   * Lays all that in a shared `WebAssembly.Memory`, so that handlers written in WebAssembly read and write blocks where they lie: see `ctx.memory`. It is as fast as without, and
   * takes more address space (some ten times `memoryBytes` on Node 20). Default false.
   */
  readonly wasmMemory?: boolean
}

/** Every option there is; the compiler sees to it that none is missing. */
const known: Readonly<Record<keyof ExecGroupOptions, true>> = {
  workers: true, minWorkers: true, maxWorkers: true, idleTimeoutMs: true, main: true, recycle: true, depth: true, balance: true, maxQueue: true, whenFull: true,
  highWater: true, lowWater: true, workerData: true, idle: true, memoryBytes: true, wasmMemory: true, name: true, pin: true, nice: true, resourceLimits: true, env: true,
  argv: true, execArgv: true, stdout: true, stderr: true, onThread: true,
}

/** The options of a group, checked, each with its value. */
export interface GroupSettings {
  readonly cores: number
  /** Workers at first, and between which numbers they may come and go. */
  readonly workers: number
  readonly minWorkers: number
  readonly maxWorkers: number
  /** Workers there is room for: what `resize` may use. */
  readonly capacity: number
  readonly idleTimeoutMs: number
  readonly main: readonly [string, (value: never) => unknown][]
  readonly recycle: RecycleAfter
  readonly threads: ThreadSettings
  readonly depth: number
  readonly maxQueue: number
  readonly whenFull: WhenFull
  readonly highWater: number
  readonly lowWater: number
  readonly balancer: Balancer | Placement
  readonly idle: Idle
  readonly workerData: unknown
  readonly memoryBytes: number | undefined
  readonly wasmMemory: boolean
}

/** Checks the options; throws ERR_PERCORE_INVALID_OPTION for the first that is wrong. */
export function settingsOf(options: ExecGroupOptions): GroupSettings {
  checkNames('a group', options, Object.keys(known))
  const cores = availableCores()
  const wanted = options.workers === 'physical' ? physicalCores() : options.workers
  const workers = integer('workers', wanted ?? options.minWorkers ?? Math.min(cores, options.maxWorkers ?? workersMax), 1, workersMax)
  const minWorkers = integer('minWorkers', options.minWorkers ?? workers, 1, workers)
  const maxWorkers = integer('maxWorkers', options.maxWorkers ?? workers, workers, workersMax)
  const idleTimeoutMs = integer('idleTimeoutMs', options.idleTimeoutMs ?? idleTimeoutMsDefault, 1, timeoutMsMax)
  const main = mainOf(options.main ?? {})
  const recycle = recycleOf(options.recycle ?? {})
  const capacity = Math.max(maxWorkers, Math.min(cores, workersMax))
  const threads = threadSettings(options)
  const depth = integer('depth', options.depth ?? depthDefault, 1, depthMax)
  const queueMax = options.maxQueue === Number.POSITIVE_INFINITY ? options.maxQueue : integer('maxQueue', options.maxQueue ?? maxQueueDefault, 0)
  const whenFull = oneOf('whenFull', options.whenFull ?? 'wait', whenFullPolicies)
  const highWater = integer('highWater', options.highWater ?? workers * depth, 1)
  const lowWater = integer('lowWater', options.lowWater ?? Math.floor(highWater / 2), 0, highWater - 1)
  const idle = oneOf('idle', options.idle ?? 'auto', idles)
  const { memoryBytes, workerData, wasmMemory = false } = options
  if (typeof wasmMemory !== 'boolean') throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `wasmMemory must be true or false, not ${String(wasmMemory)}.`)
  if (memoryBytes !== undefined) integer('memoryBytes', memoryBytes, memoryBytesMin, memoryBytesMax)
  return {
    cores, workers, minWorkers, maxWorkers, capacity, idleTimeoutMs, main, recycle, threads, depth, whenFull, highWater, lowWater, idle, workerData,
    memoryBytes, wasmMemory, maxQueue: whenFull === 'reject' ? 0 : queueMax, balancer: balancerOf(options.balance),
  }
}

function balancerOf(option: Balancer | Placement | undefined): Balancer | Placement {
  if (option === undefined) return balance.roundRobin()
  if (typeof option === 'function' || typeof (option as Balancer | null)?.pick === 'function') return option
  throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `balance must be one of balance.…(), an object with pick(load), or (task, load) => worker, not ${String(option)}.`)
}

function mainOf(main: MainHandlers): [string, (value: never) => unknown][] {
  const entries = Object.entries(main)
  for (const [name, fn] of entries) {
    if (typeof fn !== 'function') throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `main.${name} must be a function, not ${typeof fn}.`)
  }
  return entries
}

function recycleOf(recycle: RecycleAfter): RecycleAfter {
  checkNames('recycle', recycle, ['tasks', 'heapBytes'])
  const { tasks, heapBytes } = recycle
  if (tasks !== undefined) integer('recycle.tasks', tasks, 1)
  if (heapBytes !== undefined) integer('recycle.heapBytes', heapBytes, recycleHeapBytesMin)
  return recycle
}

/** The URL of a handlers module. */
export function hrefOf(module: URL | string): string {
  if (module instanceof URL) return module.href
  if (typeof module !== 'string' || module === '') {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `the handlers module must be a URL or a path, not ${String(module)}.`)
  }
  if (/^(file|data|node):/.test(module)) return module
  return pathToFileURL(isAbsolute(module) ? module : resolvePath(module)).href
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value
  throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `${name} must be one of ${allowed.join(', ')}, not ${String(value)}.`)
}

/** A whole number of an option, or an error that says its range. */
export function integer(name: string, value: number, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `${name} must be a whole number ${range}, not ${String(value)}.`)
}
