/**
 * Several tasks, or several completions, in one descriptor, when what they carry is an int32: a line that moves from core to core costs more than what
 * is done to it on either side. Both ends of the lanes between a group's thread and its workers know this format; see submission.ts and loop.ts for
 * tasks, loop.ts and completion.ts for completions.
 *
 * ```
 *  word 0        handler, or how they ended │ int32 << 16 │ how many entries << 28
 *  word 1 + 3n   task index        2 + 3n   generation        3 + 3n   the number
 * ```
 *
 * Invariant: an entry is added to the descriptor that was committed last, while that is not published: its words first, then their number in word 0. So
 * a thread that dies in between has added nothing.
 *
 * A consumer that dies may be within a descriptor. It has said so before it started each entry (`LaneReaders.begin`), so its successor goes on behind
 * the last one it started: see {@link recoverTasks}.
 */
import { kind } from '../codec/index.js'
import { type Recovered, recoverPartly } from '../ring/index.js'

/** Entries of a descriptor at most: 15 words are left. */
export const entriesMax = 5
export const entryWords = 3
/** `head >>> entriesShift` is how many there are; 0 for a descriptor of one task that is no int32. */
export const entriesShift = 28
export const oneEntry: number = 1 << entriesShift
/** What the head of a descriptor with entries is without their number. */
export function headOf(what: number): number {
  return what | (kind.int32 << 16)
}

/** The words of the entries, at the index of the descriptor plus {@link entryWords} times that of the entry: see `viewsOf` in task.ts. */
export interface EntryViews {
  readonly entryTasks: Int32Array
  readonly entryGenerations: Int32Array
  readonly entryInts: Int32Array
}

export function entryViewsOf(i32: Int32Array): EntryViews {
  const view = (word: number): Int32Array => i32.subarray(word, i32.length - entryWords + word)
  return { entryTasks: view(1), entryGenerations: view(2), entryInts: view(3) }
}

/** Whether a task that lies there had been started when its consumer had got so far. */
export function hasStarted({ position, parts }: Recovered, at: number, entry: number): boolean {
  const behind = (at - position) | 0
  return behind < 0 || (behind === 0 && entry < parts)
}

/** Readies a lane of tasks for the successor of a dead and joined consumer, and tells how far it had got. */
export function recoverTasks(i32: Int32Array, at: number, capacity: number): Recovered {
  return recoverPartly(i32, at, capacity, (slot) => i32[slot] >>> entriesShift)
}
