/**
 * One thread of a pool: a group of one worker, which runs host.ts. Belongs to the pool's thread.
 *
 * Invariant: a thread ends once; then all its tasks are settled, and it is given no more. A group of one ends and starts as piscina's threads do,
 * one by one, in the middle of a task and at any time, which the workers of a larger group do not.
 */
import { getPriority } from 'node:os'
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads'
import { PercoreError } from '../base/index.js'
import { ExecGroup, type ExecGroupOptions } from '../group/index.js'
import { exited, terminated } from './errors.js'
import { type PiscinaHistogramSummary, Times } from './histogram.js'
import type { HostBrief, HostPort } from './host.js'
import { type FilledOptions, own } from './options.js'
import type { TaskInfo } from './task.js'

/** Address space of one thread; memory is taken as it is used. */
const memoryBytes = 2 ** 30
const depthMost = 65_536
const niceMost = 19

/** A worker as balancers and events see it. */
export interface PiscinaWorker {
  readonly id: number
  readonly currentUsage: number
  readonly isRunningAbortableTask: boolean
  readonly histogram: PiscinaHistogramSummary | null
  readonly terminating: boolean
  readonly destroyed: boolean
}

export interface ThreadEvents {
  /** The module is loaded. */
  ready(thread: PoolThread): void
  /** It ended by itself. `always`: somebody must be told, even if it had no task. */
  died(thread: PoolThread, error: unknown, always: boolean): void
  /** A task of it is over; another may take its place. */
  free(thread: PoolThread): void
  message(message: unknown): void
}

export class PoolThread {
  /** Node's own. */
  readonly worker: Worker
  readonly tasks = new Set<TaskInfo>()
  /** What balancers see. */
  readonly face: PiscinaWorker
  /** Counts as ready to take tasks; the first threads of a pool do from the beginning, and what they are given waits. */
  ready = false
  destroyed = false
  idleTimer: NodeJS.Timeout | undefined
  readonly exit: Promise<void>
  readonly #options: FilledOptions
  readonly #events: ThreadEvents
  readonly #times: Times | undefined
  readonly #starting: Promise<ExecGroup>
  #group: ExecGroup | undefined
  #messages: MessagePort | undefined
  #exitCode: number | undefined

  constructor(options: FilledOptions, events: ThreadEvents) {
    this.#options = options
    this.#events = events
    this.#times = options.workerHistogram ? new Times() : undefined
    let ended: () => void
    this.exit = new Promise((resolve) => {
      ended = resolve
    })
    let worker: Worker | undefined
    this.#starting = ExecGroup.start(new URL('./host.js', import.meta.url), this.#groupOptions((thread) => {
      worker = thread
      thread.once('exit', ended)
      this.#attach(thread)
    }))
    this.#starting.then((group) => this.#started(group), (error: unknown) => this.#failed(error))
    if (worker === undefined) {
      this.#starting.catch(() => undefined)
      throw new PercoreError('ERR_PERCORE_WORKER_START', 'a thread of the pool could not be made. Look at its execArgv, env, argv and resourceLimits.')
    }
    this.worker = worker
    this.face = faceOf(this, () => this.#times?.summary ?? null)
  }

  get isRunningAbortableTask(): boolean {
    if (this.tasks.size !== 1) return false
    for (const task of this.tasks) return task.isAbortable
    return false
  }

  get hasExited(): boolean {
    return this.#exitCode !== undefined
  }

  /** Gives it a task. */
  post(task: TaskInfo): void {
    clearTimeout(this.idleTimer)
    this.tasks.add(task)
    task.thread = this
    try {
      if (this.#group !== undefined) this.#call(this.#group, task)
      else {
        task.takeMoved()
        this.#starting.then((group) => this.#call(group, task), () => undefined)
      }
    } catch (error) {
      queueMicrotask(() => this.#over(task, error, undefined, true))
    }
  }

  /** Ends it now, wherever it is. */
  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    clearTimeout(this.idleTimer)
    this.#messages?.close()
    this.#starting.catch(() => undefined)
    if (this.#group !== undefined) void this.#group.terminate()
    else void this.worker.terminate()
    for (const task of this.tasks) task.fail(terminated())
    this.tasks.clear()
  }

  #groupOptions(onThread: (thread: Worker) => void): ExecGroupOptions {
    const { argv, execArgv, env, resourceLimits, niceIncrement, concurrentTasksPerWorker, workerData, filename, name } = this.#options
    return own<ExecGroupOptions>({
      workers: 1,
      onThread,
      depth: Math.min(depthMost, Math.ceil(concurrentTasksPerWorker)),
      maxQueue: Number.POSITIVE_INFINITY,
      memoryBytes,
      workerData: { data: workerData, filename, name } satisfies HostBrief,
      ...(niceIncrement === 0 ? {} : { nice: Math.min(niceMost, getPriority() + niceIncrement) }),
      ...(argv === undefined ? {} : { argv }),
      ...(execArgv === undefined ? {} : { execArgv }),
      ...(env === undefined ? {} : { env: env as ExecGroupOptions['env'] & {} }),
      ...(resourceLimits === undefined ? {} : { resourceLimits: resourceLimits as ExecGroupOptions['resourceLimits'] & {} }),
    })
  }

  #attach(thread: Worker): void {
    const messages = new MessageChannel()
    thread.postMessage({ messages: messages.port2 } satisfies HostPort, [messages.port2])
    this.#messages = messages.port1
    messages.port1.on('message', (message: unknown) => this.#events.message(message))
    messages.port1.unref()
    thread.on('error', (error) => this.#died(error, true))
    thread.on('exit', (code) => {
      this.#exitCode = code
      if (this.#group !== undefined) this.#died(exited(code), false)
    })
  }

  #started(group: ExecGroup): void {
    this.#group = group
    if (this.destroyed) return void group.terminate()
    this.#events.ready(this)
  }

  #failed(error: unknown): void {
    if (this.destroyed) return
    const cause = error instanceof PercoreError ? error.cause : undefined
    const why = cause ?? (this.#exitCode === undefined ? error : exited(this.#exitCode))
    process.nextTick(() => this.#died(why, cause !== undefined)) // what a listener throws is then an uncaught exception
  }

  #died(error: unknown, always: boolean): void {
    if (!this.destroyed) this.#events.died(this, error, always)
  }

  #call(group: ExecGroup, task: TaskInfo): void {
    if (task.isOver) return
    const { filename, name } = this.#options
    const done = (result: unknown): void => this.#over(task, undefined, result, false)
    const failed = (error: unknown): void => this.#over(task, error, undefined, true)
    const { transfer } = task
    const options = transfer.length > 0 ? { transfer } : undefined
    if (task.filename === filename && task.name === name) group.call('run', task.task, done, failed, options)
    else group.call('runNamed', [task.filename, task.name, task.task], done, failed, options)
  }

  #over(task: TaskInfo, error: unknown, result: unknown, failed: boolean): void {
    if (!this.tasks.delete(task)) return
    this.#times?.record(performance.now() - task.started)
    if (failed) task.fail(plain(error))
    else task.succeed(result)
    this.#events.free(this)
  }
}

const notSendable: ReadonlySet<string> = new Set(['ERR_PERCORE_NOT_CLONEABLE', 'ERR_PERCORE_NOT_TRANSFERABLE'])

/** What cannot be cloned is told as the engine tells it. */
function plain(error: unknown): unknown {
  if (!(error instanceof PercoreError) || !notSendable.has(error.code)) return error
  const told = error.cause instanceof Error ? error.cause : error
  return told.name === 'DataCloneError' ? told : new DOMException(told.message, 'DataCloneError')
}

function faceOf(thread: PoolThread, summary: () => PiscinaHistogramSummary | null): PiscinaWorker {
  const { threadId } = thread.worker
  return {
    get id() { return threadId },
    get currentUsage() { return thread.isRunningAbortableTask ? Number.POSITIVE_INFINITY : thread.tasks.size },
    get isRunningAbortableTask() { return thread.isRunningAbortableTask },
    get histogram() { return summary() },
    get terminating() { return thread.destroyed && !thread.hasExited },
    get destroyed() { return thread.destroyed },
  }
}
