/**
 * The task slab: what the calling thread remembers of each task in flight, by a small index that travels with the task. One
 * thread.
 *
 * Invariant: an index is either free or names one task, and its generation counts the tasks it has named. So a completion
 * that carries an older generation is of a task that was settled otherwise, and is ignored.
 *
 * ```
 *  words, four per task     generation │ position in its worker's lane │ lane, or −1 when free │ next free index
 *  functions, two per task  resolve │ reject
 * ```
 *
 * What belongs to one task lies together, since it is touched together: with thousands in flight each array of its own would be a cache miss.
 * A function stored here is young and the array old, so each store costs V8 a note for the garbage collector. That is why a promise is
 * remembered by one function, not two.
 */
import { invariant } from '../base/index.js'

export type Resolve = (value: unknown) => void
export type Reject = (error: unknown) => void

/** How a promise is told of a failure through its resolving function: it follows one that is rejected already. */
export function rejectThrough(resolve: Resolve, error: unknown): void {
  resolve(Promise.reject(error)) // adopted at once, so never unhandled on its own
}

const positionAt = 1
const laneAt = 2
const nextFreeAt = 3
const none = -1

export class TaskSlab {
  /** A task's generation is at four times its index. */
  readonly words: Int32Array
  readonly #functions: (Resolve | Reject | undefined)[] = []
  #firstFree = none
  #used = 0

  /** `capacity` indices at most; none takes memory before it is used. */
  constructor(capacity: number) {
    this.words = new Int32Array(4 * capacity)
  }

  /** The index that `take` will take. */
  next(): number {
    return this.#firstFree !== none ? this.#firstFree : this.#grow()
  }

  /** Takes the index that `next` gave. */
  take(task: number, lane: number, position: number, resolve: Resolve, reject: Reject | undefined): void {
    const { words } = this
    const at = task << 2
    this.#firstFree = words[at + nextFreeAt]
    words[at + positionAt] = position
    words[at + laneAt] = lane
    this.#functions[task << 1] = resolve
    if (reject !== undefined) this.#functions[(task << 1) + 1] = reject
  }

  /** What gets the result. */
  resolve(task: number): Resolve {
    return this.#functions[task << 1] as Resolve
  }

  /** What gets a failure, for tasks whose `resolve` is a plain function; undefined when it is a promise's, see {@link rejectThrough}. */
  reject(task: number): Reject | undefined {
    return this.#functions[(task << 1) + 1]
  }

  /** The task stays, and nobody learns how it ends. */
  disown(task: number): void {
    this.#functions[task << 1] = ignore
    this.#functions[(task << 1) + 1] = ignore
  }

  /** Frees the index; the callbacks must not keep anything alive. */
  retire(task: number): void {
    const { words } = this
    const at = task << 2
    words[at]++
    words[at + laneAt] = none
    words[at + nextFreeAt] = this.#firstFree
    this.#firstFree = task
    this.#functions[task << 1] = undefined
    if (this.#functions[(task << 1) + 1] !== undefined) this.#functions[(task << 1) + 1] = undefined
  }

  /** The tasks that were pushed into a lane, as `take` was told, and where they lie in it. */
  heldBy(lane: number): { readonly task: number, readonly position: number }[] {
    const held: { task: number, position: number }[] = []
    for (let task = 0; task < this.#used; task++) {
      if (this.words[4 * task + laneAt] === lane) held.push({ task, position: this.words[4 * task + positionAt] })
    }
    return held
  }

  #grow(): number {
    const task = this.#used
    invariant(4 * task < this.words.length, 'more tasks in flight than there are credits')
    this.#used++
    this.words[4 * task + laneAt] = none
    this.words[4 * task + nextFreeAt] = none
    this.#functions.push(undefined, undefined)
    this.#firstFree = task
    return task
  }
}

function ignore(): void {}
