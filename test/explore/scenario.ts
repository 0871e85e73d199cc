/**
 * What a scenario is: two to four small functions, one a thread, that use real code on one piece of shared memory, and a
 * check of what they left behind. A module of scenarios exports `scenarios`, and is loaded by every thread of the explorer.
 */
import type { Words } from '../../src/base/index.js'

export interface Scenario {
  /** Words of shared memory; zeroed before each schedule. */
  readonly words: number
  /** The body of each thread. It must be deterministic, and pause where it would otherwise spin. */
  readonly threads: readonly ((stage: Stage) => void)[]
  /** Threads that may be killed, one per schedule, before any of their steps and plain stores. */
  readonly mortal?: readonly number[]
  /**
   * Words that are read plainly as advice while another thread writes them: no races, but each access is a point, and the reader may be told the
   * newest value or the oldest that it does not know to be overwritten.
   */
  readonly hints?: readonly number[]
  /** Prepares the memory, before the threads start. */
  setup?(words: Words): void
  /** Throws when the outcome is wrong. Called when all threads have ended. */
  check(outcome: Outcome): void
}

export interface Outcome {
  readonly words: Words
  /** What each thread noted, in order. */
  readonly notes: readonly (readonly number[])[]
  /** The thread that was killed, or -1. */
  readonly died: number
}

/** What a thread's body may use. Each call but `note` is a point where any other thread may run. */
export interface Stage {
  /** Views of the shared memory that see every plain access, to find data races and to die before a plain store. */
  readonly words: Words
  /** `words.i32`. */
  readonly i32: Int32Array
  /** Remembers a number for the check, even if this thread dies. */
  note(value: number): void
  /** Something happens here that takes time: another thread may run, or this one die. */
  step(): void
  /** Nothing more can be done until another thread writes something. To be called in every loop that waits by polling. */
  pause(): void
  /** Lets the next thread in turn run that can: for one that has gone on for long, and may be waiting for another that it hinders. */
  yield(): void
  /** Posts a message: it stays in the box until it is received. */
  send(box: number): void
  /** Sleeps in the event loop until a message has come to the box. */
  receive(box: number): void
  /** Waits until that thread has ended; true if it was killed. */
  join(thread: number): boolean
}
