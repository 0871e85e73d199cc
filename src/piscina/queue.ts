/**
 * Where tasks wait until a worker is free. On the pool's thread. Invariant: a queue gives each task out once, and `size` counts those it holds.
 */
import type { queueOptionsSymbol } from './symbols.js'

/** What a queue is told of a task. */
export interface Task {
  /** The value's `queueOptionsSymbol` property, or null. */
  readonly [queueOptionsSymbol]: object | null
}

/** A task as balancers and events see it. */
export interface PiscinaTask extends Task {
  readonly taskId: number
  readonly filename: string
  readonly name: string
  readonly created: number
  readonly isAbortable: boolean
}

/** A queue of one's own. `unshift` puts back a task that found no worker; without it the task goes to the end. */
export interface TaskQueue {
  readonly size: number
  shift(): Task | null
  remove(task: Task): void
  push(task: Task): void
  unshift?(task: Task): void
}

/**
 * First in, first out, over an array: right for some hundreds of waiting tasks.
 *
 * @example
 * ```ts
 * import { ArrayTaskQueue, FixedQueue, Piscina } from 'percore/piscina'
 *
 * const filename = new URL('./word-count.js', import.meta.url).href
 * const first = new Piscina({ filename, maxThreads: 1, taskQueue: new ArrayTaskQueue() })
 * const second = new Piscina({ filename, maxThreads: 1, taskQueue: new FixedQueue() })
 * console.log(await first.run('one'), await second.run('two words')) // 1 2
 * await Promise.all([first.close(), second.close()])
 * ```
 */
export class ArrayTaskQueue implements TaskQueue {
  readonly tasks: Task[] = []

  get size(): number {
    return this.tasks.length
  }

  shift(): Task | null {
    return this.tasks.shift() ?? null
  }

  push(task: Task): void {
    this.tasks.push(task)
  }

  unshift(task: Task): void {
    this.tasks.unshift(task)
  }

  remove(task: Task): void {
    const at = this.tasks.indexOf(task)
    if (at !== -1) this.tasks.splice(at, 1)
  }
}

/** First in, first out, at a cost that does not grow with the number of waiting tasks: the default. */
export class FixedQueue implements TaskQueue {
  /** A Set keeps the order of insertion, and takes out of the middle at once. */
  readonly #tasks = new Set<Task>()
  /** Put back, the last first. */
  readonly #front: Task[] = []

  get size(): number {
    return this.#tasks.size + this.#front.length
  }

  isEmpty(): boolean {
    return this.size === 0
  }

  shift(): Task | null {
    const back = this.#front.pop()
    if (back !== undefined) return back
    for (const task of this.#tasks) {
      this.#tasks.delete(task)
      return task
    }
    return null
  }

  push(task: Task): void {
    this.#tasks.add(task)
  }

  unshift(task: Task): void {
    this.#front.push(task)
  }

  remove(task: Task): void {
    const at = this.#front.indexOf(task)
    if (at !== -1) this.#front.splice(at, 1)
    else this.#tasks.delete(task)
  }
}

export function isTaskQueue(value: unknown): value is TaskQueue {
  if (typeof value !== 'object' || value === null || !('size' in value)) return false
  const queue = value as Record<string, unknown>
  return ['shift', 'remove', 'push'].every((method) => typeof queue[method] === 'function')
}
