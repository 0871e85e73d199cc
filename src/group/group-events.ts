/**
 * What a group tells whoever listens to it, and in which context. On the group's thread.
 *
 * Invariant: what concerns the whole group is told in the async context that it was started in, what concerns a call in that of the call.
 */
import type { EventEmitter } from 'node:events'
import { PercoreError } from '../base/index.js'
import { callerContext } from './caller-context.js'
import { tellOfWorker } from './channels.js'
import type { Reject } from './slab.js'

/** The failure of a task that nobody waits for; `run` and `map` give theirs to their caller. */
export interface PushFailure {
  readonly handler: string
  readonly error: unknown
}

/** A task that was dropped, see `ExecGroupOptions.whenFull`. */
export interface DroppedTask {
  /** The handler's name; empty for `runFunction`. */
  readonly handler: string
  readonly value: unknown
}

export interface GroupEvents {
  /** A task was dropped. */
  drop: [DroppedTask]
  /** So many tasks are in flight or waiting, `highWater` or more. */
  high: [load: number]
  /** After `high`: no more than `lowWater` are left. */
  low: [load: number]
  /** A task of `push`, or of `call` without `onError`, failed. Without a listener the first one becomes a process warning. */
  failure: [PushFailure]
  /** A worker's thread died; its successor is being started. */
  died: [worker: number, error: PercoreError]
  /** The successor runs. */
  replaced: [worker: number]
  /** Workers were added or taken away, by load or by `resize`. */
  resized: [workers: number]
  /** A worker was replaced by a fresh one, as `recycle` says. */
  recycled: [worker: number]
}

/** The one voice of a group. */
export class Announcer {
  readonly #group: EventEmitter<GroupEvents>
  readonly #context = callerContext()
  readonly #failed: (Reject | undefined)[] = []
  readonly #problems = new Set<string>()
  #warned = false

  constructor(group: EventEmitter<GroupEvents>) {
    this.#group = group
  }

  tell<E extends keyof GroupEvents>(event: E, ...told: GroupEvents[E]): void {
    const group = this.#group
    this.#context.runInAsyncScope(group.emit as (event: E, ...told: GroupEvents[E]) => boolean, group, event, ...told)
  }

  /** Of a worker's thread, to `diagnostics_channel`; and as an event, where there is one. */
  tellOfWorker(what: 'started' | 'ended' | 'replaced' | 'recycled', worker: number): void
  tellOfWorker(what: 'died' | 'gave-up', worker: number, error: PercoreError): void
  tellOfWorker(what: Parameters<typeof tellOfWorker>[0], worker: number, error?: PercoreError): void {
    tellOfWorker(what, this.#group, worker, error)
    if (what === 'died') this.tell(what, worker, error as PercoreError)
    else if (what === 'replaced' || what === 'recycled') this.tell(what, worker)
  }

  dropped(handler: string, value: unknown): void {
    this.#group.emit('drop', { handler, value })
  }

  /** Each worker meets the same problem; it is told once. */
  warnOnce(problem: string): void {
    if (this.#problems.has(problem)) return
    this.#problems.add(problem)
    process.emitWarning(problem, 'PercoreWarning')
  }

  /** What a failure of that handler goes to when nobody waits for it. */
  failedBy(number: number, name: string): Reject {
    return (this.#failed[number] ??= (error) => this.#pushFailed(name, error))
  }

  #pushFailed(handler: string, error: unknown): void {
    if (error instanceof PercoreError && error.code === 'ERR_PERCORE_DROPPED') return // told by the event `drop`
    if (this.#group.emit('failure', { handler, error }) || this.#warned) return
    this.#warned = true
    process.emitWarning(`a task pushed to '${handler}' failed: ${String(error)}. Listen to the group's 'failure' event to see all of them.`, 'PercoreWarning')
  }
}
