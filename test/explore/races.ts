/**
 * Finds data races in a run: two accesses to one word by two threads, at least one of them a plain one and at least one a write,
 * that no chain of atomic operations orders. Where there is none, plain accesses need no interleaving of their own: every order of
 * the atomic operations has been explored, so every behaviour has. Used by whoever holds the turn.
 *
 * Vector clocks, as in DJIT⁺ (Pozniansky and Schuster, 2003): an atomic write passes on what its thread knows, an atomic
 * read of that word learns it. A word written both ways by design (recovery, once its owner has been joined) is fine if ordered.
 *
 * Of hints, which are read plainly while they are written, every value is kept: by the memory model a plain read may give any that was not
 * overwritten by one the reader knows of.
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

/** Behind the watched words, of each hint: its word and how many values it has had; then each value, who wrote it and when. */
const hintsMax = 8
const valuesMax = 64
const valuesAt = 2
const wordsPerHint = valuesAt + 3 * valuesMax
const nobody = -1

/** Words needed to watch that many words. */
export const raceWords = (watched: number): number => watchedAt + watched * wordsPerWord + hintsMax * wordsPerHint

export class Races {
  readonly #clocks: Int32Array
  readonly #thread: number

  constructor(clocks: Int32Array, thread: number) {
    this.#clocks = clocks
    this.#thread = thread
  }

  /** Forgets everything: all threads start knowing the set-up. Hints are given with their values. */
  static reset(clocks: Int32Array, hints: readonly (readonly [word: number, value: number])[] = []): void {
    if (hints.length > hintsMax) throw new Error(`a scenario has ${hints.length} hints; at most ${hintsMax} are possible`)
    for (let hint = 0; hint < hintsMax; hint++) {
      const [word, value] = hints[hint] ?? [nobody, 0]
      clocks.set([word, 1, value, nobody, 0], hintAt(clocks, hint))
    }
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

  isHint(word: number): boolean {
    return this.#hintOf(word) >= 0
  }

  /** To be called after every write of a word that may be a hint. */
  noteValue(word: number, value: number): void {
    const at = this.#hintOf(word)
    if (at < 0) return
    const c = this.#clocks
    const count = c[at + 1]++
    if (count === valuesMax) throw new Error(`a hint is written more than ${valuesMax} times`)
    c.set([value, this.#thread, c[this.#thread * maxThreads + this.#thread]], at + valuesAt + 3 * count)
  }

  /** The oldest value that a plain read of a hint may give: the last that this thread knows of. */
  oldNews(word: number): number {
    const c = this.#clocks
    const at = this.#hintOf(word) + valuesAt
    for (let entry = c[at - 1] - 1; ; entry--) {
      const [value, writer, when] = c.subarray(at + 3 * entry, at + 3 * entry + 3)
      if (writer === nobody || c[this.#thread * maxThreads + writer] >= when) return value
    }
  }

  #hintOf(word: number): number {
    if (word < 0) return -1
    for (let hint = 0; hint < hintsMax; hint++) {
      const at = hintAt(this.#clocks, hint)
      if (this.#clocks[at] === word) return at
      if (this.#clocks[at] === nobody) break
    }
    return -1
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

function hintAt(clocks: Int32Array, hint: number): number {
  return clocks.length - (hintsMax - hint) * wordsPerHint
}
