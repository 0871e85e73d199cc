/**
 * Calls that wait for a worker with room: one line for those that any worker may take, and one per worker for those that only it
 * may take, so that a full worker holds up nobody but its own. One thread.
 *
 * Invariant: within a line, first come first served; `length` counts the calls of all lines that are not gone.
 */
import { anyWorker, type Call } from './call.js'

/** Served entries are cut off in strides: one copy per so many calls, and none of what was served stays reachable for long. */
const stride = 4096

class Line {
  /** Calls that are not gone. */
  length = 0
  #calls: Call[] = []
  #head = 0

  /** The one that has waited longest. */
  first(): Call | undefined {
    for (;;) {
      const call = this.#calls[this.#head]
      if (call === undefined || !call.gone) return call
      this.#step()
    }
  }

  push(call: Call): void {
    this.#calls.push(call)
    this.length++
  }

  /** Takes out what `first` gave. */
  shift(): void {
    this.length--
    this.#step()
  }

  /** The oldest that `maxQueue` limits. */
  oldestLimited(): Call | undefined {
    for (let i = this.#head; i < this.#calls.length; i++) {
      const call = this.#calls[i]
      if (!call.gone && !call.exempt) return call
    }
    return undefined
  }

  takeAll(): Call[] {
    const calls = this.#calls.slice(this.#head).filter((call) => !call.gone)
    this.#calls = []
    this.#head = 0
    this.length = 0
    return calls
  }

  #step(): void {
    this.#head++
    if (this.#head === this.#calls.length || this.#head === stride) {
      this.#calls = this.#calls.slice(this.#head)
      this.#head = 0
    }
  }
}

export class WaitingLines {
  /** Calls waiting in all lines. */
  length = 0
  /** Of these, how many `maxQueue` limits. */
  limited = 0
  readonly #any = new Line()
  readonly #only = new Map<number, Line>()
  #turns = 0

  push(call: Call): void {
    call.turn = this.#turns++
    this.#enter(call)
  }

  /** How many wait that any worker may take. */
  get anyLength(): number {
    return this.#any.length
  }

  /** How many wait for this worker alone. */
  onlyLength(worker: number): number {
    return this.#only.get(worker)?.length ?? 0
  }

  /** Takes a waiting call out of its line. */
  remove(call: Call): void {
    call.gone = true
    this.#lineOf(call.worker).length--
    this.#left(call)
  }

  /** Takes out the call that has waited longest, of those that `maxQueue` limits. */
  removeOldest(): Call | undefined {
    let oldest: Call | undefined
    for (const line of [this.#any, ...this.#only.values()]) {
      const call = line.oldestLimited()
      if (call !== undefined && (oldest === undefined || call.turn < oldest.turn)) oldest = call
    }
    if (oldest !== undefined) this.remove(oldest)
    return oldest
  }

  /**
   * Lets calls in, oldest first as far as there is room for them. `place` says for which worker a call is that any may take
   * ({@link anyWorker}: nobody has room; undefined: it has been settled instead); `room` whether that worker takes one now; `submit`
   * gives it one. None of them may throw.
   */
  admit(place: (call: Call) => number | undefined, room: (worker: number) => boolean, submit: (worker: number, call: Call) => void): void {
    for (;;) {
      const first = this.#any.first()
      this.#admitOnly(first?.turn ?? Infinity, room, submit)
      if (first === undefined) return
      const worker = place(first)
      if (worker === anyWorker) return this.#admitOnly(Infinity, room, submit)
      this.#any.shift()
      this.#left(first)
      if (worker === undefined) continue
      if (room(worker)) submit(worker, first)
      else {
        first.worker = worker
        this.#enter(first)
      }
    }
  }

  /** Takes out every call that may not be served by anybody but this worker. */
  takeOnly(worker: number): Call[] {
    return this.#take(this.#only.get(worker))
  }

  /** Takes out every call. */
  takeAll(): Call[] {
    return [...this.#only.values(), this.#any].flatMap((line) => this.#take(line))
  }

  #take(line: Line | undefined): Call[] {
    const calls = line?.takeAll() ?? []
    for (const call of calls) this.#left(call)
    return calls
  }

  #enter(call: Call): void {
    this.#lineOf(call.worker).push(call)
    call.waits = true
    this.length++
    if (!call.exempt) this.limited++
  }

  #left(call: Call): void {
    call.waits = false
    this.length--
    if (!call.exempt) this.limited--
  }

  #lineOf(worker: number): Line {
    if (worker === anyWorker) return this.#any
    let line = this.#only.get(worker)
    if (line === undefined) {
      line = new Line()
      this.#only.set(worker, line)
    }
    return line
  }

  #admitOnly(before: number, room: (worker: number) => boolean, submit: (worker: number, call: Call) => void): void {
    if (this.length === this.#any.length) return
    for (const [worker, line] of this.#only) {
      while (room(worker)) {
        const first = line.first()
        if (first === undefined || first.turn >= before) break
        line.shift()
        this.#left(first)
        submit(worker, first)
      }
    }
  }
}
