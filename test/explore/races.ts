/**
 * Finds data races in a run: two accesses to one word by two threads, at least one of them a plain one and at least one a write,
 * that no chain of atomic operations orders. Where there is none, plain accesses need no interleaving of their own: every order of
 * the atomic operations has been explored, so every behaviour has. Used by whoever holds the turn.
 *
 * Vector clocks, as in DJIT⁺ (Pozniansky and Schuster, 2003): an atomic write passes on what its thread knows, an atomic
 * read of that word learns it. A word written both ways by design (recovery, once its owner has been joined) is fine if ordered.
 */
import { maxThreads } from './control.js'

export const access = { plainRead: 0, plainWrite: 1, atomicRead: 2, atomicWrite: 3 } as const
export type Access = (typeof access)[keyof typeof access]

const names = ['plain read', 'plain write', 'atomic read', 'atomic write']
/** For each access, the earlier accesses it must be ordered after. */
const conflicts: readonly (readonly Access[])[] = [[1, 3], [0, 1, 2, 3], [1], [0, 1]]
/** Of each watched word: the run that touched it last, when each thread accessed it in each way, and what an atomic write passed on. */
const accessesAt = 1
const carriedAt = accessesAt + 4 * maxThreads
const wordsPerWord = carriedAt + maxThreads
/** First the clock of each thread, then the number of the run, then the watched words. */
const runAt = maxThreads * maxThreads
const watchedAt = runAt + 1

/** Words needed to watch that many words. */
export const raceWords = (watched: number): number => watchedAt + watched * wordsPerWord

export class Races {
  readonly #clocks: Int32Array
  readonly #thread: number

  constructor(clocks: Int32Array, thread: number) {
    this.#clocks = clocks
    this.#thread = thread
  }

  /** Forgets everything: all threads start knowing the set-up. */
  static reset(clocks: Int32Array): void {
    clocks.fill(0, 0, runAt)
    clocks[runAt]++ // so that each word is cleared when it is first touched
    for (let t = 0; t < maxThreads; t++) clocks[t * maxThreads + t] = 1
  }

  /** Throws when this access races with an earlier one of another thread. */
  access(word: number, kind: Access): void {
    const c = this.#clocks
    const mine = this.#thread * maxThreads
    const base = this.#baseOf(word) + accessesAt
    for (const earlier of conflicts[kind] ?? []) {
      for (let t = 0; t < maxThreads; t++) {
        if (t === this.#thread || c[base + earlier * maxThreads + t] <= c[mine + t]) continue
        throw new Error(`data race: the ${names[kind]} of word ${word} by thread ${this.#thread} `
          + `is not ordered after the ${names[earlier]} of thread ${t}`)
      }
    }
    c[base + kind * maxThreads + this.#thread] = c[mine + this.#thread]
    if (kind === access.atomicRead) this.#learn(this.#baseOf(word) + carriedAt)
  }

  /** An atomic write hands on everything this thread has seen. A read-modify-write also learns what the word carried. */
  pass(word: number, alsoReads: boolean): void {
    const c = this.#clocks
    const mine = this.#thread * maxThreads
    const carried = this.#baseOf(word) + carriedAt
    if (alsoReads) this.#learn(carried)
    for (let t = 0; t < maxThreads; t++) c[carried + t] = c[mine + t]
    c[mine + this.#thread]++
  }

  /** This thread joined another one, and so has seen all that it had. */
  join(thread: number): void {
    this.#learn(thread * maxThreads)
  }

  /** This thread woke another one, which so has seen all that this one has. */
  wake(thread: number): void {
    const mine = this.#thread * maxThreads
    this.#learn(mine, thread * maxThreads)
    this.#clocks[mine + this.#thread]++
  }

  #learn(from: number, to: number = this.#thread * maxThreads): void {
    const c = this.#clocks
    for (let t = 0; t < maxThreads; t++) if (c[from + t] > c[to + t]) c[to + t] = c[from + t]
  }

  #baseOf(word: number): number {
    const c = this.#clocks
    const base = watchedAt + word * wordsPerWord
    if (c[base] !== c[runAt]) c.fill(0, base, base + wordsPerWord)
    c[base] = c[runAt]
    return base
  }
}
