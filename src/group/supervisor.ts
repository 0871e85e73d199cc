/**
 * Starts the worker threads, replaces those that die, and ends them. It belongs to the thread that made the group.
 *
 * When a thread has ended without being asked to, it has been joined, so everything it wrote is visible. In this order:
 *   1. its heap record goes back to the pool whole;
 *   2. its inbox is set to the first task it never started, what it had completed is delivered, and what it had started fails
 *      with ERR_PERCORE_WORKER_DIED (`Dispatcher.recover`);
 *   3. a successor is started in the same thread slot, and carries on with the tasks behind.
 * A successor that cannot even start is tried again after a pause, at most `startAttemptsMax` times in a row.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { PercoreError, shared } from '../base/index.js'
import type { SharedHeap } from '../memory/index.js'
import { ring } from '../ring/index.js'
import { CarrierEnd } from './carrier.js'
import { workerEntry } from './entry.js'
import { type Fabric, noRecord, slotAt, slotLayout, slotState, workerAt } from './fabric.js'
import type { Idle } from './idle.js'
import type { ThreadSettings } from './threads.js'
import type { StartFailure, WorkerBrief, WorkerMessage } from './worker.js'

/** Successors that fail to start in a row before a worker is given up. */
const startAttemptsMax = 3

/** The pause before the second attempt; it doubles for each further one. */
const startPauseMs = 50

/** How long a thread may take to end by itself when the group closes, before it is terminated: it may be printing endlessly. */
const closeGraceMs = 2000

export interface SupervisorOptions {
  readonly module: string | undefined
  readonly workerData: unknown
  readonly idle: Idle
  readonly coresAreShort: boolean
  readonly threads: ThreadSettings
}

export interface SupervisorEvents {
  /** A worker published completions while this thread slept. */
  bell(): void
  /** The host refused something that was asked for a thread. */
  warned(problem: string): void
  /** A thread died: settle what it left. */
  died(worker: number, error: PercoreError): void
  /** A successor runs. */
  replaced(worker: number): void
  /** No successor could be started. */
  gaveUp(worker: number, error: PercoreError): void
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
  #held = false
  #ending = false

  readonly #carriers: CarrierEnd[] = []

  constructor(fabric: Fabric, heap: SharedHeap, options: SupervisorOptions, events: SupervisorEvents) {
    this.#fabric = fabric
    this.#heap = heap
    this.#options = options
    this.#events = events
    this.#threads = Array.from({ length: fabric.workers })
    this.#ended = Array.from({ length: fabric.workers }, () => Promise.resolve())
    this.restarts = Array.from({ length: fabric.workers }, () => 0)
  }

  /** Starts every worker; resolves with the handlers' names once all of them are ready, or rejects with the first failure. */
  async start(): Promise<readonly string[]> {
    try {
      const names = await Promise.all(this.#threads.map((_, worker) => this.#startThread(worker)))
      return names[0]
    } catch (error) {
      await this.terminate()
      throw error
    }
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

  /** Keeps the process alive, or lets it end. */
  hold(alive: boolean): void {
    if (this.#held === alive) return
    this.#held = alive
    for (const thread of this.#threads) {
      if (alive) thread?.ref()
      else thread?.unref()
    }
  }

  /** Asks every thread to end once it has nothing left to do; those that do not are terminated. */
  async close(): Promise<void> {
    this.#ending = true
    this.#threads.forEach((thread, worker) => {
      const slot = slotAt(worker + 1)
      shared.store(this.#fabric.words.i32, slot + slotLayout.state, slotState.closing)
      ring(this.#fabric.words.i32, slot + slotLayout.doorbell, () => thread?.postMessage(0))
      thread?.ref()
    })
    let timer: NodeJS.Timeout | undefined
    const grace = new Promise((resolve) => {
      timer = setTimeout(resolve, closeGraceMs)
    })
    await Promise.race([Promise.all(this.#ended), grace])
    clearTimeout(timer)
    await this.terminate()
  }

  /** Ends every thread now, wherever it is. */
  async terminate(): Promise<void> {
    this.#ending = true
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
      worker,
      module: this.#options.module,
      workerData: this.#options.workerData,
      idle: this.#options.idle,
      coresAreShort: this.#options.coresAreShort,
      traits: this.#options.threads.traitsOf(worker),
      port: this.#connect(worker),
    }
    const { name } = brief.traits
    const { workerOptions, stdout, stderr } = this.#options.threads
    this.#fabric.words.i32[slotAt(worker + 1) + slotLayout.heapRecord] = noRecord
    const thread = new Worker(workerEntry(), {
      ...workerOptions,
      workerData: brief,
      transferList: [brief.port],
      name: `${name} ${worker}`,
    })
    this.#threads[worker] = thread
    this.#killed[worker] = undefined
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
          if (ready) this.#replace(worker, diedError(worker, code, this.#killed[worker] ?? cause))
          else reject(this.#ending ? closedError() : startError(worker, code, cause, failure))
        })
      })
      thread.on('message', (message: WorkerMessage) => {
        if (message === 0) return this.#events.bell()
        if ('problem' in message) return this.#events.warned(message.problem)
        if ('failed' in message) {
          failure = message.failed
          return void thread.terminate()
        }
        ready = true
        if (!this.#held) thread.unref()
        resolve(message.names)
      })
    })
  }

  #replace(worker: number, error: PercoreError): void {
    if (this.#ending) return
    const { i32 } = this.#fabric.words
    const slot = slotAt(worker + 1)
    this.#events.died(worker, error)
    shared.store(i32, slot + slotLayout.doorbell, 0)
    this.restarts[worker]++
    void this.#restart(worker)
  }

  /** The pages of a joined thread go to whoever attaches next. */
  #reclaimHeap(worker: number): void {
    const { i32 } = this.#fabric.words
    const at = slotAt(worker + 1) + slotLayout.heapRecord
    if (i32[at] === noRecord) return
    this.#heap.reclaim(i32[at])
    i32[at] = noRecord
  }

  async #restart(worker: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#startThread(worker)
        return this.#events.replaced(worker)
      } catch (error) {
        if (this.#ending) return
        if (attempt === startAttemptsMax) return this.#events.gaveUp(worker, error as PercoreError)
        await new Promise((resolve) => setTimeout(resolve, startPauseMs * 2 ** (attempt - 1)))
      }
    }
  }
}

function closedError(): PercoreError {
  return new PercoreError('ERR_PERCORE_CLOSED', 'the group was closed. Start a new one to run more tasks.')
}

function diedError(worker: number, code: number, cause: unknown): PercoreError {
  const why = cause === undefined ? `process.exit(${code})` : String(cause)
  return new PercoreError('ERR_PERCORE_WORKER_DIED', `worker ${worker} ended while it ran this task: ${why}. It is replaced; tasks behind are not affected.`, {
    cause,
  })
}

function startError(worker: number, code: number, cause: unknown, failure: StartFailure | undefined): PercoreError {
  if (failure !== undefined) return new PercoreError(failure.code, failure.message, { cause: failure.cause })
  const why = cause === undefined ? `it exited with code ${code}` : String(cause)
  return new PercoreError('ERR_PERCORE_WORKER_START', `worker ${worker} could not be started: ${why}.`, { cause })
}
