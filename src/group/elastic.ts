/**
 * How many workers a group has: by request (`resize`), by load between a least and a most, and the replacement of tired ones. It belongs to
 * the group's thread.
 *
 * Invariant: the workers are 0 … n − 1. One grows at the top and shrinks from the top, one step at a time, each step whole before the next.
 *
 * ```
 *  grow      start the thread ─▶ ready ─▶ the dispatcher gives it tasks
 *  shrink    the dispatcher gives it no more ─▶ its tasks and streams have ended ─▶ the thread disposes and exits ─▶ joined
 *  recycle   calls for it wait ─▶ its tasks and streams have ended ─▶ exits ─▶ joined ─▶ another starts ─▶ they go on
 * ```
 *
 * A worker that dies on its way out is replaced like any other, since tasks may lie in its lane; then it is on its way out again.
 * What is asked of a group that closes is given up.
 */
import type { PercoreError } from '../base/index.js'

/** While the group has work: how often to look whether it needs more workers. */
const lookMs = 20

/** Looks in a row that must find every worker busy and tasks waiting behind, before one is added: a burst is over sooner. */
const looksBeforeGrowth = 2

/** What elasticity asks of the calling side. */
export interface ElasticCalls {
  /** Workers that are given tasks. */
  readonly workers: number
  readonly inFlightTotal: number
  readonly queued: number
  inFlight(worker: number): number
  /** How many of its tasks it has not started. */
  backlog(worker: number): number
  /** Whether it is given tasks: it is one of the workers, and was not given up. */
  serves(worker: number): boolean
  /** The next worker may be given tasks. */
  admit(): void
  /** The last worker is given no more. */
  retire(): void
  /** A worker in the middle takes none until `reopen`; calls that are for it wait. */
  shut(worker: number): void
  reopen(worker: number): void
  /** Resolves when a worker that is given no more has none left; its thread is needed until then. */
  whenRelieved(worker: number): Promise<void>
  /** Its thread has ended, and none follows. */
  left(worker: number): void
}

/** What it asks of the threads. */
export interface ElasticThreads {
  add(worker: number): Promise<void>
  stop(worker: number): Promise<void>
  /** Stops it and starts another; resolves also when that was given up. */
  renew(worker: number): Promise<void>
}

export interface ElasticParts {
  readonly calls: ElasticCalls
  readonly threads: ElasticThreads
  readonly min: number
  readonly max: number
  readonly idleTimeoutMs: number
  /** How long a worker that has no task has been without work, in ms. */
  readonly idleMs: (worker: number) => number
  readonly isEnding: () => boolean
  readonly events: ElasticEvents
}

export interface ElasticEvents {
  resized(workers: number): void
  recycled(worker: number): void
  /** A step of its own accord failed: a thread did not start. */
  failed(error: PercoreError): void
}

export class Elastic {
  readonly #parts: ElasticParts
  #min: number
  #max: number
  #last: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #crowded = 0
  #isStepping = false
  readonly #recycling = new Set<number>()

  constructor(parts: ElasticParts) {
    this.#parts = parts
    this.#min = parts.min
    this.#max = parts.max
  }

  /** From now on the group has so many workers; resolves when it has. Rejects with what kept a thread from starting; then it has as many as before. */
  resize(workers: number): Promise<void> {
    this.#min = workers
    this.#max = workers
    return this.#then(() => this.#stepTo(workers))
  }

  /** A thread has asked to be replaced. */
  tired(worker: number): void {
    if (this.#recycling.has(worker)) return
    this.#recycling.add(worker)
    this.#then(() => this.#recycle(worker))
      .catch((error: unknown) => this.#parts.events.failed(error as PercoreError))
      .finally(() => this.#recycling.delete(worker))
  }

  /** The group has something to do: look, from now on, whether it is the right size. Called often. */
  busy(): void {
    if (this.#timer !== undefined || this.#min === this.#max) return
    this.#timer = setTimeout(this.#look, lookMs).unref()
  }

  /** No more looking. */
  end(): void {
    clearTimeout(this.#timer)
    this.#min = this.#max
  }

  readonly #look = (): void => {
    this.#timer = undefined
    const { calls, idleTimeoutMs, idleMs, isEnding } = this.#parts
    if (isEnding() || this.#min === this.#max) return
    const { workers } = calls
    this.#crowded = this.#isCrowded() ? this.#crowded + 1 : 0
    const top = workers - 1
    const isIdle = workers > this.#min && calls.inFlight(top) === 0 && idleMs(top) >= idleTimeoutMs
    if (!this.#isStepping) {
      if (this.#crowded >= looksBeforeGrowth && workers < this.#max) this.#stepBy(1)
      else if (isIdle) this.#stepBy(-1)
    }
    const isQuiet = calls.inFlightTotal === 0 && calls.queued === 0
    if (!isQuiet) this.busy()
    else if (calls.workers > this.#min) this.#timer = setTimeout(this.#look, Math.max(1, idleTimeoutMs / 2)).unref()
  }

  /** Every worker is busy, and tasks wait behind. */
  #isCrowded(): boolean {
    const { calls } = this.#parts
    if (calls.queued > 0) return true
    for (let worker = 0; worker < calls.workers; worker++) if (calls.backlog(worker) === 0) return false
    return true
  }

  #stepBy(by: number): void {
    this.#crowded = 0
    this.#isStepping = true
    this.#then(async () => {
      const workers = this.#parts.calls.workers + by
      if (workers >= this.#min && workers <= this.#max) await this.#stepTo(workers)
    })
      .catch((error: unknown) => this.#parts.events.failed(error as PercoreError))
      .finally(() => {
        this.#isStepping = false
      })
  }

  async #stepTo(workers: number): Promise<void> {
    const { calls, threads, events } = this.#parts
    const before = calls.workers
    if (workers > before) {
      const added = Array.from({ length: workers - before }, (_, i) => before + i)
      const started = await kept(Promise.allSettled(added.map((worker) => threads.add(worker))))
      const failure = started.find((outcome) => outcome.status === 'rejected')
      if (failure !== undefined) {
        await Promise.all(added.map((worker) => threads.stop(worker)))
        throw failure.reason
      }
      for (const _ of added) calls.admit()
    } else {
      const leaving = Array.from({ length: before - workers }, () => {
        calls.retire()
        return calls.workers
      })
      await Promise.all(leaving.map(async (worker) => {
        await calls.whenRelieved(worker)
        await kept(threads.stop(worker))
        calls.left(worker)
      }))
    }
    if (workers !== before) events.resized(workers)
  }

  async #recycle(worker: number): Promise<void> {
    const { calls, threads, events, isEnding } = this.#parts
    if (!calls.serves(worker) || isEnding()) return
    calls.shut(worker)
    try {
      await calls.whenRelieved(worker)
      if (!calls.serves(worker) || isEnding()) return // it died, and another is or is not on its way
      await kept(threads.renew(worker))
      events.recycled(worker)
    } finally {
      calls.reopen(worker)
    }
  }

  /** Steps never overlap. */
  #then(step: () => Promise<void>): Promise<void> {
    const done = this.#last.then(step)
    this.#last = done.catch(() => undefined)
    return done
  }
}

/** Keeps the process alive until a thread is ready or gone: calls may wait for that which are not in flight, and whoever resizes does. */
async function kept<T>(step: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, 2 ** 30)
  try {
    return await step
  } finally {
    clearInterval(timer)
  }
}
