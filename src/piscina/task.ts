/**
 * A task of a pool, from `run` until its promise is settled. On the pool's thread.
 *
 * Invariant: `settle` is heard once; from then on the task listens to no signal.
 */
import { AsyncResource } from 'node:async_hooks'
import type { EventEmitter } from 'node:events'
import type { Transferable } from 'node:worker_threads'
import type { PiscinaTask } from './queue.js'
import { isMovable, queueOptionsSymbol, transferOf, valueSymbol } from './symbols.js'
import type { PoolThread } from './thread.js'

export type Signal = AbortSignal | EventEmitter

export interface TaskSpec {
  readonly value: unknown
  readonly transfer: readonly Transferable[]
  readonly filename: string
  readonly name: string
  readonly signal: Signal | null
  readonly triggerAsyncId: number
}

let tasks = 0

export class TaskInfo extends AsyncResource implements PiscinaTask {
  readonly taskId: number = tasks++
  /** The value; task queues read it under this name. */
  task: unknown
  transfer: readonly Transferable[]
  readonly filename: string
  readonly name: string
  readonly created: number = performance.now()
  readonly isAbortable: boolean
  readonly [queueOptionsSymbol]: object | null
  /** The thread that has it, from the moment it was placed. */
  thread: PoolThread | null = null
  started = 0
  isOver = false
  readonly #settled: (error: unknown, result: unknown, failed: boolean) => void
  #unlisten: (() => void) | undefined

  constructor(spec: TaskSpec, settled: (error: unknown, result: unknown, failed: boolean) => void) {
    super('Piscina.Task', { requireManualDestroy: true, triggerAsyncId: spec.triggerAsyncId })
    const { value } = spec
    this.task = isMovable(value) ? value[valueSymbol] : value
    this.transfer = isMovable(value) ? [...spec.transfer, ...transferOf(value)] : spec.transfer
    this.filename = spec.filename
    this.name = spec.name
    this.isAbortable = spec.signal !== null
    this[queueOptionsSymbol] = (value as { readonly [queueOptionsSymbol]?: object } | null | undefined)?.[queueOptionsSymbol] ?? null
    this.#settled = settled
  }

  /** What is moved is gone from here when `run` returns, also when its thread takes nothing yet. */
  takeMoved(): void {
    if (this.transfer.length === 0) return
    const [task, ...transfer] = structuredClone([this.task, ...this.transfer], { transfer: [...this.transfer] as never }) as [unknown, ...Transferable[]]
    this.task = task
    this.transfer = transfer
  }

  /** Calls back when the signal aborts before the task is over. */
  listen(signal: Signal, aborted: () => void): void {
    if ('addEventListener' in signal) {
      signal.addEventListener('abort', aborted, { once: true })
      this.#unlisten = () => signal.removeEventListener('abort', aborted)
    } else {
      signal.once('abort', aborted)
      this.#unlisten = () => signal.removeListener('abort', aborted)
    }
  }

  succeed(result: unknown): void {
    this.#end(undefined, result, false)
  }

  fail(error: unknown): void {
    this.#end(error, undefined, true)
  }

  #end(error: unknown, result: unknown, failed: boolean): void {
    if (this.isOver) return
    this.isOver = true
    this.#unlisten?.()
    this.runInAsyncScope(this.#settled, null, error, result, failed)
    this.emitDestroy()
  }
}
