/**
 * The task slab: what the calling thread remembers of each task in flight, by a small index that travels with the task. One
 * thread.
 *
 * Invariant: an index is either free or names one task, and its generation counts the tasks it has named. So a completion
 * that carries an older generation is of a task that was settled otherwise, and is ignored.
 */

export type Resolve = (value: unknown) => void
export type Reject = (error: unknown) => void

export class TaskSlab {
  readonly resolve: Resolve[] = []
  readonly reject: Reject[] = []
  readonly generation: Int32Array
  /** Where the task lies in its worker's lane. */
  readonly position: Int32Array
  /** The worker, plus one; 0 for a free index, so that memory is not touched before it is used. */
  readonly #holder: Int32Array
  readonly #free: Int32Array
  #freeTop = 0

  /** `capacity` indices at most; none takes memory before it is used. */
  constructor(capacity: number) {
    this.generation = new Int32Array(capacity)
    this.position = new Int32Array(capacity)
    this.#holder = new Int32Array(capacity)
    this.#free = new Int32Array(capacity)
  }

  /** The index that `take` will take. */
  next(): number {
    return this.#freeTop > 0 ? this.#free[this.#freeTop - 1] : this.resolve.length
  }

  take(worker: number, position: number, resolve: Resolve, reject: Reject): void {
    const task = this.next()
    if (this.#freeTop > 0) this.#freeTop--
    this.resolve[task] = resolve
    this.reject[task] = reject
    this.position[task] = position
    this.#holder[task] = worker + 1
  }

  /** Frees the index; returns the worker that held the task. The callbacks must not keep anything alive. */
  retire(task: number): number {
    const worker = this.#holder[task] - 1
    this.resolve[task] = forget
    this.reject[task] = forget
    this.generation[task] = (this.generation[task] + 1) | 0
    this.#holder[task] = 0
    this.#free[this.#freeTop++] = task
    return worker
  }

  /** The tasks that a worker holds. */
  heldBy(worker: number): number[] {
    const tasks: number[] = []
    for (let task = 0; task < this.resolve.length; task++) if (this.#holder[task] === worker + 1) tasks.push(task)
    return tasks
  }
}

function forget(): void {}
