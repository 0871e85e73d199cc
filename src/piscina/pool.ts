/**
 * The pool behind the face: which thread takes which task, when threads come and go. On the pool's thread.
 *
 * Invariant: a task is in one place, waiting in a queue or placed on one thread, until it is settled; tasks of one kind start in the order of `run`.
 * Abortable tasks wait apart, since they need a thread for themselves.
 */
import { AbortError, badOption, closeTimedOut, noFilename, noQueue, queueAtLimit, terminated } from './errors.js'
import { Times } from './histogram.js'
import { type FilledOptions, type LoadBalancer, pathOf, type RunOptions } from './options.js'
import { type Signal, TaskInfo } from './task.js'
import { type PiscinaWorker, PoolThread } from './thread.js'

/** What the pool tells its face. */
export interface PoolEvents {
  emit(event: 'drain' | 'needsDrain' | 'close'): void
  emit(event: 'error' | 'message' | 'workerCreate' | 'workerDestroy', value: unknown): void
}

export class Pool {
  readonly options: FilledOptions
  readonly threads = new Set<PoolThread>()
  readonly runTime: Times | undefined
  readonly waitTime: Times | undefined
  readonly startedAtMs: number = performance.now()
  completed = 0
  needsDrain = false
  readonly #events: PoolEvents
  readonly #balancer: LoadBalancer
  /** Abortable tasks that found no worker. */
  readonly #aside: TaskInfo[] = []
  readonly #triggerAsyncId: number
  #closing = false
  #destroying = false
  #failsToStart = false
  #isFlushed: (() => void) | undefined

  constructor(options: FilledOptions, events: PoolEvents, triggerAsyncId: number) {
    this.options = options
    this.#events = events
    this.#triggerAsyncId = triggerAsyncId
    this.#balancer = options.loadBalancer ?? leastBusy(options.concurrentTasksPerWorker)
    this.runTime = options.recordTiming ? new Times() : undefined
    this.waitTime = options.recordTiming ? new Times() : undefined
    while (this.threads.size < options.minThreads) {
      const thread = this.#spawn()
      thread.ready = true
      queueMicrotask(() => this.#created(thread))
    }
  }

  get queueSize(): number {
    return Math.max(0, this.options.taskQueue.size + this.#aside.length - this.#pendingCapacity)
  }

  get idleThreads(): number {
    return [...this.threads].filter((thread) => thread.ready && thread.tasks.size === 0).length
  }

  get #pendingCapacity(): number {
    let pending = 0
    for (const thread of this.threads) if (!thread.ready) pending++
    return pending * this.options.concurrentTasksPerWorker
  }

  run(value: unknown, options: RunOptions): Promise<unknown> {
    const filename = options.filename ?? this.options.filename
    if (filename === null) return Promise.reject(noFilename())
    const isEnding = this.#closing || this.#destroying
    const signal: Signal | null = isEnding ? AbortSignal.abort('queue is being terminated') : options.signal ?? null
    return new Promise((resolve, reject) => {
      const spec = {
        value, transfer: options.transferList ?? [], filename: pathOf(filename), name: options.name ?? this.options.name, signal, triggerAsyncId: this.#triggerAsyncId,
      }
      const task = new TaskInfo(spec, (error, result, failed) => {
        this.completed++
        if (task.started > 0) this.runTime?.record(performance.now() - task.started)
        if (failed) reject(error)
        else resolve(result)
        queueMicrotask(() => this.#lookForDrain())
      })
      if (signal !== null) {
        if (reasonOf(signal) !== undefined) return reject(new AbortError(reasonOf(signal)?.reason))
        task.listen(signal, () => this.#abort(task, new AbortError(reasonOf(signal)?.reason)))
      }
      const refused = this.#place(task)
      queueMicrotask(() => this.#lookForDrain())
      if (refused !== undefined) {
        this.#forget(task)
        task.fail(refused)
      }
    })
  }

  async destroy(): Promise<void> {
    this.#destroying = true
    for (let task = this.#next(); task !== undefined; task = this.#next()) task.fail(terminated())
    const exits = [...this.threads].map((thread) => {
      this.#remove(thread)
      return thread.exit
    })
    await Promise.all(exits)
    this.#destroying = false
  }

  async close(force: boolean): Promise<void> {
    this.#closing = true
    if (force) for (let task = this.#next(); task !== undefined; task = this.#next()) task.fail(new AbortError('pool is closed'))
    let timer: NodeJS.Timeout | undefined
    const flushed = new Promise<boolean>((resolve) => {
      this.#isFlushed = () => {
        if (this.options.taskQueue.size + this.#aside.length === 0 && [...this.threads].every((thread) => thread.tasks.size === 0)) resolve(true)
      }
      this.#isFlushed()
      timer = setTimeout(() => resolve(false), Math.min(this.options.closeTimeout, 2 ** 31 - 1))
      timer.unref()
    })
    const isInTime = await flushed
    clearTimeout(timer)
    this.#isFlushed = undefined
    try {
      if (!isInTime) this.#events.emit('error', closeTimedOut())
    } finally {
      await this.destroy()
      this.#closing = false
      this.#events.emit('close')
    }
  }

  /** Where a new task goes; what is wrong when nowhere. */
  #place(task: TaskInfo): Error | undefined {
    const { taskQueue, maxQueue, maxThreads } = this.options
    if (taskQueue.size > 0) {
      if (taskQueue.size >= maxQueue + this.#pendingCapacity) return maxQueue === 0 ? noQueue() : queueAtLimit()
      taskQueue.push(task)
      if (this.threads.size < maxThreads) this.#spawn()
      return undefined
    }
    if (this.#distribute(task, [...this.threads].filter((thread) => thread.ready))) return undefined
    if (this.threads.size < maxThreads) this.#spawn()
    return maxQueue <= 0 && this.#pendingCapacity === 0 ? noQueue() : undefined
  }

  /** Gives the task to a thread, or puts it where it waits. */
  #distribute(task: TaskInfo, threads: readonly PoolThread[]): boolean {
    const chosen = this.#balancer(task, threads.map((thread) => thread.face))
    const thread = threads.find((thread) => thread.face === chosen)
    if (thread === undefined) {
      const { taskQueue } = this.options
      if (task.isAbortable) this.#aside.unshift(task)
      else if (taskQueue.unshift === undefined) taskQueue.push(task)
      else taskQueue.unshift(task)
      return false
    }
    task.started = performance.now()
    this.waitTime?.record(task.started - task.created)
    thread.post(task)
    queueMicrotask(() => this.#lookForDrain())
    return true
  }

  #next(): TaskInfo | undefined {
    return this.#aside.shift() ?? (this.options.taskQueue.shift() as TaskInfo | null) ?? undefined
  }

  #spawn(): PoolThread {
    const thread = new PoolThread(this.options, {
      ready: (thread) => {
        if (thread.ready) return
        thread.ready = true
        this.#created(thread)
      },
      died: (thread, error, always) => this.#died(thread, error, always),
      free: (thread) => {
        this.#available(thread)
        this.#isFlushed?.()
      },
      message: (message) => this.#events.emit('message', message),
    })
    this.threads.add(thread)
    return thread
  }

  #created(thread: PoolThread): void {
    this.#events.emit('workerCreate', thread.face)
    this.#available(thread)
  }

  /** A thread has room: what waits is placed, and a thread that has nothing to do may go. */
  #available(thread: PoolThread): void {
    const { maxThreads, minThreads, idleTimeout } = this.options
    const threads = [...this.threads]
    for (let task = this.#next(); task !== undefined; task = this.#next()) {
      if (this.#distribute(task, threads)) continue
      if (this.threads.size >= maxThreads || this.#failsToStart) break
      this.#spawn()
    }
    const isSpare = (): boolean => thread.tasks.size === 0 && this.threads.size > minThreads && !thread.destroyed
    if (idleTimeout === Number.POSITIVE_INFINITY || !isSpare()) return
    clearTimeout(thread.idleTimer)
    thread.idleTimer = setTimeout(() => {
      if (isSpare()) this.#remove(thread)
    }, idleTimeout).unref()
  }

  #died(thread: PoolThread, error: unknown, always: boolean): void {
    const tasks = [...thread.tasks]
    thread.tasks.clear()
    const wasReady = thread.ready
    this.#remove(thread)
    // A module that cannot be loaded is not tried over and over.
    if (wasReady && !this.#failsToStart) this.#ensureLeast()
    else this.#failsToStart = true
    for (const task of tasks) task.fail(error)
    if (this.#failsToStart && this.threads.size === 0) for (let task = this.#next(); task !== undefined; task = this.#next()) task.fail(error)
    else if (tasks.length === 0 && always) this.#events.emit('error', error)
    this.#isFlushed?.()
  }

  #ensureLeast(): void {
    if (this.#closing || this.#destroying) return
    const waiting = this.options.taskQueue.size + this.#aside.length > 0 ? 1 : 0
    while (this.threads.size < Math.max(this.options.minThreads, waiting)) this.#spawn()
  }

  #remove(thread: PoolThread): void {
    if (!this.threads.delete(thread)) return
    thread.destroy()
    this.#events.emit('workerDestroy', thread.face)
  }

  #abort(task: TaskInfo, error: AbortError): void {
    const { thread } = task
    task.fail(error)
    if (thread === null) this.#forget(task)
    else {
      this.#remove(thread)
      this.#ensureLeast()
    }
    this.#isFlushed?.()
  }

  #forget(task: TaskInfo): void {
    this.options.taskQueue.remove(task)
    const at = this.#aside.indexOf(task)
    if (at !== -1) this.#aside.splice(at, 1)
  }

  #lookForDrain(): void {
    const capacity = this.options.maxThreads * this.options.concurrentTasksPerWorker
    let usage = 0
    for (const thread of this.threads) if (thread.ready) usage += thread.face.currentUsage
    if (usage === capacity) {
      this.needsDrain = true
      queueMicrotask(() => this.#events.emit('needsDrain'))
    } else if (usage < capacity && this.needsDrain) {
      this.needsDrain = false
      queueMicrotask(() => this.#events.emit('drain'))
    }
  }
}

/** The reason of a signal that was aborted already. */
function reasonOf(signal: Signal): { readonly reason: unknown } | undefined {
  const { aborted, reason } = signal as { readonly aborted?: unknown, readonly reason?: unknown }
  return aborted === true ? { reason } : undefined
}

/** An idle worker, else the least busy that has room; an abortable task shares a worker with no other. */
function leastBusy(most: number): LoadBalancer {
  return (task, workers) => {
    let best: PiscinaWorker | null = null
    for (const worker of workers) {
      if (worker.currentUsage === 0) return worker
      const isShareable = !task.isAbortable && !worker.isRunningAbortableTask && worker.currentUsage < most
      if (isShareable && (best === null || worker.currentUsage < best.currentUsage)) best = worker
    }
    return best
  }
}

/** Throws what piscina rejects with. */
export function checkRun(options: RunOptions): void {
  const { transferList, filename, name, signal } = options
  if (transferList !== undefined && !Array.isArray(transferList)) throw badOption('transferList argument must be an Array')
  if ((filename ?? null) !== null && typeof filename !== 'string') throw badOption('filename argument must be a string')
  if ((name ?? null) !== null && typeof name !== 'string') throw badOption('name argument must be a string')
  if ((signal ?? null) !== null && typeof signal !== 'object') throw badOption('signal argument must be an object')
}
