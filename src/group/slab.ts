/**
 * The task slab: what the calling thread remembers of each task in flight, by a small index that travels with the task. One
 * thread.
 *
 * Invariant: an index is either free or names one task, and its generation counts the tasks it has named. So a completion
 * that carries an older generation is of a task that was settled otherwise, and is ignored.
 *
 * ```
 *  words, four per task     generation │ position in its worker's lane │ lane and entry << 16, or −1 when free │ next free index
 *  functions, two per task  resolve │ reject
 * ```
 *
 * What belongs to one task lies together, since it is touched together: with thousands in flight each array of its own would be a cache miss.
 * A function stored here is young and the array old, so each store costs V8 a note for the garbage collector. That is why a promise is
 * remembered by one function, not two.
 */
import { cells, cellsOf, invariant } from '../base/index.js'

export type Resolve = (value: unknown) => void
export type Reject = (error: unknown) => void

/** How a promise is told of a failure through its resolving function: it follows one that is rejected already. */
export function rejectThrough(resolve: Resolve, error: unknown): void {
  resolve(Promise.reject(error)) // adopted at once, so never unhandled on its own
}

const none = -1
const entryShift = 16
const laneMask = 0xffff

// The numbers that change, see `cells`: the first free index, and how many have been used.
const firstFree = 0
const used = 1

export interface TaskSlab {
  /** A task's generation is at four times its index. */
  readonly generations: Int32Array
  /** The index that `take` will take. */
  next(): number
  /** Takes the index that `next` gave: the task lies at that position of that lane, and within the descriptor at that entry (see packed.ts). */
  take(task: number, lane: number, position: number, entry: number, resolve: Resolve, reject: Reject | undefined): void
  /** What gets the result. */
  resolve(task: number): Resolve
  /** What gets a failure, for tasks whose `resolve` is a plain function; undefined when it is a promise's, see {@link rejectThrough}. */
  reject(task: number): Reject | undefined
  /** The task stays, and nobody learns how it ends. */
  disown(task: number): void
  /** Frees the index; the callbacks must not keep anything alive. */
  retire(task: number): void
  /** The tasks that were pushed into a lane, as `take` was told, and where they lie in it. */
  heldBy(lane: number): Held[]
}

export interface Held {
  readonly task: number
  readonly position: number
  readonly entry: number
}

/** `capacity` indices at most; none takes memory before it is used. */
export function createTaskSlab(capacity: number): TaskSlab {
  const words = cells(4 * capacity)
  // The words of a task at the same index: of one length, so that V8 checks it once.
  const view = (word: number): Int32Array => words.subarray(word, words.length - 3 + word)
  const [generations, positions, lanes, nexts] = [view(0), view(1), view(2), view(3)]
  const functions: (Resolve | Reject | undefined)[] = []
  const state = cellsOf([none, 0])

  function grow(): number {
    const task = state[used]++
    invariant(task < capacity, 'more tasks in flight than there are credits')
    lanes[task << 2] = none
    nexts[task << 2] = none
    functions.push(undefined, undefined)
    state[firstFree] = task
    return task
  }

  return {
    generations,
    next() {
      const first = state[firstFree]
      return first !== none ? first : grow()
    },
    take(task, lane, position, entry, resolve, reject) {
      const at = task << 2
      state[firstFree] = nexts[at]
      positions[at] = position
      lanes[at] = lane | (entry << entryShift)
      functions[task << 1] = resolve
      if (reject !== undefined) functions[(task << 1) + 1] = reject
    },
    resolve: (task) => functions[task << 1] as Resolve,
    reject: (task) => functions[(task << 1) + 1],
    disown(task) {
      functions[task << 1] = ignore
      functions[(task << 1) + 1] = ignore
    },
    retire(task) {
      const at = task << 2
      generations[at] = (generations[at] + 1) | 0
      lanes[at] = none
      nexts[at] = state[firstFree]
      state[firstFree] = task
      functions[task << 1] = undefined
      if (functions[(task << 1) + 1] !== undefined) functions[(task << 1) + 1] = undefined
    },
    heldBy(lane) {
      const held: Held[] = []
      for (let task = 0; task < state[used]; task++) {
        const word = lanes[task << 2]
        if ((word & laneMask) === lane) held.push({ task, position: positions[task << 2], entry: word >>> entryShift })
      }
      return held
    },
  }
}

function ignore(): void {}
