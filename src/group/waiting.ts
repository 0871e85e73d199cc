/**
 * Calls that wait for a worker with room: one line for those that any worker may take, and one per worker for those that only it
 * may take, so that a full worker holds up nobody but its own. One thread.
 *
 * Invariant: within a line, first come first served; `length` counts the calls of all lines.
 */
import { anyWorker, type Call } from './call.js'

/** Served entries are cut off in strides: one copy per so many calls, and none of what was served stays reachable for long. */
const stride = 4096

class Line {
  #calls: Call[] = []
  #head = 0

  get length(): number {
    return this.#calls.length - this.#head
  }

  /** The one that has waited longest. */
  first(): Call | undefined {
    return this.#calls[this.#head]
  }

  push(call: Call): void {
    this.#calls.push(call)
  }

  shift(): Call {
    const call = this.#calls[this.#head++]
    if (this.#head === this.#calls.length || this.#head === stride) {
      this.#calls = this.#calls.slice(this.#head)
      this.#head = 0
    }
    return call
  }

  takeAll(): Call[] {
    const calls = this.#calls.slice(this.#head)
    this.#calls = []
    this.#head = 0
    return calls
  }
}

export class WaitingLines {
  /** Calls waiting in all lines. */
  length = 0
  readonly #any = new Line()
  readonly #only = new Map<number, Line>()
  #turns = 0

  push(call: Call): void {
    call.turn = this.#turns++
    this.#lineOf(call.worker).push(call)
    this.length++
  }

  /** How many wait that any worker may take. */
  get anyLength(): number {
    return this.#any.length
  }

  /** How many wait for this worker alone. */
  onlyLength(worker: number): number {
    return this.#only.get(worker)?.length ?? 0
  }

  /**
   * Lets calls in, oldest first as far as there is room for them. `place` says for which worker a call is that any may take
   * ({@link anyWorker}: nobody has room; undefined: it has been
   * settled instead); `room` whether that worker takes one now; `submit` gives it one. None of them may throw.
   */
  admit(place: (call: Call) => number | undefined, room: (worker: number) => boolean, submit: (worker: number, call: Call) => void): void {
    for (;;) {
      const first = this.#any.first()
      this.#admitOnly(first?.turn ?? Infinity, room, submit)
      if (first === undefined) return
      const worker = place(first)
      if (worker === anyWorker) return this.#admitOnly(Infinity, room, submit)
      this.#any.shift()
      this.length--
      if (worker === undefined) continue
      if (room(worker)) submit(worker, first)
      else {
        first.worker = worker
        this.#lineOf(worker).push(first)
        this.length++
      }
    }
  }

  /** Takes out every call that may not be served by anybody but this worker. */
  takeOnly(worker: number): Call[] {
    const calls = this.#only.get(worker)?.takeAll() ?? []
    this.length -= calls.length
    return calls
  }

  /** Takes out every call. */
  takeAll(): Call[] {
    this.length = 0
    return [...this.#only.values(), this.#any].flatMap((line) => line.takeAll())
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
      for (;;) {
        const first = line.first()
        if (first === undefined || first.turn >= before || !room(worker)) break
        line.shift()
        this.length--
        submit(worker, first)
      }
    }
  }
}
