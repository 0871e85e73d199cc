/**
 * The turnstile: exactly one thread runs at a time, and gives the turn away only at a point. Every operation through the atomics
 * seam is such a point, so a schedule decides the order of all of them, in the real code. One instance per thread.
 *
 * Invariant: whoever executes scenario code or writes the control words holds the turn.
 *
 * `wait` and `notify` are modelled: a waiting thread is one that cannot be chosen, until it is notified or its time-out is chosen.
 * When no thread can be chosen and not all have ended, the run is stuck: a lost wake-up, or a deadlock.
 */
import { type Seam, shared, type Words } from '../../src/base/index.js'
import {
  at, choose, director, isEnded, kill, killOption, nextRunnable, noteAt, notesMax, of, optionsNow, stale, status, threadAt, timeOut, writesOfOthers,
} from './control.js'
import { access, type Access, type Races } from './races.js'
import type { Stage } from './scenario.js'

/** Thrown into a thread that is killed, and again if it is caught: the thread unwinds without executing another step. */
export const killed: unique symbol = Symbol('killed')
/** Thrown into a thread when the run is given up. */
export const aborted: unique symbol = Symbol('aborted')

/**
 * Sleeps until the turn is this seat's; false when that takes longer than anything should. It does not spin: with more threads
 * than cores that was measured to take twice as long.
 */
export function awaitTurn(c: Int32Array, seat: number, timeoutMs: number = Number.POSITIVE_INFINITY): boolean {
  const turn = seat * 16
  while (Atomics.load(c, turn) === 0) if (Atomics.wait(c, turn, 0, timeoutMs) === 'timed-out') return false
  Atomics.store(c, turn, 0)
  return true
}

export function giveTurn(c: Int32Array, seat: number): void {
  Atomics.store(c, seat * 16, 1)
  Atomics.notify(c, seat * 16, 1)
}

/** Carries out an option: prepares the thread it names, and says which seat the turn goes to. */
export function seatOf(c: Int32Array, option: number): number {
  if (option < 0) return director
  const thread = option % timeOut
  const base = threadAt(thread)
  if (option >= kill) c[at.died] = thread
  else if (option >= timeOut) c[base + of.timedOut] = 1
  c[base + of.status] = status.ready
  return thread
}

export class Turnstile implements Stage {
  readonly words: Words
  readonly i32: Int32Array
  readonly #c: Int32Array
  readonly #self: number
  readonly #base: number
  readonly #races: Races
  readonly #raw = new WeakMap<Int32Array, Int32Array>()

  constructor(control: Int32Array, self: number, words: Words, races: Races) {
    this.#c = control
    this.#self = self
    this.#base = threadAt(self)
    this.#races = races
    this.words = { buffer: words.buffer, i32: this.#watch(words.i32, 1), f64: this.#watch(words.f64, 2), u8: this.#watch(words.u8, 0.25) }
    this.i32 = this.words.i32
    this.#raw.set(this.i32, words.i32)
  }

  /** Puts this thread's turnstile into the seam, for good. */
  install(): void {
    const seam: Seam = {
      load: (words, index) => Atomics.load(this.#at(words, index, access.atomicRead), index),
      store: (words, index, value) => this.#write(words, index, false, (raw) => Atomics.store(raw, index, value)),
      exchange: (words, index, value) => this.#write(words, index, true, (raw) => Atomics.exchange(raw, index, value)),
      add: (words, index, value) => this.#write(words, index, true, (raw) => Atomics.add(raw, index, value)),
      compareExchange: (words, index, expected, value) => this.#compareExchange(words, index, expected, value),
      wait: (words, index, value, timeoutMs) => this.#wait(words, index, value, timeoutMs),
      notify: (words, index, count) => this.#notify(words, index, count),
    }
    Object.assign(shared, seam)
  }

  note(value: number): void {
    this.#stayDead()
    const count = this.#c[this.#base + of.notes]++
    if (count < notesMax) this.#c[noteAt(this.#self, count)] = value
  }

  step(): void {
    this.#sleep(status.ready, 0)
  }

  pause(): void {
    const now = writesOfOthers(this.#c, this.#self)
    const changed = now !== this.#c[this.#base + of.seen]
    this.#c[this.#base + of.seen] = now
    this.#sleep(changed ? status.ready : status.paused, 0)
    this.#c[this.#base + of.seen] = writesOfOthers(this.#c, this.#self)
  }

  yield(): void {
    const next = nextRunnable(this.#c, this.#self)
    if (next < 0) return
    this.#c[this.#base + of.status] = status.ready
    this.#giveTo(next)
  }

  send(box: number): void {
    this.#write(this.i32, box, true, (raw) => Atomics.store(raw, box, 1))
    this.#wakeAll(status.receiving, box, Number.POSITIVE_INFINITY)
  }

  receive(box: number): void {
    this.step()
    const raw = this.#rawOf(this.i32)
    if (Atomics.load(raw, box) === 0) this.#sleep(status.receiving, box)
    this.#races.access(box, access.atomicRead)
    Atomics.store(raw, box, 0)
  }

  join(thread: number): boolean {
    this.#sleep(status.joining, thread)
    this.#races.join(thread)
    return this.#c[threadAt(thread) + of.status] === status.killed
  }

  /** Gives the turn away as a thread that has ended. */
  end(how: number): void {
    this.#c[this.#base + of.status] = how
    this.#c[this.#base + of.writes]++
    giveTurn(this.#c, seatOf(this.#c, choose(this.#c, optionsNow(this.#c, this.#self), this.#self)))
  }

  /** A point: decides who goes on, and returns when that is this thread. */
  #sleep(as: number, target: number): void {
    const c = this.#c
    this.#stayDead()
    c[this.#base + of.status] = as
    c[this.#base + of.target] = target
    this.#giveTo(seatOf(c, choose(c, optionsNow(c, this.#self), this.#self)))
    this.#stayDead()
  }

  #giveTo(seat: number): void {
    const c = this.#c
    if (seat === this.#self) return
    giveTurn(c, seat)
    awaitTurn(c, this.#self)
    if (c[at.aborting] !== 0) throw aborted
  }

  #stayDead(): void {
    if (this.#c[at.died] === this.#self) throw killed
  }

  /** Before a plain store a thread may only die: no order with other threads matters, since it races with none. */
  #mayDie(): void {
    const c = this.#c
    this.#stayDead()
    const mask = killOption(c, this.#self)
    if (mask === 0) return
    if (choose(c, mask | (1 << this.#self), this.#self) >= kill) {
      c[at.died] = this.#self
      throw killed
    }
  }

  /** A point before an atomic operation, and its place among the accesses. */
  #at(words: Int32Array, index: number, kind: Access): Int32Array {
    this.step()
    this.#races.access(this.#word(words, index), kind)
    return this.#rawOf(words)
  }

  #write(words: Int32Array, index: number, alsoReads: boolean, act: (raw: Int32Array) => number): number {
    const old = act(this.#at(words, index, access.atomicWrite))
    this.#races.noteValue(this.#word(words, index), Atomics.load(this.#rawOf(words), index))
    this.#races.pass(this.#word(words, index), alsoReads)
    this.#c[this.#base + of.writes]++
    return old
  }

  #compareExchange(words: Int32Array, index: number, expected: number, value: number): number {
    const raw = this.#at(words, index, access.atomicRead)
    const old = Atomics.compareExchange(raw, index, expected, value)
    if (old === expected) {
      this.#races.access(this.#word(words, index), access.atomicWrite)
      this.#races.noteValue(this.#word(words, index), value)
      this.#races.pass(this.#word(words, index), true)
      this.#c[this.#base + of.writes]++
    }
    return old
  }

  #wait(words: Int32Array, index: number, value: number, timeoutMs = Number.POSITIVE_INFINITY): 'ok' | 'not-equal' | 'timed-out' {
    const raw = this.#at(words, index, access.atomicRead)
    if (Atomics.load(raw, index) !== value) return 'not-equal'
    this.#c[this.#base + of.timedOut] = 0
    this.#sleep(Number.isFinite(timeoutMs) ? status.timed : status.waiting, this.#word(words, index))
    return this.#c[this.#base + of.timedOut] === 1 ? 'timed-out' : 'ok'
  }

  #notify(words: Int32Array, index: number, count = Number.POSITIVE_INFINITY): number {
    this.step()
    const word = this.#word(words, index)
    const woken = this.#wakeAll(status.waiting, word, count)
    return woken + this.#wakeAll(status.timed, word, count - woken)
  }

  #wakeAll(asleep: number, target: number, count: number): number {
    let woken = 0
    for (let t = 0; t < this.#c[at.threads] && woken < count; t++) {
      const base = threadAt(t)
      if (isEnded(this.#c, t) || this.#c[base + of.status] !== asleep || this.#c[base + of.target] !== target) continue
      this.#c[base + of.status] = status.ready
      this.#races.wake(t)
      woken++
    }
    return woken
  }

  /** A plain read of a hint is a point, and may give what was there before writes that this thread knows nothing of. */
  #readHint(word: number, words: Int32Array): number {
    this.step()
    const old = this.#races.oldNews(word)
    if (old === words[word]) return old
    const told = choose(this.#c, (1 << (stale + this.#self)) | (1 << this.#self), this.#self)
    return told >= stale ? old : words[word]
  }

  #rawOf(words: Int32Array): Int32Array {
    return this.#raw.get(words) ?? words
  }

  #word(words: Int32Array, index: number): number {
    const { buffer, byteOffset } = this.#rawOf(words)
    if (buffer !== this.words.buffer) throw new Error('a scenario may use atomics only in the memory it was given')
    return byteOffset / 4 + index
  }

  /** One call, within which no thread can be terminated. */
  #setMany(view: Int32Array | Float64Array | Uint8Array, from: ArrayLike<number>, index: number, touch: (at: number) => void): void {
    this.#mayDie()
    for (let n = 0; n < from.length; n++) touch(index + n)
    this.#c[this.#base + of.writes]++
    view.set(from, index)
  }

  /** A view that behaves as the given one, and reports every plain access of an element. */
  #watch<T extends Int32Array | Float64Array | Uint8Array>(view: T, wordsEach: number): T {
    const touch = (key: string, kind: Access): void => {
      const first = Math.floor(Number(key) * wordsEach)
      for (let word = first; word < first + Math.max(wordsEach, 1); word++) this.#races.access(view.byteOffset / 4 + word, kind)
    }
    const isElement = (key: string | symbol): key is string => typeof key === 'string' && key >= '0' && key < ':'
    return new Proxy(view, {
      get: (target, key) => {
        if (isElement(key)) {
          const word = view instanceof Int32Array ? view.byteOffset / 4 + Number(key) : -1
          if (this.#races.isHint(word)) return this.#readHint(word, this.#rawOf(this.i32))
          touch(key, access.plainRead)
        }
        if (key === 'subarray') return (begin: number, end: number) => this.#watch(target.subarray(begin, end) as T, wordsEach)
        if (key === 'set') return (from: ArrayLike<number>, index = 0) => this.#setMany(target, from, index, (at) => touch(String(at), access.plainWrite))
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
      },
      set: (target, key, value) => {
        if (isElement(key)) {
          const word = view instanceof Int32Array ? view.byteOffset / 4 + Number(key) : -1
          if (this.#races.isHint(word)) this.step()
          else this.#mayDie()
          touch(key, access.plainWrite)
          this.#races.noteValue(word, value as number)
          this.#c[this.#base + of.writes]++
        }
        return Reflect.set(target, key, value, target)
      },
    })
  }
}
