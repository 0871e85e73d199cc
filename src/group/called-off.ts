/**
 * Calling tasks off: how a caller tells a worker that it no longer wants a task. A word per task in shared memory, which the caller sets
 * and the worker reads, so that a handler that never lets go of its thread can see it too. `Cancels` is the worker's end and
 * belongs to its thread; the caller's is `Dispatcher.callOff`.
 *
 * Invariant: a task's word is cleared before the task is published, and set only while the caller remembers the task. Whoever has not been
 * started when its word is set never runs.
 *
 * ```
 *  caller                                   worker
 *    X1: store the task's word = why          not started: reads the word, skips the task
 *    X2: add 1 to the worker's count          running:     ctx.signal reads the word each time it is asked
 *    X3: ring                                 awaited:     X4: load the count, each turn and before it sleeps ─▶ look at the words
 *                                                          X5: write down the count it has looked at
 * ```
 *
 * X2 and X4 pair as publishing and looking do in doorbell.ts, so no call is missed by a thread that goes to sleep. X5 tells the caller that the
 * thread is not stuck in a handler.
 */
import { shared } from '../base/index.js'
import { slotLayout } from './fabric.js'

/** Why a task was called off. */
export const calledOff = { no: 0, aborted: 1, timedOut: 2 } as const

/** In a task's descriptor, beside the payload tag: the task has a word, and may be called off. */
export const mayBeCalledOff: number = 1 << 24

/** A task that has been started and may be called off. */
export interface Running {
  readonly task: number
  readonly generation: number
  /** Why it was called off, once this thread knows. */
  why: number
  controller: AbortController | undefined
  /** Its completion has been written. */
  over: boolean
  /** Completes it although its promise has not settled; undefined while it runs synchronously. */
  complete: (() => void) | undefined
}

export class Cancels {
  readonly #i32: Int32Array
  readonly #wordsAt: number
  readonly #countAt: number
  readonly #seenAt: number
  readonly #running = new Map<number, Running>()
  readonly #never = new AbortController().signal
  #seen: number

  /** `wordsAt` is where the tasks' words begin, `slot` this worker's thread slot. */
  constructor(i32: Int32Array, wordsAt: number, slot: number) {
    this.#i32 = i32
    this.#wordsAt = wordsAt
    this.#countAt = slot + slotLayout.calledOff
    this.#seenAt = slot + slotLayout.calledOffSeen
    this.#seen = shared.load(i32, this.#countAt)
    i32[this.#seenAt] = this.#seen
  }

  /** Whether a task that is about to start should not. */
  isCalledOff(task: number): boolean {
    return this.#i32[this.#wordsAt + task] !== calledOff.no
  }

  begin(task: number, generation: number): Running {
    const running: Running = { task, generation, why: calledOff.no, controller: undefined, over: false, complete: undefined }
    this.#running.set(task, running)
    return running
  }

  /** Its completion is about to be written: from then on the index may be another task's. */
  end(running: Running): void {
    running.over = true
    this.#running.delete(running.task)
  }

  /** Whether tasks were called off since the last look, some of which may be running: nothing but a comparison when none can be. */
  pending(): boolean {
    return this.#running.size > 0 && shared.load(this.#i32, this.#countAt) !== this.#seen // X4
  }

  look(): void {
    this.#seen = shared.load(this.#i32, this.#countAt)
    this.#i32[this.#seenAt] = this.#seen // X5
    for (const running of this.#running.values()) {
      if (!this.#look(running)) continue
      this.#abort(running)
      running.complete?.()
    }
  }

  /** The task that was begun as that. */
  running(task: number): Running | undefined {
    return this.#running.get(task)
  }

  /** The `ctx.signal` of a task; of one that cannot be called off, a signal that never is aborted. */
  signalOf(running: Running | undefined): AbortSignal {
    if (running === undefined) return this.#never
    if (running.controller === undefined) {
      running.controller = this.#controllerOf(running)
      if (this.#look(running)) this.#abort(running)
    }
    return running.controller.signal
  }

  /** Whether it has been called off. Its word is its own only until it is over. */
  #look(running: Running): boolean {
    if (!running.over && running.why === calledOff.no) running.why = shared.load(this.#i32, this.#wordsAt + running.task)
    return running.why !== calledOff.no
  }

  #controllerOf(running: Running): AbortController {
    const controller = new AbortController()
    const { signal } = controller
    const look = (): void => {
      if (this.#look(running)) this.#abort(running)
    }
    // A handler in a loop lets no event in. So asking is looking.
    Object.defineProperties(signal, {
      aborted: { get: () => (look(), abortedOf.call(signal)) },
      reason: { get: () => (look(), reasonOf.call(signal)) },
      throwIfAborted: { value: () => (look(), AbortSignal.prototype.throwIfAborted.call(signal)) },
    })
    return controller
  }

  #abort(running: Running): void {
    const { controller } = running
    if (controller === undefined || abortedOf.call(controller.signal)) return
    controller.abort(running.why === calledOff.timedOut ? new DOMException('The task took longer than its timeoutMs', 'TimeoutError') : undefined)
  }
}

const abortedOf = getterOf('aborted')
const reasonOf = getterOf('reason')

function getterOf(name: 'aborted' | 'reason'): (this: AbortSignal) => unknown {
  return Object.getOwnPropertyDescriptor(AbortSignal.prototype, name)?.get as (this: AbortSignal) => unknown
}
