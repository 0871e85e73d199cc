/**
 * Starts the worker threads, replaces those that die, and ends them. It belongs to the thread that made the group.
 *
 * When a thread has ended without being asked to, it has been joined, so everything it wrote is visible. In this order:
 *   1. its heap record goes back to the pool whole;
 *   2. its inbox is set to the first task it never started, what it had completed is delivered, and what it had started fails
 *      with ERR_PERCORE_WORKER_DIED (`Dispatcher.recover`);
 *   3. a successor is started in the same thread slot, and carries on with the tasks behind.
 * When is decided in breaker.ts.
 *
 * A thread that is asked to end (`stop`, `close`) finishes what it has, disposes of its state and exits; after a grace it is terminated. Whoever
 * calls `stop` has seen to it that its lanes are empty and stay so.
 */
import { MessageChannel, type MessagePort, Worker, type WorkerOptions } from 'node:worker_threads'
import { PercoreError, shared } from '../base/index.js'
import type { SharedHeap } from '../memory/index.js'
import { ring } from '../ring/index.js'
import { Breaker } from './breaker.js'
import { CarrierEnd } from './carrier.js'
import { workerEntry } from './entry.js'
import { type Fabric, noRecord, slotAt, slotLayout, slotState, workerAt } from './fabric.js'
import type { RecycleAfter } from './fatigue.js'
import type { Idle } from './idle.js'
import type { ThreadSettings } from './threads.js'
import type { StartFailure, WorkerBrief, WorkerMessage } from './worker.js'

/** How long a thread may take to end by itself when the group closes, before it is terminated: it may be printing endlessly. */
const closeGraceMs = 2000

export interface SupervisorOptions {
  readonly module: string | undefined
  readonly mainNames: readonly string[]
  readonly workerData: unknown
  readonly idle: Idle
  readonly cores: number
  /** As many as there may be. */
  readonly workers: number
  readonly recycle: RecycleAfter
  readonly meters: SharedArrayBuffer
  readonly threads: ThreadSettings
}

export interface SupervisorEvents {
  /** A worker published completions while this thread slept. */
  bell(): void
  /** A handler has called the group. */
  nested(): void
  /** The host refused something that was asked for a thread. */
  warned(problem: string): void
  /** A thread died: settle what it left. Returns a number that differs whenever it had started anything since the last. */
  died(worker: number, error: PercoreError): number
  /** A worker's thread is ready, the first or a later one. */
  started(worker: number): void
  /** A worker's thread has ended, for whatever reason. */
  ended(worker: number): void
  /** A successor runs. */
  replaced(worker: number): void
  /** No successor could be started, time and again: tasks must not wait for one. */
  gaveUp(worker: number, error: PercoreError): void
  /** After that, one runs. */
  reinstated(worker: number): void
  /** It has run as many tasks, or holds as much memory, as a thread may. */
  tired(worker: number): void
}

export class Supervisor {
  readonly restarts: number[]
  readonly #fabric: Fabric
  readonly #heap: SharedHeap
  readonly #options: SupervisorOptions
  readonly #events: SupervisorEvents
  readonly #threads: (Worker | undefined)[]
  readonly #ended: Promise<unknown>[]
  /** Why a thread is being ended by {@link kill}. */
  readonly #killed: (PercoreError | undefined)[] = []
  readonly #breakers: Breaker[]
  /** What `died` returned when the thread before ended. */
  readonly #startedBefore: number[]
  readonly #restarting: (Promise<void> | undefined)[]
  readonly #stopping = new Set<number>()
  /** Ends the pause before a worker's next start. */
  readonly #endPause: (() => void)[] = []
  #held = false
  /** The group closes or was terminated. */
  ending = false

  readonly #carriers: CarrierEnd[] = []

  constructor(fabric: Fabric, heap: SharedHeap, options: SupervisorOptions, events: SupervisorEvents) {
    this.#fabric = fabric
    this.#heap = heap
    this.#options = options
    this.#events = events
    this.#threads = Array.from({ length: fabric.workers })
    this.#ended = Array.from({ length: fabric.workers }, () => Promise.resolve())
    this.#breakers = Array.from({ length: fabric.workers }, () => new Breaker())
    this.#startedBefore = Array.from({ length: fabric.workers }, () => 0)
    this.#restarting = Array.from({ length: fabric.workers })
    this.restarts = Array.from({ length: fabric.workers }, () => 0)
  }

  /** Starts the first `count` workers; resolves with the handlers' names once all of them are ready, or rejects with the first failure. */
  async start(count: number): Promise<readonly string[]> {
    try {
      const names = await Promise.all(Array.from({ length: count }, (_, worker) => this.#startThread(worker)))
      return names[0]
    } catch (error) {
      await this.terminate()
      throw error
    }
  }

  /** Starts a thread where there is none; resolves when it is ready. */
  async add(worker: number): Promise<void> {
    if (this.ending) throw closedError()
    await this.#startThread(worker)
  }

  /** Asks a thread to end once it has nothing left to do, and waits for that; none follows it. Its lanes must be empty and stay so. */
  async stop(worker: number): Promise<void> {
    this.#stopping.add(worker)
    this.#endPause[worker]?.()
    await this.#restarting[worker]
    if (!this.ending && this.#threads[worker] !== undefined) {
      this.#askToEnd(worker)
      await withGrace(this.#ended[worker])
      await this.#threads[worker]?.terminate()
      await this.#ended[worker]
    }
    this.#stopping.delete(worker)
  }

  /** `stop`, and then a fresh thread; resolves when that is ready, or has been given up for now. */
  async renew(worker: number): Promise<void> {
    await this.stop(worker)
    if (this.ending) return
    await new Promise<void>((resolve) => {
      this.#restartFor(worker, undefined, true, resolve)
    })
  }

  /** Wakes a worker that sleeps in its event loop. */
  sendBell(worker: number): void {
    this.#threads[worker]?.postMessage(0)
  }

  /** Ends a thread wherever it is; a successor takes its place. What it had started fails, with `why` as the cause. */
  kill(worker: number, why: PercoreError): void {
    this.#killed[worker] = why
    void this.#threads[worker]?.terminate()
  }

  /** Keeps the process alive, or lets it end: not while somebody waits for a thread to end. */
  hold(alive: boolean): void {
    if (this.#held === alive) return
    this.#held = alive
    for (const [worker, thread] of this.#threads.entries()) {
      if (alive) thread?.ref()
      else this.#letGo(worker, thread)
    }
  }

  #letGo(worker: number, thread: Worker | undefined): void {
    if (!this.ending && !this.#stopping.has(worker)) thread?.unref()
  }

  /** Asks every thread to end once it has nothing left to do; those that do not are terminated. */
  async close(): Promise<void> {
    this.ending = true
    for (const worker of this.#threads.keys()) this.#askToEnd(worker)
    await withGrace(Promise.all(this.#ended))
    await this.terminate()
  }

  #askToEnd(worker: number): void {
    const { i32 } = this.#fabric.words
    const slot = slotAt(worker + 1)
    const thread = this.#threads[worker]
    shared.store(i32, slot + slotLayout.state, slotState.closing)
    ring(i32, slot + slotLayout.doorbell, () => thread?.postMessage(0))
    thread?.ref()
  }

  /** Ends every thread now, wherever it is. */
  async terminate(): Promise<void> {
    this.ending = true
    for (const end of this.#endPause) end?.()
    await Promise.all(this.#threads.map((thread) => thread?.terminate()))
    await Promise.all(this.#ended)
  }

  /** This thread's end of the port of the worker in one of whose lanes a word lies. */
  carrierAt(word: number): CarrierEnd | undefined {
    return this.#carriers[workerAt(this.#fabric, word)]
  }

  #connect(worker: number): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.#carriers[worker]?.port.close()
    this.#carriers[worker] = new CarrierEnd(port1, 1)
    return port2
  }

  #startThread(worker: number): Promise<readonly string[]> {
    const brief: WorkerBrief = {
      buffer: this.#fabric.words.buffer,
      memory: this.#fabric.memory,
      worker,
      module: this.#options.module,
      mainNames: this.#options.mainNames,
      workerData: this.#options.workerData,
      idle: this.#options.idle,
      cores: this.#options.cores,
      workers: this.#options.workers,
      recycle: this.#options.recycle,
      meters: this.#options.meters,
      traits: this.#options.threads.traitsOf(worker),
      port: this.#connect(worker),
    }
    const { name } = brief.traits
    const { workerOptions, stdout, stderr, onThread } = this.#options.threads
    const { i32 } = this.#fabric.words
    const slot = slotAt(worker + 1)
    i32[slot + slotLayout.heapRecord] = noRecord
    shared.store(i32, slot + slotLayout.doorbell, 0)
    shared.store(i32, slot + slotLayout.state, this.ending ? slotState.closing : slotState.running)
    const thread = makeThread(worker, {
      __proto__: null, // Node would take what is missing from the prototype
      ...workerOptions,
      workerData: brief,
      transferList: [brief.port],
      name: `${name} ${worker}`,
    } as WorkerOptions)
    this.#threads[worker] = thread
    this.#killed[worker] = undefined
    onThread?.(thread, worker)
    if (stdout !== undefined) thread.stdout.on('data', (chunk: Uint8Array) => stdout(chunk, worker))
    if (stderr !== undefined) thread.stderr.on('data', (chunk: Uint8Array) => stderr(chunk, worker))
    return new Promise((resolve, reject) => {
      let ready = false
      let cause: unknown
      let failure: StartFailure | undefined
      this.#ended[worker] = new Promise((ended) => {
        thread.on('error', (error) => {
          cause = error
        })
        thread.on('exit', (code) => {
          this.#threads[worker] = undefined
          ended(undefined)
          this.#reclaimHeap(worker)
          if (ready) this.#events.ended(worker)
          if (!ready) reject(this.ending ? closedError() : startError(worker, code, cause, failure))
          else if (!this.#stopping.has(worker)) this.#replace(worker, diedError(worker, code, this.#killed[worker] ?? cause))
        })
      })
      thread.on('message', (message: WorkerMessage) => {
        if (message === 0) return this.#events.bell()
        if ('problem' in message) return this.#events.warned(message.problem)
        if ('tired' in message) return this.#events.tired(worker)
        if ('nested' in message) return this.#events.nested()
        if ('failed' in message) {
          failure = message.failed
          return void thread.terminate()
        }
        ready = true
        this.#events.started(worker)
        if (!this.#held) this.#letGo(worker, thread)
        resolve(message.names)
      })
    })
  }

  #replace(worker: number, error: PercoreError): void {
    if (this.ending) return
    const started = this.#events.died(worker, error)
    const fruitful = started !== this.#startedBefore[worker]
    this.#startedBefore[worker] = started
    this.restarts[worker]++
    this.#restartFor(worker, error, fruitful)
  }

  #restartFor(worker: number, death: PercoreError | undefined, fruitful: boolean, settled?: () => void): void {
    this.#restarting[worker] = this.#restart(worker, death, fruitful, settled).finally(() => {
      this.#restarting[worker] = undefined
      settled?.()
    })
  }

  /** The pages of a joined thread go to whoever attaches next. */
  #reclaimHeap(worker: number): void {
    const { i32 } = this.#fabric.words
    const at = slotAt(worker + 1) + slotLayout.heapRecord
    if (i32[at] === noRecord) return
    this.#heap.reclaim(i32[at])
    i32[at] = noRecord
  }

  /** Without a death it replaces a thread that was stopped. `settled` is called when the worker is given up for now. */
  async #restart(worker: number, death: PercoreError | undefined, fruitful: boolean, settled?: () => void): Promise<void> {
    let error = death
    let isGivenUp = false
    for (let isFruitful = fruitful; ; isFruitful = false) {
      const { pauseMs, open } = this.#breakers[worker].ended(isFruitful)
      if (open && !isGivenUp) {
        this.#events.gaveUp(worker, error as PercoreError)
        settled?.()
      }
      isGivenUp ||= open
      if (pauseMs > 0) await this.#pause(worker, pauseMs, isGivenUp)
      if (this.ending || this.#stopping.has(worker)) return
      try {
        await this.#startThread(worker)
        if (this.ending) return
        if (isGivenUp) this.#events.reinstated(worker)
        if (death !== undefined || isGivenUp) this.#events.replaced(worker)
        return
      } catch (failure) {
        if (this.ending) return
        error = failure as PercoreError
      }
    }
  }

  /** Nobody waits for a worker that was given up: it alone must not keep the process alive. */
  #pause(worker: number, ms: number, mayEnd: boolean): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      if (mayEnd) timer.unref()
      this.#endPause[worker] = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** Node's exit code when a top-level `await` can no longer be settled. */
const unsettledCode = 13

async function withGrace(ended: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const grace = new Promise((resolve) => {
    timer = setTimeout(resolve, closeGraceMs)
  })
  await Promise.race([ended, grace])
  clearTimeout(timer)
}

function closedError(): PercoreError {
  return new PercoreError('ERR_PERCORE_CLOSED', 'the group was closed. Start a new one to run more tasks.')
}

function diedError(worker: number, code: number, cause: unknown): PercoreError {
  const why = cause === undefined ? `process.exit(${code})` : String(cause)
  return new PercoreError('ERR_PERCORE_WORKER_DIED', `worker ${worker} ended: ${why}. What it was running fails; its successor runs what was behind.`, {
    cause,
  })
}

/** What Node refuses at once is told as what it is. */
function makeThread(worker: number, options: WorkerOptions): Worker {
  try {
    return new Worker(workerEntry(), options)
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'DataCloneError') {
      throw new PercoreError('ERR_PERCORE_NOT_CLONEABLE', `workerData cannot be copied to another thread: ${cause.message} Send plain data.`, { cause })
    }
    throw startError(worker, 0, cause, undefined)
  }
}

function startError(worker: number, code: number, cause: unknown, failure: StartFailure | undefined): PercoreError {
  if (failure !== undefined) return new PercoreError(failure.code, failure.message, { cause: failure.cause })
  const why = cause !== undefined ? String(cause) : code === unsettledCode ? 'its module awaits something that never comes' : `it exited with code ${code}`
  return new PercoreError('ERR_PERCORE_WORKER_START', `worker ${worker} could not be started: ${why}.`, { cause })
}
