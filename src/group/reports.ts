/**
 * Progress of running tasks, from `ctx.report` to `onReport`. Each worker has a small lane of its own for it, beside that of its
 * completions: so reports never take the room of a completion, and whoever wants none pays nothing.
 *
 * Invariant: a report reaches its listener before the result of its task does, or not at all.
 *
 * ```
 *  worker                                            caller
 *    report: write into the report lane, publish       completion seen ─▶ drain the report lane ─▶ settle
 *    … later: write and publish the completion         each turn, while anybody listens ─▶ drain
 * ```
 *
 * What was published before a completion is seen by whoever has seen the completion. A full lane refuses a report, and
 * `ctx.report` says so: progress is for watching, and must not hold up the work.
 */
import type { Codec } from '../codec/index.js'
import type { LaneConsumer, LaneProducer } from '../ring/index.js'
import { descriptor } from './task.js'

/** Reports a worker may be ahead of the caller. */
export const reportCapacity = 64

/** The worker's end; on its thread. */
export class ReportSender {
  readonly #i32: Int32Array
  readonly #lane: LaneProducer
  readonly #codec: Codec
  readonly #listening: () => boolean
  readonly #ringCaller: () => void
  #encoding = false

  constructor(lane: LaneProducer, codec: Codec, listening: () => boolean, ringCaller: () => void) {
    this.#i32 = lane.i32
    this.#lane = lane
    this.#codec = codec
    this.#listening = listening
    this.#ringCaller = ringCaller
  }

  /** True when it was sent. Throws ERR_PERCORE_NOT_CLONEABLE and ERR_PERCORE_OUT_OF_MEMORY. */
  send(task: number, generation: number, progress: unknown): boolean {
    if (task < 0 || this.#encoding || !this.#listening()) return false
    const at = this.#lane.claim()
    if (at < 0) return false
    let tag: number
    this.#encoding = true // a getter of the value may report too, and would take the same slot
    try {
      tag = this.#codec.encode(progress, at + descriptor.payload)
    } finally {
      this.#encoding = false
    }
    this.#i32[at + descriptor.head] = tag << 16
    this.#i32[at + descriptor.task] = task
    this.#i32[at + descriptor.generation] = generation
    this.#lane.commit()
    this.#lane.publish()
    this.#ringCaller()
    return true
  }
}

/** Who listens to one call. */
export class ReportListener {
  readonly onReport: (progress: unknown) => void
  worker = -1
  task = -1
  generation = 0

  constructor(onReport: (progress: unknown) => void) {
    this.onReport = onReport
  }
}

/** The caller's end; on the group's thread. */
export class Reports {
  /** Calls under way that listen. */
  wanted = 0
  readonly #i32: Int32Array
  readonly #lanes: readonly LaneConsumer[]
  readonly #codec: Codec
  /** Where the workers read whether anybody listens; written plainly before their tasks are published. */
  readonly #listeningAt: number
  readonly #byTask = new Map<number, ReportListener>()

  constructor(i32: Int32Array, lanes: readonly LaneConsumer[], codec: Codec, listeningAt: number) {
    this.#i32 = i32
    this.#lanes = lanes
    this.#codec = codec
    this.#listeningAt = listeningAt
  }

  /** The call is about to be pushed as that task. */
  begin(listener: ReportListener, worker: number, task: number, generation: number): void {
    const again = listener.task >= 0
    if (again) this.#forget(listener)
    listener.worker = worker
    listener.task = task
    listener.generation = generation
    this.#byTask.set(task, listener)
    if (!again) this.#count(1)
  }

  /** Its completion has been seen, and is about to be told. */
  end(listener: ReportListener): void {
    if (listener.task < 0) return // it never was a task
    this.drain(listener.worker)
    this.#forget(listener)
    listener.task = -1
    this.#count(-1)
  }

  #forget(listener: ReportListener): void {
    if (this.#byTask.get(listener.task) === listener) this.#byTask.delete(listener.task)
  }

  /** With an atomic load of each lane. */
  hasWork(): boolean {
    return this.wanted > 0 && this.#lanes.some((lane) => lane.poll() > 0)
  }

  drainAll(): void {
    for (let worker = 0; worker < this.#lanes.length; worker++) this.drain(worker)
  }

  drain(worker: number): void {
    const lane = this.#lanes[worker]
    const i32 = this.#i32
    const ready = lane.poll()
    for (let i = 0; i < ready; i++) {
      const at = lane.peek()
      lane.advance()
      const tag = i32[at + descriptor.head] >>> 16
      const listener = this.#byTask.get(i32[at + descriptor.task])
      if (listener === undefined || listener.generation !== i32[at + descriptor.generation]) this.#codec.release(tag, at + descriptor.payload)
      else this.#tell(listener, this.#read(tag, at + descriptor.payload))
    }
    if (ready > 0) lane.release()
  }

  /** A report that cannot be rebuilt is told as the error that says so. */
  #read(tag: number, at: number): unknown {
    try {
      return this.#codec.decode(tag, at)
    } catch (error) {
      return error
    }
  }

  /** Not from here, where it could call the group in the middle of its work; but before whoever waits for the result. */
  #tell(listener: ReportListener, progress: unknown): void {
    queueMicrotask(() => listener.onReport(progress))
  }

  #count(by: number): void {
    this.wanted += by
    this.#i32[this.#listeningAt] = this.wanted
  }
}
