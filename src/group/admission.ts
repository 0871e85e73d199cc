/**
 * Where a call goes: into a lane when its worker has room, else into a line; and who is let in from the lines when credits come back. It belongs to
 * the group's thread.
 *
 * Invariant: who waits is let in before whoever comes later and may go to the same worker. A call is settled here at most once, when it fails or is
 * refused, and never before the function that made it has returned.
 *
 * ```
 *  call ─ placer.ts: which worker ─┬─ it has a credit, nobody waits for it ─▶ submission.ts
 *                                  ├─ its part of the keys is handed over  ─▶ that part's line, see handover.ts
 *                                  └─ else pressure.ts: it waits, is refused, or displaces another ─▶ waiting.ts ─ a credit ─▶ submission.ts
 * ```
 */
import { PercoreError } from '../base/index.js'
import { Moved } from '../codec/index.js'
import type { Balancer, LoadView, Placement } from './balance.js'
import { anyWorker, type Call, type CallSpec, fail, failCall, makeCall, neverWaited } from './call.js'
import { calledOff, mayBeCalledOff } from './called-off.js'
import { Handover } from './handover.js'
import { count, type Ledger } from './ledger.js'
import { Placer } from './placer.js'
import { Pressure, type PressureEvents, type WhenFull } from './pressure.js'
import type { Reports } from './reports.js'
import type { Reject, Resolve, TaskSlab } from './slab.js'
import type { Submission } from './submission.js'
import { type Gate, WaitingLines } from './waiting.js'

/** What a group is told about whom to let in. */
export interface AdmissionRules {
  readonly balancer: Balancer | Placement
  /** The handlers' names by number. */
  readonly names: () => readonly string[]
  readonly depth: number
  readonly maxQueue: number
  readonly whenFull: WhenFull
  readonly highWater: number
  readonly lowWater: number
  readonly events: PressureEvents
}

export interface AdmissionParts extends AdmissionRules {
  readonly i32: Int32Array
  /** Where the tasks' words begin. */
  readonly taskWordsAt: number
  readonly ledger: Ledger
  readonly slab: TaskSlab
  /** How many task indices there can be. */
  readonly tasksMax: number
  readonly submission: Submission
  readonly reports: Reports
  /** How many tasks have been put into a lane. */
  readonly written: (lane: number) => number
  /** Lane w is that to worker w, lane w + `highLanes` that of high priority. */
  readonly highLanes: number
}

/** See `Admission.call`. */
export type CallFunction = (handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined, spec?: CallSpec) => void

export class Admission {
  /**
   * Pushes a task, or lets it wait for a credit. Every failure goes to `reject`, or to `resolve` when that is a promise's. Neither is called
   * before this returns.
   */
  readonly call: CallFunction
  readonly #parts: AdmissionParts
  readonly #ledger: Ledger
  readonly #load: LoadView
  readonly #slab: TaskSlab
  readonly #submission: Submission
  readonly #placer: Placer
  readonly #balancer: Balancer | undefined
  readonly #handover: Handover
  readonly #waiting = new WaitingLines()
  readonly #pressure: Pressure
  readonly #gate: Gate
  readonly #tryNow: (handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined) => boolean
  /** Pulls for a worker that is shut and full: nothing else can let them in. */
  #pulls: Call[] = []

  constructor(parts: AdmissionParts) {
    const { ledger, slab, tasksMax, highLanes, balancer, names, whenFull: policy, maxQueue, highWater, lowWater, events } = parts
    this.#parts = parts
    this.#ledger = ledger
    this.#load = ledger.view
    this.#slab = slab
    this.#submission = parts.submission
    this.#placer = new Placer({ load: ledger.view, balancer, names, lost: (worker) => ledger.lost(worker) })
    this.#balancer = this.#placer.balancer
    this.#handover = new Handover({ slab, keys: () => this.#placer.keys, workers: highLanes, tasksMax })
    this.#pressure = new Pressure({ waiting: this.#waiting, policy, maxQueue, highWater, lowWater, room: (worker) => this.#roomFor(worker), events })
    this.#gate = this.#createGate()
    this.#tryNow = this.#createTryNow()
    this.call = this.#createCall()
  }

  /** Pushes a task without options if there is room and nobody waits. A closure, like what it calls: it is run for every task. */
  #createTryNow(): (handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined) => boolean {
    const { submit, isEncoding } = this.#submission
    const { credits } = this.#ledger
    const waiting = this.#waiting
    const load = this.#load
    const balancer = this.#balancer
    const slab = this.#slab
    return (handler, value, resolve, reject) => {
      if (waiting.length > 0 || isEncoding()) return false
      const worker = balancer !== undefined ? balancer.pick(load) : this.#tryChoose(handler, value)
      if (!(credits[worker] > 0)) return false
      const task = balancer === undefined ? slab.next() : 0
      submit(worker, worker, handler, value, resolve, reject, 0)
      if (balancer === undefined) this.#handover.note(task, this.#placer.part)
      return true
    }
  }

  #createCall(): CallFunction {
    const tryNow = this.#tryNow
    return (handler, value, resolve, reject, spec) => {
      try {
        if (tryNow(handler, value, resolve, reject)) return
      } catch (error) {
        return fail(resolve, reject, error)
      }
      if (spec === undefined && this.#tryWait(handler, value, resolve, reject)) return
      this.place(makeCall(handler, value, resolve, reject, spec))
    }
  }

  /** Lets a call without options wait behind others of its kind, which is all that most of many calls at once do. */
  #tryWait(handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined): boolean {
    const waiting = this.#waiting
    if (this.#balancer === undefined || waiting.anyLength(false) === 0 || this.#pressure.isFull || value instanceof Moved) return false
    return this.#ledger.allLost() === undefined && waiting.tryPushPlain(handler, value, resolve, reject)
  }

  /** `call` only if there is room now: false when not. Throws what `encode` and the placement throw. */
  tryCall(handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined): boolean {
    return this.#tryNow(handler, value, resolve, reject) || this.tryPlace(makeCall(handler, value, resolve, reject))
  }

  /** `call` for a task that names its worker or has a key, or that found no room. */
  place(call: Call): void {
    const worker = this.#mustWait(call) ? anyWorker : this.#placeOrFail(call)
    if (worker === undefined) return
    if (isPull(call) && this.#ledger.isShut(worker)) return this.#placePull(worker, call)
    if (worker !== anyWorker && this.#mayGo(worker, call.high)) return this.#submitOrFail(worker, call)
    call.worker = worker
    if (this.#pressure.enqueue(call)) this.#submission.endTurnSoon() // a call from inside a getter may find nothing in flight that would let it in
  }

  /** `tryCall` for a task that names its worker or has a key, or that found no room. */
  tryPlace(call: Call): boolean {
    const worker = this.#mustWait(call) ? anyWorker : this.#placeByKey(call)
    if (worker !== anyWorker && this.#mayGo(worker, call.high)) {
      try {
        this.submit(worker, call)
      } catch (error) {
        if (call.listener !== undefined) this.#parts.reports.end(call.listener)
        throw error
      }
      return true
    }
    call.worker = worker
    return this.#pressure.refuse(call, this.#ledger.counts[count.inFlight] > 0)
  }

  /** The worker that a call is for, whether it has room or not; {@link anyWorker} when that cannot be said yet. Throws why it can go to none. */
  workerOf(call: Call): number {
    const worker = this.#placeOrThrow(call)
    return Handover.isLine(worker) ? anyWorker : worker
  }

  /** Pushes a task for a credit of that worker's. Throws what encoding throws. */
  submit(worker: number, call: Call): void {
    const { highLanes, submission } = this.#parts
    this.#prepare(worker, call)
    const lane = worker + (call.high ? highLanes : 0)
    const { handler, value, resolve, reject, flags, stampWeight, sinceUs } = call
    const task = this.#slab.next()
    if (stampWeight === neverWaited) submission.submit(lane, worker, handler, value, resolve, reject, flags)
    else submission.submitWaited(lane, worker, handler, value, resolve, reject, flags, stampWeight, sinceUs)
    if (call.part >= 0 || this.#balancer === undefined) this.#handover.note(task, call.part)
  }

  /** Takes a call that waits out of its line. */
  remove(call: Call): void {
    this.#waiting.remove(call)
  }

  /** Resolves when there is room for a task: on this worker, on that of the key, or on any. */
  async ready(spec: CallSpec): Promise<void> {
    const lost = this.#ledger.allLost()
    if (lost !== undefined) throw lost
    const isPlaced = spec.key !== undefined || spec.wanted !== anyWorker
    return this.#pressure.ready(isPlaced ? this.#placer.place(makeCall(0, undefined, forget, forget, spec)) : undefined)
  }

  /** Calls waiting for a worker with room. */
  get queued(): number {
    return this.#waiting.length
  }

  /** Tasks dropped since the group was started. */
  get dropped(): number {
    return this.#pressure.dropped
  }

  /** Something waits that `admit` may let in. */
  get hasWaiting(): boolean {
    return this.#waiting.length > 0 || this.#pulls.length > 0
  }

  /** Lets in whoever may go, as far as there is room. */
  admit(): void {
    if (this.#pulls.length > 0 && !this.#submission.isEncoding()) for (const call of this.#pulls.splice(0)) this.place(call)
    if (this.#handover.isOpen) for (const line of this.#handover.over()) this.replace(line)
    if (this.#waiting.length === 0) return
    if (this.#ledger.allLost() === undefined) this.#waiting.admit(this.#gate)
    else for (const call of this.#waiting.takeAll()) this.place(call)
  }

  /** At the end of a turn that pushed tasks. */
  look(): void {
    this.#pressure.look(this.#all())
  }

  /** Credits have come back. */
  relieved(): void {
    this.#pressure.relieved(this.#all())
  }

  /** Workers have come or gone: keys move, and whoever waits is placed anew, in order. */
  deal(): void {
    if (this.#handover.deal()) for (const call of this.#waiting.takePlaced()) this.place(call)
  }

  /** Places anew whoever waits for that worker, or in that line. */
  replace(worker: number): void {
    for (const call of this.#waiting.takeOnly(worker)) this.place(call)
  }

  /** The last worker is given no more tasks; those that wait for it go to others, or fail if they named it. */
  retire(): void {
    const worker = this.#ledger.retire()
    const error = new PercoreError('ERR_PERCORE_INVALID_OPTION', `worker ${worker} was taken out of service while this call waited for it: there are ${worker} now.`)
    this.end(error, worker)
    const waiting = this.#waiting.takeOnly(worker)
    this.#ledger.shut(worker) // a balancer may still think of it
    const isForIt = (call: Call): boolean => call.wanted === worker && !call.exempt
    for (const call of waiting) if (isForIt(call)) failCall(call, error)
    this.deal()
    for (const call of waiting) if (!isForIt(call)) this.place(call)
  }

  /** Whoever awaits room learns that none will come, on that worker or on any. */
  end(error: PercoreError, worker?: number): void {
    this.#pressure.end(error, worker)
  }

  /** Fails everything that waits. */
  failAll(error: PercoreError): void {
    for (const call of [...this.#waiting.takeAll(), ...this.#pulls.splice(0)]) failCall(call, error)
  }

  /** What is in flight and what waits. */
  #all(): number {
    return this.#ledger.counts[count.inFlight] + this.#waiting.length
  }

  /** Where a call is to go; undefined when it has been rejected instead. */
  #placeOrFail(call: Call): number | undefined {
    try {
      return this.#placeOrThrow(call)
    } catch (error) {
      failCall(call, error)
      return undefined
    }
  }

  #placeOrThrow(call: Call): number {
    const lost = isPull(call) ? this.#ledger.lost(call.wanted) : this.#ledger.allLost()
    if (lost !== undefined) throw lost
    return isPull(call) ? call.wanted : this.#placeByKey(call)
  }

  /** The worker for it, or the line of its part of the keys while that is handed over. */
  #placeByKey(call: Call): number {
    const worker = this.#placer.place(call)
    return this.#handover.lineOf(call.part) ?? worker
  }

  /** Of a group that looks at the tasks: the worker for one without options, or {@link anyWorker} when it takes a closer look. */
  #tryChoose(handler: number, value: unknown): number {
    const worker = this.#placer.tryChoose(handler, value)
    return this.#handover.lineOf(this.#placer.part) === undefined ? worker : anyWorker
  }

  /** A worker that is shut still serves its streams, or it would never have none. */
  #placePull(worker: number, call: Call): void {
    if (this.#ledger.inFlight(worker) < this.#parts.depth && !this.#submission.isEncoding()) this.#submitOrFail(worker, call)
    else {
      this.#pulls.push(call)
      if (this.#submission.isEncoding()) this.#submission.endTurnSoon() // else the credit that comes back lets it in
    }
  }

  /** Calls from inside a getter wait, and so do those behind others for whom any worker will do. */
  #mustWait(call: Call): boolean {
    return (this.#submission.isEncoding() || this.#waiting.anyLength(call.high) > 0) && call.wanted === anyWorker && call.key === undefined && this.#balancer !== undefined
  }

  /** Whether a task for this worker may be pushed at once: there is room, and nobody was there before. */
  #mayGo(worker: number, high: boolean): boolean {
    return this.#hasRoom(worker) && !this.#submission.isEncoding() && this.#waiting.onlyLength(worker, high) === 0
  }

  #hasRoom(worker: number): boolean {
    return !Handover.isLine(worker) && this.#ledger.credits[worker] > 0
  }

  /** How many more tasks can be pushed now: none behind calls that wait. */
  #roomFor(worker: number | undefined): number {
    if (worker !== undefined) return this.#waiting.onlyLength(worker, false) > 0 ? 0 : this.#load.room(worker)
    if (this.#waiting.anyLength(false) > 0) return 0
    let room = 0
    for (let any = 0; any < this.#load.workers; any++) room += this.#load.room(any)
    return room
  }

  #createGate(): Gate {
    const { submission } = this.#parts
    return {
      place: (call) => this.#placeOrFail(call),
      placePlain: () => this.#placer.tryPick(),
      hasRoom: (worker) => this.#hasRoom(worker),
      submit: (worker, call) => this.#submitOrFail(worker, call),
      submitPlain: (worker, handler, value, resolve, reject) => {
        try {
          submission.submitWaited(worker, worker, handler, value, resolve, reject, 0, 0, 0)
        } catch (error) {
          fail(resolve, reject, error)
        }
      },
    }
  }

  #submitOrFail(worker: number, call: Call): void {
    try {
      this.submit(worker, call)
    } catch (error) {
      failCall(call, error)
    }
  }

  /** Before the task is pushed: its worker may report at once, and its word must be clear. */
  #prepare(worker: number, call: Call): void {
    if (call.listener === undefined && call.flags === 0) return
    const { i32, taskWordsAt, written, highLanes, reports } = this.#parts
    const task = this.#slab.next()
    call.worker = worker
    call.task = task
    call.generation = this.#slab.generations[task << 2]
    call.position = written(worker + (call.high ? highLanes : 0))
    if (call.listener !== undefined) reports.begin(call.listener, worker, task, call.generation)
    if ((call.flags & mayBeCalledOff) !== 0) i32[taskWordsAt + task] = calledOff.no
  }
}

/** Items of a stream are asked for where the stream is, whether that worker is given other tasks or not. */
function isPull(call: Call): boolean {
  return call.exempt && call.wanted !== anyWorker
}

function forget(): void {}
