/**
 * Calls that wait for a worker with room: one line for those that any worker may take, and one per worker for those that only it
 * may take, so that a full worker holds up nobody but its own; and all that twice, for two priorities. Calls without options have a line of
 * their own beside those that any worker may take, see plain-line.ts. One thread.
 *
 * Invariant: within a line, first come first served, and so between the calls that any worker may take; `length` counts the calls of all lines that
 * are not gone.
 */
import { anyWorker, type Call, neverWaited } from './call.js'
import { type Give, PlainLine } from './plain-line.js'
import type { Reject, Resolve } from './slab.js'
import { Sampler, stampUs } from './stamps.js'

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

/** The lines of one priority. */
class Lines {
  readonly any = new Line()
  readonly #only = new Map<number, Line>()

  only(worker: number): Line | undefined {
    return this.#only.get(worker)
  }

  of(worker: number): Line {
    if (worker === anyWorker) return this.any
    let line = this.#only.get(worker)
    if (line === undefined) {
      line = new Line()
      this.#only.set(worker, line)
    }
    return line
  }

  /** The line is empty, or is about to be. */
  forget(worker: number): void {
    this.#only.delete(worker)
  }

  placed(): Line[] {
    return [...this.#only.values()]
  }

  all(): Line[] {
    return [...this.placed(), this.any]
  }

  oldestLimited(): Call | undefined {
    let oldest: Call | undefined
    for (const line of this.all()) {
      const call = line.oldestLimited()
      if (call !== undefined && (oldest === undefined || call.turn < oldest.turn)) oldest = call
    }
    return oldest
  }

  /** Those for one worker that came before that turn, as far as there is room. */
  admitOnly(before: number, room: (worker: number) => boolean, admit: (worker: number, call: Call) => void): void {
    for (const [worker, line] of this.#only) {
      while (room(worker)) {
        const first = line.first()
        if (first === undefined || first.turn >= before) break
        line.shift()
        admit(worker, first)
      }
    }
  }
}

/** How calls are let in. None of these may throw. */
export interface Gate {
  /** For which worker a call is that any may take: {@link anyWorker} when nobody has room, undefined when it has been settled instead. */
  place(call: Call): number | undefined
  /** For which worker the next one without options is; undefined when only a closer look can tell. */
  placePlain(): number | undefined
  /** Whether that worker takes one now. */
  hasRoom(worker: number): boolean
  submit(worker: number, call: Call): void
  readonly submitPlain: Give
}

export class WaitingLines {
  /** Calls waiting in all lines. */
  length = 0
  /** Of these, how many `maxQueue` limits. */
  limited = 0
  readonly #high = new Lines()
  readonly #normal = new Lines()
  readonly #plain = new PlainLine()
  #turns = 0
  readonly #sampler = new Sampler(0)
  #toStamp = this.#sampler.draw()

  push(call: Call): void {
    call.turn = this.#turns++
    if (call.stampWeight === neverWaited) this.#stamp(call)
    this.#enter(call)
  }

  /** `push` for a call without options that any worker may take; false when it must be pushed as others are. */
  tryPushPlain(handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined): boolean {
    if (this.#toStamp === 1) return false
    this.#toStamp--
    this.#plain.push(this.#turns++, handler, value, resolve, reject)
    this.length++
    this.limited++
    return true
  }

  /** How many wait that any worker may take, and that are not behind a call of that priority. */
  anyLength(high: boolean): number {
    return this.#high.any.length + (high ? 0 : this.#normal.any.length + this.#plain.length)
  }

  /** How many wait for this worker alone, and are not behind a call of that priority. */
  onlyLength(worker: number, high: boolean): number {
    return (this.#high.only(worker)?.length ?? 0) + (high ? 0 : (this.#normal.only(worker)?.length ?? 0))
  }

  /** Takes a waiting call out of its line. */
  remove(call: Call): void {
    call.gone = true
    this.#lines(call).of(call.worker).length--
    this.#left(call)
  }

  /** Takes out the call that has waited longest, of those that `maxQueue` limits: one of high priority only when there is no other. */
  removeOldest(): Call | undefined {
    const oldest = this.#normal.oldestLimited()
    if (this.#plain.firstTurn < (oldest?.turn ?? Infinity)) return this.#shiftPlain()
    const chosen = oldest ?? this.#high.oldestLimited()
    if (chosen !== undefined) this.remove(chosen)
    return chosen
  }

  /** Lets calls in, those of high priority first, else oldest first, as far as there is room for them. */
  admit(to: Gate): void {
    const room = (worker: number): boolean => to.hasRoom(worker)
    const submit = (worker: number, call: Call): void => {
      this.#left(call)
      to.submit(worker, call)
    }
    for (const lines of [this.#high, this.#normal]) {
      for (;;) {
        const first = lines.any.first()
        const before = first?.turn ?? Infinity
        const mayGoOn = lines === this.#high || this.#admitPlain(before, to, room, submit)
        lines.admitOnly(mayGoOn ? before : Infinity, room, submit)
        if (!mayGoOn || first === undefined) break
        const worker = to.place(first)
        if (worker === anyWorker) {
          lines.admitOnly(Infinity, room, submit)
          break
        }
        lines.any.shift()
        this.#left(first)
        this.#letIn(worker, first, to)
      }
    }
  }

  /** Those without options that came before that turn; false when nobody has room for them. */
  #admitPlain(before: number, to: Gate, room: (worker: number) => boolean, submit: (worker: number, call: Call) => void): boolean {
    const plain = this.#plain
    for (let turn = plain.firstTurn; turn < before; turn = plain.firstTurn) {
      this.#normal.admitOnly(turn, room, submit)
      const worker = to.placePlain()
      if (worker === anyWorker) return false
      if (worker !== undefined && to.hasRoom(worker)) {
        this.length--
        this.limited--
        plain.shift(worker, to.submitPlain)
      } else {
        const call = this.#shiftPlain()
        this.#letIn(worker ?? to.place(call), call, to)
      }
    }
    return true
  }

  /** A call that has left its line goes to its worker, or waits for that one alone. */
  #letIn(worker: number | undefined, call: Call, to: Gate): void {
    if (worker === undefined) return
    if (to.hasRoom(worker)) return to.submit(worker, call)
    call.worker = worker
    this.#enter(call)
  }

  #shiftPlain(): Call {
    this.length--
    this.limited--
    return this.#plain.shiftCall()
  }

  /** Takes out every call that may not be served by anybody but this worker. */
  takeOnly(worker: number): Call[] {
    const lines = [this.#high.only(worker), this.#normal.only(worker)]
    this.#high.forget(worker)
    this.#normal.forget(worker)
    return this.#take(lines)
  }

  /** Takes out every call that has a place, be it a worker or another line of its own; in their order. */
  takePlaced(): Call[] {
    return this.#take([...this.#high.placed(), ...this.#normal.placed()]).toSorted((a, b) => a.turn - b.turn)
  }

  /** Takes out every call. */
  takeAll(): Call[] {
    const plain: Call[] = []
    while (this.#plain.length > 0) plain.push(this.#shiftPlain())
    return [...plain, ...this.#take([...this.#high.all(), ...this.#normal.all()])].toSorted((a, b) => a.turn - b.turn)
  }

  /** That it waits, and of a few since when. */
  #stamp(call: Call): void {
    call.stampWeight = 0
    if (--this.#toStamp > 0) return
    call.stampWeight = this.#sampler.weight
    call.sinceUs = stampUs()
    this.#sampler.took(call.sinceUs)
    this.#toStamp = this.#sampler.draw()
  }

  #take(lines: readonly (Line | undefined)[]): Call[] {
    const calls = lines.flatMap((line) => line?.takeAll() ?? [])
    for (const call of calls) this.#left(call)
    return calls
  }

  #enter(call: Call): void {
    this.#lines(call).of(call.worker).push(call)
    call.waits = true
    this.length++
    if (!call.exempt) this.limited++
  }

  #left(call: Call): void {
    call.waits = false
    this.length--
    if (!call.exempt) this.limited--
  }

  #lines(call: Call): Lines {
    return call.high ? this.#high : this.#normal
  }
}
