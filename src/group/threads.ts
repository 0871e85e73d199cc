/**
 * How a group's threads are made: the options that concern the thread and not its tasks, what they mean for each worker, and what a
 * new thread does with them. `threadSettings` runs on the group's thread and refuses bad values before anything is started;
 * `settle` runs on each worker, before it loads anything.
 */
import { SHARE_ENV, type Worker, type WorkerOptions } from 'node:worker_threads'
import { PercoreError } from '../base/index.js'
import { availableCpus, nameThread, niceMax, niceMin, pinOrder, pinThread, setNice } from '../platform/index.js'

/** Limits of a worker's JavaScript heap, in MB, as `node:worker_threads` takes them. */
export interface WorkerResourceLimits {
  readonly maxOldGenerationSizeMb?: number
  readonly maxYoungGenerationSizeMb?: number
  readonly stackSizeMb?: number
}

/** What a worker printed, and which worker. Called on the group's thread; the bytes are the callee's to keep. */
export type OutputListener = (chunk: Uint8Array, worker: number) => void

/**
 * How the threads of a group are made. What the host cannot do (pinning, names and niceness are Linux's) is a process warning, and
 * the group starts without it.
 *
 * @example
 * ```ts
 * import { ExecGroup, type ThreadOptions } from 'percore'
 *
 * const threads: ThreadOptions = { name: 'scoring', nice: 5, pin: true, env: { REGION: 'eu' }, stderr: (chunk) => process.stdout.write(chunk) }
 * const group = await ExecGroup.start(new URL('./handlers.js', import.meta.url), { workers: 2, ...threads })
 * console.log(await group.run('double', 21)) // 42
 * await group.close()
 * ```
 */
export interface ThreadOptions {
  /** What the threads are called in `top -H`, `perf` and debuggers, followed by the worker's number; 15 bytes are shown. Default `percore`. */
  readonly name?: string
  /**
   * Ties each worker to one CPU: `true` takes one of each physical core first, a list gives the CPU of each worker, from its start again
   * when there are more workers. Use it when nothing else competes for these CPUs; a pinned worker cannot step aside. Default false.
   */
  readonly pin?: boolean | readonly number[]
  /** The workers' niceness, −20 … 19: how much they give way to other threads. Below 0 needs a privilege. Default: the process's. */
  readonly nice?: number
  /** Limits of each worker's JavaScript heap. Default: Node's own. */
  readonly resourceLimits?: WorkerResourceLimits
  /** The workers' `process.env`: a copy of the given one, or `SHARE_ENV` of `node:worker_threads`. Default: a copy of this thread's. */
  readonly env?: Readonly<Record<string, string | undefined>> | typeof SHARE_ENV
  /** Appended to the workers' `process.argv`. */
  readonly argv?: readonly string[]
  /** Node's own options for the workers, such as `--import`. Default: those of this process. */
  readonly execArgv?: readonly string[]
  /** Takes what the workers write to standard output, instead of this process's. */
  readonly stdout?: OutputListener
  /** Takes what they write to standard error. */
  readonly stderr?: OutputListener
  /**
   * Is given Node's own thread of each worker, as soon as there is one; a worker that is replaced has a new one. Use it for what only that can
   * tell: its `threadId`, exit code, resource limits. Its messages are the group's: post none.
   */
  readonly onThread?: (thread: Worker, worker: number) => void
}

/** What a new thread does to itself; goes to it with its brief. */
export interface ThreadTraits {
  readonly name: string
  readonly nice: number | undefined
  readonly cpu: number | undefined
  /** Naming is best effort unless it was asked for. */
  readonly named: boolean
}

export interface ThreadSettings {
  /** What `new Worker` is given beside the brief. */
  readonly workerOptions: WorkerOptions
  readonly stdout: OutputListener | undefined
  readonly stderr: OutputListener | undefined
  readonly onThread: ((thread: Worker, worker: number) => void) | undefined
  traitsOf(worker: number): ThreadTraits
}

/** Checks the options and works out what they mean. Throws ERR_PERCORE_INVALID_OPTION. */
export function threadSettings(options: ThreadOptions): ThreadSettings {
  const { name = 'percore', nice, resourceLimits, env, argv, execArgv, stdout, stderr, onThread } = options
  if (typeof name !== 'string' || name === '') refuse('name', name, 'a text that is not empty')
  if (nice !== undefined && !(Number.isSafeInteger(nice) && nice >= niceMin && nice <= niceMax)) refuse('nice', nice, `a whole number from ${niceMin} to ${niceMax}`)
  for (const [listener, value] of Object.entries({ stdout, stderr })) {
    if (value !== undefined && typeof value !== 'function') refuse(listener, value, 'a function that takes the bytes and the worker')
  }
  if (onThread !== undefined && typeof onThread !== 'function') refuse('onThread', onThread, 'a function that takes a thread and its worker')
  if (env !== undefined && env !== SHARE_ENV && (typeof env !== 'object' || env === null)) refuse('env', env, 'an object of texts, or SHARE_ENV')
  for (const [list, value] of Object.entries({ argv, execArgv })) {
    if (value !== undefined && !(Array.isArray(value) && value.every((item) => typeof item === 'string'))) refuse(list, value, 'a list of texts')
  }
  checkLimits(resourceLimits ?? {})
  const cpus = cpusOf(options.pin ?? false)
  return {
    workerOptions: {
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
      ...(env === undefined ? {} : { env: env as WorkerOptions['env'] & {} }),
      ...(argv === undefined ? {} : { argv: [...argv] }),
      ...execArgvOf(execArgv),
      stdout: stdout !== undefined,
      stderr: stderr !== undefined,
    },
    stdout,
    stderr,
    onThread,
    traitsOf: (worker) => ({ name, nice, cpu: cpus.length === 0 ? undefined : cpus[worker % cpus.length], named: options.name !== undefined }),
  }
}

/** What is no size Node would pass over, or fail to start a worker for. */
function checkLimits(limits: WorkerResourceLimits): void {
  if (typeof limits !== 'object') refuse('resourceLimits', limits, 'an object with limits in MB')
  for (const [name, value] of Object.entries(limits)) {
    if (value !== undefined && !(typeof value === 'number' && value >= 0)) refuse(`resourceLimits.${name}`, value, 'a number of MB, 0 or more')
  }
}

/** Node refuses to start a worker's file with the flag of a program that was given as text. */
function execArgvOf(execArgv: readonly string[] | undefined): WorkerOptions {
  if (execArgv !== undefined) return { execArgv: [...execArgv] }
  return process.execArgv.some((argument) => argument.startsWith('--input-type')) ? { execArgv: [] } : {}
}

/** The CPUs to tie workers to, in their order; none when they are not to be tied. */
function cpusOf(pin: boolean | readonly number[]): readonly number[] {
  if (pin === false) return []
  const order = pinOrder()
  if (pin === true) return order.length === 0 ? [0] : order // where nobody knows the CPUs, pinning says that it cannot
  if (!Array.isArray(pin) || pin.length === 0) refuse('pin', pin, 'true, false, or a list of CPU numbers')
  const available = availableCpus()
  for (const cpu of pin as readonly number[]) {
    const known = available === undefined ? Number.isSafeInteger(cpu) && cpu >= 0 : available.includes(cpu)
    if (!known) refuse('pin', cpu, `made of CPUs this process may use${available === undefined ? '' : `: ${available.join(', ')}`}`)
  }
  return pin as readonly number[]
}

/** Applies its traits to the calling thread; returns a sentence for each that the host refused. */
export function settle(traits: ThreadTraits, worker: number): string[] {
  const unnamed = nameThread(traits.name, String(worker))
  const problems = [
    traits.named ? unnamed : undefined,
    traits.nice === undefined ? undefined : setNice(traits.nice),
    traits.cpu === undefined ? undefined : pinThread(traits.cpu),
  ]
  return problems.filter((problem) => problem !== undefined)
}

function refuse(name: string, value: unknown, wanted: string): never {
  throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `${name} must be ${wanted}, not ${typeof value === 'number' ? String(value) : JSON.stringify(value) ?? String(value)}.`)
}
