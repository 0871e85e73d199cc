/**
 * What a group tells `node:diagnostics_channel`: each task, and what becomes of its workers. On the group's thread.
 *
 * ```
 *  percore:task:submitted ─┬─▶ percore:task:completed   all with one and the same TaskMessage
 *                          └─▶ percore:task:failed
 *  percore:worker:started │ ended │ died │ replaced │ recycled │ gave-up   WorkerMessage
 * ```
 *
 * Invariant: a task that was told as submitted is told as completed or failed exactly once. Nothing is made where nobody subscribes: then a task costs three
 * looks at a flag.
 */
import { channel } from 'node:diagnostics_channel'
import { boundNow } from './caller-context.js'
import type { Reject, Resolve } from './slab.js'

const submitted = channel('percore:task:submitted')
const completed = channel('percore:task:completed')
const failed = channel('percore:task:failed')

/** How a task came to the group. Each item of `map` is a task, and so are all values of one `runMany`, and a whole stream. */
export type TaskMethod = 'run' | 'runFunction' | 'runSync' | 'runMany' | 'call' | 'push' | 'map' | 'stream'

/**
 * What subscribers of `percore:task:submitted`, `percore:task:completed` and `percore:task:failed` are given: one object per task, so that it can be the key
 * of a `WeakMap`. Do not change it, nor keep `value` and `result`, which are the caller's own.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * import { ExecGroup, type TaskMessage } from 'percore'
 *
 * subscribe('percore:task:completed', (message) => {
 *   const { handler, result } = message as TaskMessage
 *   console.log(handler, result) // double 42
 * })
 * const group = await ExecGroup.start(new URL('./handlers.js', import.meta.url))
 * await group.run('double', 21)
 * await group.close()
 * ```
 */
export interface TaskMessage {
  /** The `ExecGroup`. */
  readonly group: object
  readonly method: TaskMethod
  /** The handler's name; empty for `runFunction`. */
  readonly handler: string
  /** What it was called with. */
  readonly value: unknown
  /** What came back; in `completed` only. Undefined for a stream. */
  readonly result?: unknown
  /** Why it failed; in `failed` only. */
  readonly error?: unknown
  /** From the call until its result was here, waiting for room included, in ms by this thread's clock; once it is settled. */
  readonly durationMs?: number | undefined
}

/** What subscribers of `percore:worker:…` are given. */
export interface WorkerMessage {
  /** The `ExecGroup`. */
  readonly group: object
  readonly worker: number
  /** Why, in `died` and `gave-up`. */
  readonly error?: unknown
}

/** True when somebody wants to hear of tasks. */
export function isTraced(): boolean {
  return submitted.hasSubscribers || completed.hasSubscribers || failed.hasSubscribers
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** One task that is told of. Told in the context of the call, as its callbacks are. */
export class Trace {
  readonly #message: Mutable<TaskMessage>
  readonly #startedAtMs = performance.now()
  readonly #publish: (failed: boolean) => void

  constructor(group: object, method: TaskMethod, handler: string, value: unknown) {
    const message = { group, method, handler, value, result: undefined, error: undefined, durationMs: undefined }
    this.#message = message
    this.#publish = boundNow((isFailed: boolean) => (isFailed ? failed : completed).publish(message))
  }

  submitted(): this {
    submitted.publish(this.#message)
    return this
  }

  completed(result: unknown): void {
    this.#message.result = result
    this.#ended(false)
  }

  failed(error: unknown): void {
    this.#message.error = error
    this.#ended(true)
  }

  /** What to call instead of these. */
  around(resolve: Resolve, reject: Reject): { readonly resolve: Resolve, readonly reject: Reject } {
    return {
      resolve: (result) => {
        this.completed(result)
        resolve(result)
      },
      reject: (error) => {
        this.failed(error)
        reject(error)
      },
    }
  }

  #ended(isFailed: boolean): void {
    this.#message.durationMs = performance.now() - this.#startedAtMs
    this.#publish(isFailed)
  }
}

/** A stream that is told of from its first read until its reader has left it. */
export async function* tracedStream(
  stream: AsyncGenerator<unknown, unknown, undefined>, trace: () => Trace,
): AsyncGenerator<unknown, unknown, undefined> {
  const begun = trace().submitted()
  let failure: { readonly error: unknown } | undefined
  try {
    return yield* stream
  } catch (error) {
    failure = { error }
    throw error
  } finally {
    if (failure === undefined) begun.completed(undefined)
    else begun.failed(failure.error)
  }
}

const ofWorkers = {
  started: channel('percore:worker:started'),
  ended: channel('percore:worker:ended'),
  died: channel('percore:worker:died'),
  replaced: channel('percore:worker:replaced'),
  recycled: channel('percore:worker:recycled'),
  'gave-up': channel('percore:worker:gave-up'),
} as const

export function tellOfWorker(what: keyof typeof ofWorkers, group: object, worker: number, error?: unknown): void {
  const told = ofWorkers[what]
  if (told.hasSubscribers) told.publish(error === undefined ? { group, worker } : { group, worker, error })
}
