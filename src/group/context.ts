/**
 * The contexts of a worker's tasks. They belong to the worker's thread, and share what is the worker's.
 *
 * Cost: a handler that declares no second parameter is given one context for all its tasks; any other gets its own, some 10 ns.
 */
import type { SharedBlock } from '../codec/index.js'
import type { Exec } from '../exec/index.js'
import type { Running } from './called-off.js'
import type { Context, WorkerGroup } from './handlers.js'
import { requireMemory, type WasmMemory } from './wasm-memory.js'

/** What all contexts of a worker show. */
export interface WorkerScope {
  readonly worker: number
  readonly workerData: unknown
  readonly memory: WasmMemory | undefined
  /** Set once, when the `init` hook has run. */
  state: unknown
  readonly alloc: (bytes: number) => SharedBlock
  readonly exec: Exec
  readonly signalOf: (running: Running | undefined) => AbortSignal
  readonly group: WorkerGroup
  readonly report: (task: number, generation: number, progress: unknown) => boolean
}

export class TaskContext implements Context<never> {
  private readonly scope: WorkerScope
  /** Names the task to the caller. −1: the context that tasks share which do not look at it. */
  private readonly task: number
  private readonly generation: number
  /** Of tasks that may be called off. */
  private readonly running: Running | undefined

  constructor(scope: WorkerScope, task = -1, generation = 0, running?: Running) {
    this.scope = scope
    this.task = task
    this.generation = generation
    this.running = running
  }

  get worker(): number {
    return this.scope.worker
  }

  get workerData(): unknown {
    return this.scope.workerData
  }

  get state(): never {
    return this.scope.state as never
  }

  get memory(): WasmMemory {
    return requireMemory(this.scope.memory)
  }

  get signal(): AbortSignal {
    return this.scope.signalOf(this.running)
  }

  get exec(): Exec {
    return this.scope.exec
  }

  get group(): WorkerGroup {
    return this.scope.group
  }

  alloc(bytes: number): SharedBlock {
    return this.scope.alloc(bytes)
  }

  report(progress: unknown): boolean {
    return this.scope.report(this.task, this.generation, progress)
  }
}
