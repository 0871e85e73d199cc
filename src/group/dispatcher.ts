/**
 * The calling side of a group: it joins what pushes tasks into the workers' lanes and what settles them as completions come back, and holds both
 * right while workers come, go and die. It belongs to the thread that made the group (slot 0), and runs in its event loop.
 *
 * Invariant: `credits[w] + tasks in flight on w = depth`, and a lane's capacity is at least depth. So neither a task nor a
 * completion ever finds its lane full, and no worker ever blocks on a completion.
 *
 * ```
 *  call ─ admission.ts ─────────▶ submission.ts ─ encode into the lane ─┬─ 10 pending ─▶ publish, and ring at the first of the turn
 *                                                                       └─ end of turn ─▶ publish and ring     (one microtask for all)
 *  poller ─ completion.ts ─ drain ≤ 1024 completions a turn ─▶ settle, return credits ─▶ admit who waits
 * ```
 */
import { PercoreError, shared } from '../base/index.js'
import type { Codec } from '../codec/index.js'
import type { SharedHeap } from '../memory/index.js'
import { backlog, LaneConsumer, LaneProducer, laneReaders, type LaneWriters, laneWriters, partOf, recoverProduced, Sleeper, startedOf } from '../ring/index.js'
import { Admission, type AdmissionRules } from './admission.js'
import { type Call, fail } from './call.js'
import { type Completion, createCompletion } from './completion.js'
import { type Fabric, laneAt, slotAt, slotLayout, stampsAt, tasksMax, taskWordsAt, type Way } from './fabric.js'
import { count, Ledger } from './ledger.js'
import { Poller } from './poller.js'
import { nestedCapacity } from './nested.js'
import { entriesMax, hasStarted, recoverTasks } from './packed.js'
import { reportCapacity, Reports } from './reports.js'
import { Router } from './router.js'
import { runSync, type SyncParts } from './run-sync.js'
import { createTaskSlab, type Held, type TaskSlab } from './slab.js'
import { createSubmission, type Submission } from './submission.js'
import { descriptor } from './task.js'

/** Completions settled in one turn of the event loop at most, so that I/O and timers are never kept waiting long. */
const drainBatch = 1024

/** What the dispatcher asks of the threads behind the lanes. */
export interface Threads {
  /** Posts the message that wakes a worker's event loop. */
  sendBell(worker: number): void
  /** Keeps the process alive, or no longer. */
  hold(alive: boolean): void
}

export interface DispatcherParts extends AdmissionRules {
  readonly fabric: Fabric
  readonly heap: SharedHeap
  readonly codec: Codec
  readonly threads: Threads
  /** Cores that this thread and the workers share. */
  readonly cores: number
  /** How many of the fabric's workers are given tasks at first. */
  readonly workers: number
  /** What workers may call on this thread, by number. */
  readonly main: readonly ((value: never) => unknown)[]
  /** Called when this thread begins to look for completions. */
  readonly busy: () => void
}

export class Dispatcher {
  readonly reports: Reports
  readonly router: Router
  /** Where calls come in. */
  readonly admission: Admission

  readonly #fabric: Fabric
  readonly #i32: Int32Array
  readonly #heap: SharedHeap
  readonly #codec: Codec
  readonly #ledger: Ledger

  /** Lane w is that to worker w, lane w + {@link #highLanes} that of high priority. */
  readonly #lanes: LaneWriters
  readonly #laneAts: readonly number[]
  readonly #highLanes: number
  readonly #submission: Submission
  readonly #completion: Completion
  readonly #poller: Poller
  readonly #syncParts: SyncParts

  readonly #slab: TaskSlab
  readonly #taskWordsAt: number
  #idleListeners: (() => void)[] = []

  /** Streams that a worker has open for readers here. */
  readonly #streams: Int32Array
  /** Who waits for a retired or shut worker to have nothing left. */
  readonly #leaving = new Map<number, () => void>()

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
    this.#highLanes = workers
    this.#streams = new Int32Array(workers)
    this.#laneAts = [...lanesAt('toWorker'), ...lanesAt('highToWorker')]
    this.#lanes = laneWriters(i32, this.#laneAts, laneCapacity)
    this.#ledger = new Ledger(i32, doorbells, depth, workers, parts.workers)
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
    const memory = { i32, f64, heap, codec }
    const completions = laneReaders(i32, lanesAt('fromWorker'), laneCapacity)
    this.#completion = createCompletion({ memory, slab: this.#slab, ledger: this.#ledger, lanes: completions })
    const hasCompletions = (): boolean => all.some((worker) => completions.poll(worker) > 0) || this.reports.hasWork()
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
        if (this.admission.hasWaiting) this.#settled()
        this.admission.look()
      },
    })
    this.admission = new Admission({
      ...parts,
      i32,
      taskWordsAt: this.#taskWordsAt,
      ledger: this.#ledger,
      slab: this.#slab,
      tasksMax: tasksMax(workers, laneCapacity),
      submission: this.#submission,
      reports: this.reports,
      written: (lane) => this.#lanes.written(lane),
      highLanes: workers,
    })
    this.#syncParts = {
      i32,
      ledger: this.#ledger,
      admission: this.admission,
      submission: this.#submission,
      sleeper: new Sleeper(i32, slotAt(0) + slotLayout.doorbell, () => hasCompletions() || this.#hearOfNested()),
      maySpin: Math.min(workers, parts.cores) < parts.cores,
      drain: () => {
        if (this.#hearOfNested()) this.router.runDue() // no microtask will
        return this.#drain()
      },
    }
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

  /** Calls waiting for a worker with room. */
  get queued(): number {
    return this.admission.queued
  }

  serves(worker: number): boolean {
    return this.#ledger.view.serves(worker)
  }

  /**
   * Nobody wants this call any more. If it waits it leaves its line; if it is in a lane it will not start; if it runs, its handler may see
   * it. It is not told again how the call ends.
   */
  callOff(call: Call, why: number): void {
    if (call.waits) {
      this.admission.remove(call)
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
    this.wake() // this thread may have been about to sleep in its event loop
    return runSync(this.#syncParts, call, timeoutMs, isSettled)
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
    return this.inFlightTotal === 0 && this.admission.queued === 0 && this.router.inFlight === 0
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
    this.admission.deal()
    this.router.abandon(worker, error)
    this.admission.replace(worker)
    this.#relieved()
    this.wake()
  }

  /** The worker has come back after all; its lanes are empty. */
  reinstate(worker: number): void {
    this.#ledger.reinstate(worker)
    this.admission.deal()
    this.#relieved()
  }

  /** The next worker may be given tasks: its thread is up. */
  admit(): void {
    this.#ledger.admit()
    this.admission.deal()
    this.#relieved()
  }

  /** The last worker is given no more tasks, see `Admission.retire`. */
  retire(): void {
    this.admission.retire()
  }

  /** The worker takes nothing until `reopen`, except what its open streams need; calls that are for it wait. */
  shut(worker: number): void {
    if (this.#ledger.lost(worker) !== undefined) return
    this.#ledger.shut(worker)
    this.admission.replace(worker)
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
    this.admission.failAll(error)
    this.#settled()
  }

  #lose(worker: number, error: PercoreError): void {
    this.#failWhere(worker, error, () => true)
    this.#ledger.lose(worker, error)
    this.admission.end(error, this.#ledger.allLost() === undefined ? worker : undefined)
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
    this.admission.relieved()
  }

  /** Calls may be let in, or were let in and failed at once. */
  #settled(): void {
    this.admission.admit()
    if (this.#leaving.size > 0) this.#relieve()
    if (this.#idleListeners.length > 0 && this.#isIdle()) {
      const listeners = this.#idleListeners
      this.#idleListeners = []
      for (const listener of listeners) listener()
    }
  }

}
