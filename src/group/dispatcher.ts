/**
 * The calling side of a group: it pushes tasks into the workers' lanes and settles them as completions come back. It belongs
 * to the thread that made the group (slot 0), and runs in its event loop.
 *
 * Invariant: `credits[w] + tasks in flight on w = depth`, and a lane's capacity is at least depth. So neither a task nor a
 * completion ever finds its lane full, and no worker ever blocks on a completion.
 *
 * ```
 *  call ─ placed, or let wait ─▶ submission.ts ─ encode into the lane ─┬─ 8 pending  ─▶ publish, and ring at the first of the turn
 *                                                                     └─ end of turn ─▶ publish and ring     (one microtask for all)
 *  poller ─ completion.ts ─ drain ≤ 1024 completions a turn ─▶ settle, return credits ─▶ admit who waits
 * ```
 */
import { PercoreError, shared } from '../base/index.js'
import { type Codec, Moved } from '../codec/index.js'
import type { SharedHeap } from '../memory/index.js'
import { isThreadAlive } from '../platform/index.js'
import { backlog, LaneConsumer, LaneProducer, laneReaders, type LaneWriters, laneWriters, partOf, recoverProduced, Sleeper, startedOf } from '../ring/index.js'
import type { Balancer, LoadView, Placement } from './balance.js'
import { anyWorker, type Call, type CallSpec, fail, failCall, makeCall, neverWaited } from './call.js'
import { calledOff, mayBeCalledOff } from './called-off.js'
import { type Completion, createCompletion } from './completion.js'
import { type Fabric, laneAt, slotAt, slotLayout, slotState, stampsAt, tasksMax, taskWordsAt, type Way } from './fabric.js'
import { Handover } from './handover.js'
import { count, Ledger } from './ledger.js'
import { Placer } from './placer.js'
import { Poller } from './poller.js'
import { Pressure, type PressureEvents, type WhenFull } from './pressure.js'
import { nestedCapacity } from './nested.js'
import { entriesMax, hasStarted, recoverTasks } from './packed.js'
import { reportCapacity, Reports } from './reports.js'
import { Router } from './router.js'
import { endedError, waitFor } from './run-sync.js'
import { createTaskSlab, type Held, type Reject, type Resolve, type TaskSlab } from './slab.js'
import { createSubmission, type Submission } from './submission.js'
import { descriptor } from './task.js'
import { type Admission, WaitingLines } from './waiting.js'

/** Completions settled in one turn of the event loop at most, so that I/O and timers are never kept waiting long. */
const drainBatch = 1024

/** What the dispatcher asks of the threads behind the lanes. */
export interface Threads {
  /** Posts the message that wakes a worker's event loop. */
  sendBell(worker: number): void
  /** Keeps the process alive, or no longer. */
  hold(alive: boolean): void
}

export interface DispatcherParts {
  readonly fabric: Fabric
  readonly heap: SharedHeap
  readonly codec: Codec
  readonly threads: Threads
  readonly balancer: Balancer | Placement
  /** The handlers' names by number. */
  readonly names: () => readonly string[]
  readonly depth: number
  readonly maxQueue: number
  readonly whenFull: WhenFull
  readonly highWater: number
  readonly lowWater: number
  readonly events: PressureEvents
  /** Cores that this thread and the workers share. */
  readonly cores: number
  /** How many of the fabric's workers are given tasks at first. */
  readonly workers: number
  /** What workers may call on this thread, by number. */
  readonly main: readonly ((value: never) => unknown)[]
  /** Called when this thread begins to look for completions. */
  readonly busy: () => void
}

/** See `Dispatcher.call`. */
type CallFunction = (handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined, spec?: CallSpec) => void

export class Dispatcher {
  readonly reports: Reports
  readonly router: Router
  /**
   * Pushes a task, or lets it wait for a credit. Every failure goes to `reject`, or to `resolve` when that is a promise's. Neither is called
   * before this returns.
   */
  readonly call: CallFunction

  readonly #fabric: Fabric
  readonly #i32: Int32Array
  readonly #heap: SharedHeap
  readonly #codec: Codec
  readonly #ledger: Ledger
  readonly #load: LoadView
  readonly #placer: Placer
  readonly #handover: Handover
  readonly #balancer: Balancer | undefined
  readonly #depth: number

  /** Lane w is that to worker w, lane w + {@link #highLanes} that of high priority. */
  readonly #lanes: LaneWriters
  readonly #laneAts: readonly number[]
  readonly #highLanes: number
  readonly #submission: Submission
  readonly #completion: Completion
  readonly #poller: Poller
  readonly #sleeper: Sleeper
  /** Whether looking for a result takes no core from a worker. */
  readonly #maySpin: boolean

  readonly #slab: TaskSlab
  readonly #taskWordsAt: number
  readonly #waiting = new WaitingLines()
  readonly #pressure: Pressure
  #idleListeners: (() => void)[] = []

  /** Streams that a worker has open for readers here. */
  readonly #streams: Int32Array
  /** Who waits for a retired or shut worker to have nothing left. */
  readonly #leaving = new Map<number, () => void>()
  /** Pulls for a worker that is shut and full: nothing else can let them in. */
  #pulls: Call[] = []

  constructor(parts: DispatcherParts) {
    const { fabric, threads, depth, heap, codec } = parts
    const { workers, laneCapacity } = fabric
    const { i32, f64 } = fabric.words
    const all = Array.from({ length: workers }, (_, worker) => worker)
    const lanesAt = (way: Way): number[] => all.map((worker) => laneAt(fabric, worker, way))
    const lookingAt = slotAt(0) + slotLayout.looking
    const doorbells = all.map((worker) => slotAt(worker + 1) + slotLayout.doorbell)
    this.#fabric = fabric
    this.#i32 = i32
    this.#heap = heap
    this.#codec = codec
    this.#depth = depth
    this.#highLanes = workers
    this.#streams = new Int32Array(workers)
    this.#laneAts = [...lanesAt('toWorker'), ...lanesAt('highToWorker')]
    this.#lanes = laneWriters(i32, this.#laneAts, laneCapacity)
    this.#ledger = new Ledger(i32, doorbells, depth, workers, parts.workers)
    this.#load = this.#ledger.view
    this.#slab = createTaskSlab(tasksMax(workers, laneCapacity))
    this.#taskWordsAt = taskWordsAt(fabric)
    this.reports = new Reports(i32, lanesAt('reports').map((at) => new LaneConsumer(i32, at, reportCapacity)), codec, slotAt(0) + slotLayout.listening)
    this.router = new Router({
      ups: lanesAt('nestedUp').map((at) => new LaneConsumer(i32, at, nestedCapacity)),
      downs: lanesAt('nestedDown').map((at) => new LaneProducer(i32, at, nestedCapacity)),
      codec,
      main: parts.main,
      serves: (worker) => this.serves(worker),
      leaves: (worker) => this.#ledger.isShut(worker),
      workers: () => this.workers,
      ring: (worker) => this.#submission.ring(worker),
      open: (worker) => void shared.store(i32, slotAt(worker + 1) + slotLayout.nested, 1),
      settled: () => this.#settled(),
      wake: () => this.wake(),
    })
    this.#placer = new Placer({ load: this.#load, balancer: parts.balancer, names: parts.names, lost: (worker) => this.#ledger.lost(worker) })
    this.#balancer = this.#placer.balancer
    this.#handover = new Handover({ slab: this.#slab, keys: () => this.#placer.keys, workers, tasksMax: tasksMax(workers, laneCapacity) })
    this.#pressure = new Pressure({
      waiting: this.#waiting,
      policy: parts.whenFull,
      maxQueue: parts.maxQueue,
      highWater: parts.highWater,
      lowWater: parts.lowWater,
      room: (worker) => this.#roomFor(worker),
      events: parts.events,
    })
    const memory = { i32, f64, heap, codec }
    const completions = laneReaders(i32, lanesAt('fromWorker'), laneCapacity)
    this.#completion = createCompletion({ memory, slab: this.#slab, ledger: this.#ledger, lanes: completions })
    const hasCompletions = (): boolean => all.some((worker) => completions.poll(worker) > 0) || this.reports.hasWork()
    this.#sleeper = new Sleeper(i32, slotAt(0) + slotLayout.doorbell, () => hasCompletions() || this.#hearOfNested())
    this.#maySpin = Math.min(workers, parts.cores) < parts.cores
    this.#poller = new Poller({
      sleeper: new Sleeper(i32, slotAt(0) + slotLayout.doorbell, () => hasCompletions() || this.router.hasWork()),
      drain: () => this.#drain(),
      inFlight: () => this.inFlightTotal + this.router.inFlight,
      listens: () => this.router.active,
      cores: parts.cores,
      coresAreShort: () => Math.min(this.inFlightTotal, this.workers) >= parts.cores,
      hold: (alive) => threads.hold(alive),
      started: () => {
        i32[lookingAt] = 1
        parts.busy()
      },
      stopped: () => {
        i32[lookingAt] = 0
      },
    })
    this.#submission = createSubmission({
      memory,
      stampsAt: stampsAt(fabric),
      slab: this.#slab,
      ledger: this.#ledger,
      lanes: this.#lanes,
      highLanes: workers,
      doorbells,
      bells: all.map((worker) => () => threads.sendBell(worker)),
      poll: this.#poller,
      ended: () => {
        if (this.queued > 0 || this.#pulls.length > 0) this.#settled()
        this.#pressure.look(this.inFlightTotal + this.#waiting.length)
      },
    })
    this.call = this.#createCall()
  }

  /** A closure, like what it calls: it is run for every task. */
  #createCall(): CallFunction {
    const { submit, isEncoding } = this.#submission
    const { credits } = this.#ledger
    const waiting = this.#waiting
    const load = this.#load
    const balancer = this.#balancer
    const slab = this.#slab
    return (handler, value, resolve, reject, spec) => {
      if (waiting.length === 0 && !isEncoding()) {
        const worker = balancer !== undefined ? balancer.pick(load) : this.#tryChoose(handler, value)
        if (credits[worker] > 0) {
          try {
            const task = balancer === undefined ? slab.next() : 0
            submit(worker, worker, handler, value, resolve, reject, 0)
            if (balancer === undefined) this.#handover.note(task, this.#placer.part)
          } catch (error) {
            fail(resolve, reject, error)
          }
          return
        }
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

  /** Workers that are given tasks: 0 … workers − 1. */
  get workers(): number {
    return this.#ledger.counts[count.workers]
  }

  /** Tasks pushed and not yet settled. */
  get inFlightTotal(): number {
    return this.#ledger.counts[count.inFlight]
  }

  /** The most tasks a worker has held at the end of a turn that pushed some. */
  depthMax(worker: number): number {
    return this.#ledger.depthMax[worker]
  }

  inFlight(worker: number): number {
    return this.#ledger.inFlight(worker)
  }

  /** How many of its tasks this worker has not started. */
  backlog(worker: number): number {
    return backlog(this.#i32, this.#laneAts[worker]) + backlog(this.#i32, this.#laneAts[worker + this.#highLanes])
  }

  serves(worker: number): boolean {
    return this.#load.serves(worker)
  }

  /** Calls waiting for a worker with room. */
  get queued(): number {
    return this.#waiting.length
  }

  /** `call` only if there is room now: false when not. Throws what `encode` and the placement throw. */
  tryCall(handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined): boolean {
    if (this.#waiting.length === 0 && !this.#submission.isEncoding()) {
      const worker = this.#balancer !== undefined ? this.#balancer.pick(this.#load) : this.#tryChoose(handler, value)
      if (this.#ledger.credits[worker] > 0) {
        const task = this.#slab.next()
        this.#submission.submit(worker, worker, handler, value, resolve, reject, 0)
        if (this.#balancer === undefined) this.#handover.note(task, this.#placer.part)
        return true
      }
    }
    return this.tryPlace(makeCall(handler, value, resolve, reject))
  }

  /** `call` for a task that names its worker or has a key, or that found no room. */
  place(call: Call): void {
    const worker = this.#workerFor(call)
    if (worker === undefined) return
    if (isPull(call) && this.#ledger.isShut(worker)) return this.#placePull(worker, call)
    if (worker !== anyWorker && this.#mayGo(worker, call.high)) return this.#submitWaiting(worker, call)
    call.worker = worker
    if (this.#pressure.enqueue(call)) this.#submission.endTurnSoon() // a call from inside a getter may find nothing in flight that would let it in
  }

  /** `tryCall` for a task that names its worker or has a key, or that found no room. */
  tryPlace(call: Call): boolean {
    const worker = this.#mustWait(call) ? anyWorker : this.#placeByKey(call)
    if (worker !== anyWorker && this.#mayGo(worker, call.high)) {
      try {
        this.#submitCall(worker, call)
      } catch (error) {
        if (call.listener !== undefined) this.reports.end(call.listener)
        throw error
      }
      return true
    }
    call.worker = worker
    return this.#pressure.refuse(call, this.inFlightTotal > 0)
  }

  /**
   * Nobody wants this call any more. If it waits it leaves its line; if it is in a lane it will not start; if it runs, its handler may see
   * it. It is not told again how the call ends.
   */
  callOff(call: Call, why: number): void {
    if (call.waits) {
      this.#waiting.remove(call)
      this.#settled()
    } else if (this.#isInFlight(call)) {
      this.#slab.disown(call.task)
      shared.store(this.#i32, this.#taskWordsAt + call.task, why) // X1
      shared.add(this.#i32, slotAt(call.worker + 1) + slotLayout.calledOff, 1) // X2
      this.#submission.ring(call.worker) // X3
    }
  }

  /**
   * Whether a call that was called off still holds its worker: `stuck` when it is the last that was started, and the thread has not looked
   * up since; `started` when it runs or may be about to.
   */
  progress(call: Call): 'over' | 'queued' | 'started' | 'stuck' {
    if (!this.#isInFlight(call)) return 'over'
    const lane = call.worker + (call.high ? this.#highLanes : 0)
    const behind = (startedOf(this.#i32, this.#laneAts[lane]) - call.position) | 0
    if (behind <= 0) return 'queued'
    const slot = slotAt(call.worker + 1)
    const hasLooked = this.#i32[slot + slotLayout.calledOffSeen] === shared.load(this.#i32, slot + slotLayout.calledOff)
    return behind === 1 && !hasLooked && !this.#lastIsInFlight(call.worker + (call.high ? 0 : this.#highLanes)) ? 'stuck' : 'started'
  }

  /** Whether the task that was last started in a lane has not come back: then it may be that one which holds the thread. */
  #lastIsInFlight(lane: number): boolean {
    const started = startedOf(this.#i32, this.#laneAts[lane])
    const entries = partOf(this.#i32, this.#laneAts[lane])
    return this.#slab.heldBy(lane).some(({ position, entry }) => ((position + 1) | 0) === started && entry < entries)
  }

  #isInFlight(call: Call): boolean {
    return call.task >= 0 && this.#slab.generations[call.task << 2] === call.generation
  }

  /**
   * Pushes a task and waits on this thread until it is settled. Calls that wait for room are let in meanwhile, and before it. `isSettled` says
   * when it is. Throws ERR_PERCORE_TIMEOUT and ERR_PERCORE_WORKER_DIED; and what `place` would reject with before the task is pushed.
   */
  runSync(call: Call, timeoutMs: number, isSettled: () => boolean): 'done' | 'timed out' {
    if (this.#submission.isEncoding()) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', 'runSync was called from a getter of a value that is being sent. Call it before.')
    this.wake() // this thread may have been about to sleep in its event loop
    const endsMs = performance.now() + timeoutMs
    let worker = anyWorker
    const find = (): boolean => {
      worker = this.#placeOrThrow(call)
      if (Handover.isLine(worker)) worker = anyWorker
      if (call.wanted === anyWorker && worker !== anyWorker && this.#hasEnded(worker)) worker = this.#anyAlive()
      return worker !== anyWorker && this.#ledger.credits[worker] > 0
    }
    const drain = (): number => {
      if (this.#hearOfNested()) this.router.runDue() // no microtask will
      const settled = this.#drain()
      if (settled > 0) this.#submission.endTurn() // calls that were let in, or made by callbacks: no microtask will publish them
      return settled
    }
    const parts = { sleeper: this.#sleeper, drain, maySpin: this.#maySpin }
    const hasEnded = (): boolean => {
      if (worker !== anyWorker) return this.#hasEnded(worker) || this.#threadIsGone(worker)
      for (let any = 0; any < this.workers; any++) if (!this.#hasEnded(any) && !this.#threadIsGone(any)) return false
      return true
    }
    while (!find()) {
      this.#submission.endTurn()
      const outcome = waitFor({ ...parts, isSettled: find, hasEnded }, endsMs - performance.now())
      if (outcome === 'timed out') return outcome
      if (outcome === 'worker ended') throw endedError(worker)
    }
    if (this.#hasEnded(worker)) throw endedError(worker)
    call.worker = worker
    this.#submitCall(worker, call)
    this.#submission.endTurn()
    const outcome = waitFor({ ...parts, isSettled, hasEnded }, endsMs - performance.now())
    if (outcome === 'worker ended') throw endedError(worker)
    return outcome
  }

  /** Whether a worker's thread has ended, and this thread may not have heard of it yet. */
  #hasEnded(worker: number): boolean {
    return shared.load(this.#i32, slotAt(worker + 1) + slotLayout.state) === slotState.ended
  }

  /** The same of one that could not say so, since it was killed: asks the operating system, some µs. */
  #threadIsGone(worker: number): boolean {
    const id = this.#i32[slotAt(worker + 1) + slotLayout.threadId]
    return id !== 0 && !isThreadAlive(id)
  }

  #anyAlive(): number {
    for (let worker = 0; worker < this.workers; worker++) if (this.#ledger.credits[worker] > 0 && !this.#hasEnded(worker)) return worker
    return anyWorker
  }

  /** Tasks dropped since the group was started. */
  get dropped(): number {
    return this.#pressure.dropped
  }

  /** Resolves when there is room for a task: on this worker, on that of the key, or on any. */
  async ready(spec: CallSpec): Promise<void> {
    const lost = this.#ledger.allLost()
    if (lost !== undefined) throw lost
    const isPlaced = spec.key !== undefined || spec.wanted !== anyWorker
    return this.#pressure.ready(isPlaced ? this.#placer.place(makeCall(0, undefined, forget, forget, spec)) : undefined)
  }

  /** No call will be let in any more. */
  refuseAll(error: PercoreError): void {
    this.#pressure.end(error)
  }

  /** Resolves when nothing is in flight and nobody waits. */
  whenIdle(): Promise<void> {
    this.#lookForNested()
    if (this.#isIdle()) return Promise.resolve()
    return new Promise((resolve) => this.#idleListeners.push(resolve))
  }

  /** A worker has made a call: from now on look for more. */
  nested(): void {
    this.router.active = true
    this.wake()
  }

  /** What `nested` is told by a message, looked for where none gets in: whether anything is to be done for nested calls. */
  #hearOfNested(): boolean {
    if (!this.router.active && shared.load(this.#i32, slotAt(0) + slotLayout.called) === 1) this.router.active = true
    return this.router.hasWork()
  }

  #isIdle(): boolean {
    return this.inFlightTotal === 0 && this.queued === 0 && this.router.inFlight === 0
  }

  #lookForNested(): void {
    if (this.router.active) this.router.drain()
  }

  /**
   * Looks for completions again: a worker's message said that it published some while this thread slept, or a worker has died.
   * After a death this thread must not stay asleep: the dead one may have taken the doorbell's mode without sending its message,
   * and when nothing is in flight any more nobody else would let the process end.
   */
  wake(): void {
    if (!this.#poller.polling) this.#poller.start()
  }

  /**
   * Settles what a dead and joined worker left behind: what it completed is delivered, what it had started fails with
   * `error`, what it had not started stays in its lane for its successor. Returns a number that differs whenever the worker had started anything.
   */
  recover(worker: number, error: PercoreError): number {
    const i32 = this.#i32
    const at = this.#laneAts[worker]
    const progress = (startedOf(i32, at) >>> 0) * (entriesMax + 1) + partOf(i32, at)
    const started = [worker, worker + this.#highLanes].map((lane) => recoverTasks(i32, this.#laneAts[lane], this.#fabric.laneCapacity))
    recoverProduced(this.#i32, laneAt(this.#fabric, worker, 'fromWorker'))
    recoverProduced(this.#i32, laneAt(this.#fabric, worker, 'reports'))
    while (this.#completion.drain(worker, drainBatch) > 0);
    this.#failWhere(worker, error, (held, high) => hasStarted(started[high], held.position, held.entry))
    this.router.recover(worker, error)
    this.#relieved()
    this.wake()
    return progress
  }

  /** The worker will not come back for long: all its tasks fail, and it is given no more until `reinstate`. Keys that were its go to others. */
  abandon(worker: number, error: PercoreError): void {
    for (const lane of [worker, worker + this.#highLanes]) {
      this.#submission.publish(lane)
      const leftOver = new LaneConsumer(this.#i32, this.#laneAts[lane], this.#fabric.laneCapacity)
      for (let left = leftOver.poll(); left > 0; left--) {
        const slot = leftOver.peek()
        this.#codec.release((this.#i32[slot + descriptor.head] >>> 16) & 0xff, slot + descriptor.payload)
        leftOver.advance()
      }
      leftOver.release()
    }
    this.#lose(worker, error)
    this.#deal()
    this.router.abandon(worker, error)
    for (const call of this.#waiting.takeOnly(worker)) this.place(call)
    this.#relieved()
    this.wake()
  }

  /** The worker has come back after all; its lanes are empty. */
  reinstate(worker: number): void {
    this.#ledger.reinstate(worker)
    this.#deal()
    this.#relieved()
  }

  /** The next worker may be given tasks: its thread is up. */
  admit(): void {
    this.#ledger.admit()
    this.#deal()
    this.#relieved()
  }

  /** The last worker is given no more tasks; those that wait for it go to others, or fail if they named it. */
  retire(): void {
    const worker = this.#ledger.retire()
    const error = new PercoreError('ERR_PERCORE_INVALID_OPTION', `worker ${worker} was taken out of service while this call waited for it: there are ${worker} now.`)
    this.#pressure.end(error, worker)
    const waiting = this.#waiting.takeOnly(worker)
    this.shut(worker) // a balancer may still think of it
    const isForIt = (call: Call): boolean => call.wanted === worker && !call.exempt
    for (const call of waiting) if (isForIt(call)) failCall(call, error)
    this.#deal()
    for (const call of waiting) if (!isForIt(call)) this.place(call)
  }

  /** The worker takes nothing until `reopen`, except what its open streams need; calls that are for it wait. */
  shut(worker: number): void {
    if (this.#ledger.lost(worker) !== undefined) return
    this.#ledger.shut(worker)
    for (const call of this.#waiting.takeOnly(worker)) this.place(call)
  }

  reopen(worker: number): void {
    this.#ledger.reopen(worker)
    this.#relieved()
  }

  /** Resolves when a worker that is retired or shut has no task and no stream left, and nothing more can come. */
  whenRelieved(worker: number): Promise<void> {
    return new Promise((resolve) => {
      this.#leaving.set(worker, resolve)
      this.#relieve()
    })
  }

  /** A retired worker's thread has ended. */
  left(worker: number): void {
    this.router.left(worker)
  }

  streamBegan(worker: number): void {
    this.#streams[worker]++
  }

  streamEnded(worker: number): void {
    this.#streams[worker]--
    this.#relieve()
  }

  #relieve(): void {
    for (const [worker, relieved] of this.#leaving) {
      if (this.#isNeeded(worker)) continue
      this.#leaving.delete(worker)
      relieved()
    }
    const { counts } = this.#ledger
    while (counts[count.open] > counts[count.workers] && !this.#isNeeded(counts[count.open] - 1)) counts[count.open]--
  }

  #isNeeded(worker: number): boolean {
    return this.#ledger.lost(worker) === undefined && (this.inFlight(worker) > 0 || this.#streams[worker] > 0 || this.router.inFlightOn(worker) > 0)
  }

  /** Fails everything in flight and waiting. The threads must be gone. */
  abandonAll(error: PercoreError): void {
    for (let worker = 0; worker < this.#ledger.counts[count.open]; worker++) this.#lose(worker, error)
    for (const call of [...this.#waiting.takeAll(), ...this.#pulls.splice(0)]) failCall(call, error)
    this.#settled()
  }

  #lose(worker: number, error: PercoreError): void {
    this.#failWhere(worker, error, () => true)
    this.#ledger.lose(worker, error)
    this.#pressure.end(error, this.#ledger.allLost() === undefined ? worker : undefined)
  }

  /** Where a call is to go; undefined when it has been rejected instead. */
  #workerFor(call: Call): number | undefined {
    try {
      return this.#mustWait(call) ? anyWorker : this.#placeOrThrow(call)
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

  /** Workers have come or gone: keys move, and whoever waits is placed anew, in order. */
  #deal(): void {
    if (this.#handover.deal()) for (const call of this.#waiting.takePlaced()) this.place(call)
  }

  /** A worker that is shut still serves its streams, or it would never have none. */
  #placePull(worker: number, call: Call): void {
    if (this.inFlight(worker) < this.#depth && !this.#submission.isEncoding()) this.#submitWaiting(worker, call)
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

  /** How many more tasks can be pushed now: none behind calls that wait. */
  #roomFor(worker: number | undefined): number {
    if (worker !== undefined) return this.#waiting.onlyLength(worker, false) > 0 ? 0 : this.#load.room(worker)
    if (this.#waiting.anyLength(false) > 0) return 0
    let room = 0
    for (let any = 0; any < this.workers; any++) room += this.#load.room(any)
    return room
  }

  #drain(): number {
    let settled = 0
    if (this.reports.wanted > 0) this.reports.drainAll()
    if (this.router.active) settled += this.router.drain()
    for (let worker = 0; worker < this.#ledger.counts[count.open]; worker++) settled += this.#completion.drain(worker, drainBatch)
    if (settled > 0) {
      this.#heap.flush()
      this.#relieved()
    }
    return settled
  }

  /** `high` is 1 for tasks of high priority, else 0. */
  #failWhere(worker: number, error: PercoreError, chosen: (held: Held, high: 0 | 1) => boolean): void {
    for (const high of [1, 0] as const) this.#failIn(worker + high * this.#highLanes, worker, error, (held) => chosen(held, high))
  }

  #failIn(lane: number, worker: number, error: PercoreError, chosen: (held: Held) => boolean): void {
    const slab = this.#slab
    for (const held of slab.heldBy(lane)) {
      if (!chosen(held)) continue
      const { task } = held
      const resolve = slab.resolve(task)
      const reject = slab.reject(task)
      slab.retire(task)
      this.#ledger.credits[worker]++
      this.#ledger.counts[count.inFlight]--
      fail(resolve, reject, error)
    }
  }

  /** Credits have come back. */
  #relieved(): void {
    this.#settled()
    this.#pressure.relieved(this.inFlightTotal + this.#waiting.length)
  }

  /** Calls may be let in, or were let in and failed at once. */
  #settled(): void {
    if (this.#pulls.length > 0 && !this.#submission.isEncoding()) for (const call of this.#pulls.splice(0)) this.place(call)
    if (this.#handover.isOpen) this.#handOver()
    if (this.queued > 0) this.#admit()
    if (this.#leaving.size > 0) this.#relieve()
    if (this.#idleListeners.length > 0 && this.#isIdle()) {
      const listeners = this.#idleListeners
      this.#idleListeners = []
      for (const listener of listeners) listener()
    }
  }

  #handOver(): void {
    for (const line of this.#handover.over()) for (const call of this.#waiting.takeOnly(line)) this.place(call)
  }

  #admit(): void {
    if (this.#ledger.allLost() === undefined) this.#waiting.admit(this.#admission)
    else for (const call of this.#waiting.takeAll()) this.place(call)
  }

  readonly #admission: Admission = {
    place: (call) => {
      try {
        return this.#placeOrThrow(call)
      } catch (error) {
        failCall(call, error)
        return undefined
      }
    },
    placePlain: () => (this.#balancer as Balancer).pick(this.#load),
    hasRoom: (worker) => this.#hasRoom(worker),
    submit: (worker, call) => this.#submitWaiting(worker, call),
    submitPlain: (worker, handler, value, resolve, reject) => {
      try {
        this.#submission.submitWaited(worker, worker, handler, value, resolve, reject, 0, 0, 0)
      } catch (error) {
        fail(resolve, reject, error)
      }
    },
  }

  #hasRoom(worker: number): boolean {
    return !Handover.isLine(worker) && this.#ledger.credits[worker] > 0
  }

  /** Before the task is pushed: its worker may report at once, and its word must be clear. */
  #prepare(worker: number, call: Call): void {
    if (call.listener === undefined && call.flags === 0) return
    const task = this.#slab.next()
    call.worker = worker
    call.task = task
    call.generation = this.#slab.generations[task << 2]
    call.position = this.#lanes.written(worker + (call.high ? this.#highLanes : 0))
    if (call.listener !== undefined) this.reports.begin(call.listener, worker, task, call.generation)
    if ((call.flags & mayBeCalledOff) !== 0) this.#i32[this.#taskWordsAt + task] = calledOff.no
  }

  #submitCall(worker: number, call: Call): void {
    this.#prepare(worker, call)
    const lane = worker + (call.high ? this.#highLanes : 0)
    const { handler, value, resolve, reject, flags, stampWeight, sinceUs } = call
    const task = this.#slab.next()
    if (stampWeight === neverWaited) this.#submission.submit(lane, worker, handler, value, resolve, reject, flags)
    else this.#submission.submitWaited(lane, worker, handler, value, resolve, reject, flags, stampWeight, sinceUs)
    if (call.part >= 0 || this.#balancer === undefined) this.#handover.note(task, call.part)
  }

  #submitWaiting(worker: number, call: Call): void {
    try {
      this.#submitCall(worker, call)
    } catch (error) {
      failCall(call, error)
    }
  }
}

/** Items of a stream are asked for where the stream is, whether that worker is given other tasks or not. */
function isPull(call: Call): boolean {
  return call.exempt && call.wanted !== anyWorker
}

function forget(): void {}
