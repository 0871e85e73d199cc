/**
 * Calls from inside handlers, on the group's thread: it hands them from worker to worker, runs those that are for this thread, and
 * settles what a dead worker leaves. `nested.ts` has the worker's end and the picture.
 *
 * Invariant: every call that was taken out of an up lane is an entry until its answer goes out, or its maker is gone. What finds a down lane
 * full waits here, so an up lane is always emptied.
 */
import { invariant, isThenable, PercoreError } from '../base/index.js'
import { type Codec, kind as tagKinds, kindMask, takeWaiting } from '../codec/index.js'
import { LaneConsumer, type LaneProducer, recoverConsumed, recoverProduced } from '../ring/index.js'
import { nestedKind } from './nested.js'
import { descriptor } from './task.js'

/** Functions that workers may call on the group's thread; see `ExecGroupOptions.main`. */
export type MainHandlers = { readonly [name: string]: (value: never) => unknown }

/** Words of a descriptor from its payload on. */
const payloadWords = 13

interface Entry {
  readonly from: number
  /** How often that worker had died when it made the call. */
  readonly fromEpoch: number
  readonly task: number
  readonly generation: number
  /** Who runs it: −1 is this thread. */
  to: number
  /** Where it lies in that worker's lane; undefined while it waits for room. */
  position: number | undefined
}

/** What waits for room in a worker's down lane. */
interface Held {
  readonly entry: number
  readonly head: number
  readonly task: number
  readonly generation: number
  /** The payload, as it came; or a value that is still to be encoded. */
  readonly payload: Int32Array | undefined
  readonly value: unknown
}

export interface RouterParts {
  readonly ups: readonly LaneConsumer[]
  readonly downs: readonly LaneProducer[]
  readonly codec: Codec
  readonly main: readonly ((value: never) => unknown)[]
  /** Whether a worker may be given calls. */
  readonly serves: (worker: number) => boolean
  /** Whether one of these is on its way out, and should be spared. */
  readonly leaves: (worker: number) => boolean
  readonly workers: () => number
  readonly ring: (worker: number) => void
  /** The worker must look for what comes of nested calls, from now on. */
  readonly open: (worker: number) => void
  /** An entry has gone, or something can be looked at anew. */
  readonly settled: () => void
  /** This thread must look for completions. */
  readonly wake: () => void
}

export class Router {
  /** True once a worker has made a call: before that nobody need look. */
  active = false
  readonly #parts: RouterParts
  readonly #i32: Int32Array
  readonly #entries = new Map<number, Entry>()
  #nextEntry = 0
  readonly #held: Held[][]
  readonly #epochs: number[]
  readonly #load: number[]
  readonly #opened: boolean[] = []
  #last = 0
  /** A getter of a value that is being encoded may make this thread look for calls, and they would take the same slot. */
  #encoding = false
  /** Calls for this thread that have been taken and not started. */
  #due: (() => void)[] = []

  constructor(parts: RouterParts) {
    this.#parts = parts
    this.#i32 = parts.ups[0].i32
    this.#held = parts.ups.map(() => [])
    this.#epochs = parts.ups.map(() => 0)
    this.#load = parts.ups.map(() => 0)
  }

  /** Calls that have been taken and not answered. */
  get inFlight(): number {
    return this.#entries.size
  }

  /** Of these, those that a worker has been given. */
  inFlightOn(worker: number): number {
    return this.#load[worker]
  }

  /** With an atomic load of each lane. */
  hasWork(): boolean {
    if (!this.active) return false
    if (this.#due.length > 0) return true
    return this.#held.some((queue) => queue.length > 0) || this.#parts.ups.some((lane) => lane.poll() > 0) // nobody tells when there is room
  }

  /** Takes everything that workers have sent; returns how many descriptors. */
  drain(): number {
    let count = 0
    for (let worker = 0; worker < this.#parts.ups.length; worker++) count += this.#drainOf(worker)
    this.#flush()
    return count
  }

  /** A worker is dead and joined: what it sent is taken, what it had taken fails, the rest waits for its successor. */
  recover(worker: number, error: PercoreError): void {
    const { ups, downs } = this.#parts
    const started = recoverConsumed(this.#i32, downs[worker].at)
    recoverProduced(this.#i32, ups[worker].at)
    this.#drainOf(worker)
    this.#epochs[worker]++
    this.#failWhere(worker, error, ({ position }) => position !== undefined && ((position - started) | 0) < 0)
    this.#flush()
  }

  /** A worker will not come back for long: all calls it has been given fail. */
  abandon(worker: number, error: PercoreError): void {
    this.#discard(worker)
    this.#failWhere(worker, error, () => true)
    this.#flush()
  }

  /** A worker has ended as it was asked to, and none follows: answers to its calls go to nobody. */
  left(worker: number): void {
    const { ups, downs } = this.#parts
    recoverConsumed(this.#i32, downs[worker].at)
    recoverProduced(this.#i32, ups[worker].at)
    this.#drainOf(worker)
    this.#epochs[worker]++
    this.#discard(worker)
    this.#flush()
  }

  /** Frees what lies in a worker's down lane and what waits for room in it. */
  #discard(worker: number): void {
    const { downs, codec } = this.#parts
    const lane = downs[worker]
    lane.publish()
    const leftOver = new LaneConsumer(this.#i32, lane.at, lane.capacity)
    for (let left = leftOver.poll(); left > 0; left--) {
      const at = leftOver.peek()
      codec.release((this.#i32[at + descriptor.head] >>> 16) & 0xff, at + descriptor.payload)
      leftOver.advance()
    }
    leftOver.release()
    for (const { head, payload } of this.#held[worker].splice(0)) if (payload !== undefined) this.#release(worker, head, payload)
  }

  #drainOf(worker: number): number {
    const lane = this.#parts.ups[worker]
    const count = lane.poll()
    for (let i = 0; i < count; i++) {
      const at = lane.peek()
      lane.advance()
      this.#take(worker, at)
    }
    if (count > 0) lane.release()
    return count
  }

  #take(worker: number, at: number): void {
    const i32 = this.#i32
    const head = i32[at + descriptor.head]
    const task = i32[at + descriptor.task]
    const generation = i32[at + descriptor.generation]
    const kind = head >>> 24
    if (kind === nestedKind.done || kind === nestedKind.failed) return this.#answered(task, head, at)
    const id = this.#nextEntry
    this.#nextEntry = (id + 1) & 0x7fff_ffff
    const entry: Entry = { from: worker, fromEpoch: this.#epochs[worker], task, generation, to: -1, position: undefined }
    this.#entries.set(id, entry)
    if (kind === nestedKind.mainTask) return this.#runHere(id, head, at)
    const to = this.#choose()
    if (to < 0) {
      this.#parts.codec.release((head >>> 16) & 0xff, at + descriptor.payload)
      return this.#answer(id, nestedKind.failed, new PercoreError('ERR_PERCORE_WORKER_START', 'no worker is left to run this call.'))
    }
    entry.to = to
    this.#load[to]++
    this.#forward(to, id, (head & 0xff_ffff) | (nestedKind.task << 24), id, 0, at)
  }

  /** The worker with the fewest such calls, in turn when they are alike. */
  #choose(): number {
    const { serves, leaves, workers } = this.#parts
    const count = workers()
    let best = -1
    const cost = (worker: number): number => this.#load[worker] + (leaves(worker) ? 2 ** 30 : 0)
    for (let i = 1; i <= count; i++) {
      const worker = (this.#last + i) % count
      if (serves(worker) && (best < 0 || cost(worker) < cost(best))) best = worker
    }
    if (best >= 0) this.#last = best
    return best
  }

  /** An answer has come: it goes on to whoever asked. */
  #answered(id: number, head: number, at: number): void {
    const entry = this.#entries.get(id)
    if (entry === undefined || !this.#isThere(entry)) this.#parts.codec.release((head >>> 16) & 0xff, at + descriptor.payload)
    else this.#forward(entry.from, -1, head, entry.task, entry.generation, at)
    if (entry !== undefined) this.#remove(id, entry)
  }

  /** Whether the thread that made the call still is. */
  #isThere(entry: Entry): boolean {
    return entry.fromEpoch === this.#epochs[entry.from]
  }

  #remove(id: number, entry: Entry): void {
    this.#entries.delete(id)
    if (entry.to >= 0) this.#load[entry.to]--
    this.#parts.settled()
  }

  /** Copies a descriptor into a worker's down lane: its block, if it has one, changes hands. */
  #forward(worker: number, id: number, head: number, task: number, generation: number, at: number): void {
    const tagKind = (head >>> 16) & kindMask
    if (tagKind === tagKinds.carried || tagKind === tagKinds.carriedError) return this.#carry(worker, id, head, task, generation, at)
    const payload = this.#i32.slice(at + descriptor.payload, at + descriptor.payload + payloadWords)
    this.#put(worker, { entry: id, head, task, generation, payload, value: undefined })
  }

  /** A value with handles came over the port of the thread that sent it, and must go on over another. */
  #carry(worker: number, id: number, head: number, task: number, generation: number, at: number): void {
    let value: unknown
    let bare = head & 0xff00_ffff
    try {
      value = this.#parts.codec.relay((head >>> 16) & 0xff, at + descriptor.payload)
    } catch (error) {
      if (id >= 0) return this.#answer(id, nestedKind.failed, error)
      value = error
      bare = nestedKind.failed << 24
    }
    this.#put(worker, { entry: id, head: bare, task, generation, payload: undefined, value })
  }

  #put(worker: number, held: Held): void {
    const queue = this.#held[worker]
    if (queue.length === 0 && this.#tryPut(worker, held)) return
    takeWaiting(held.value)
    queue.push(held)
  }

  #tryPut(worker: number, { entry, head, task, generation, payload, value }: Held): boolean {
    if (this.#encoding) return false
    const lane = this.#parts.downs[worker]
    const at = lane.claim()
    if (at < 0) return false
    if (!this.#opened[worker]) {
      this.#opened[worker] = true
      this.#parts.open(worker)
    }
    const i32 = this.#i32
    let full = head
    if (payload !== undefined) i32.set(payload, at + descriptor.payload)
    else {
      this.#encoding = true
      try {
        full = this.#encode(head, value, at)
      } catch (error) {
        queueMicrotask(() => this.#answer(entry, nestedKind.failed, error)) // which flushes, as may be going on now
        return true
      } finally {
        this.#encoding = false
      }
    }
    i32[at + descriptor.head] = full
    i32[at + descriptor.task] = task
    i32[at + descriptor.generation] = generation
    const call = this.#entries.get(entry)
    if (call !== undefined) call.position = lane.written
    lane.commit()
    return true
  }

  /** A value of this thread, and the whole head; an answer that cannot be cloned is a failure, of a task that is thrown. */
  #encode(head: number, value: unknown, at: number): number {
    const { codec } = this.#parts
    if (head >>> 24 === nestedKind.task) return head | (codec.encode(value, at + descriptor.payload) << 16)
    if (head >>> 24 === nestedKind.failed) return (codec.encodeError(value, at + descriptor.payload) << 16) | (nestedKind.failed << 24)
    try {
      return (codec.encode(value, at + descriptor.payload) << 16) | (nestedKind.done << 24)
    } catch (error) {
      return (codec.encodeError(error, at + descriptor.payload) << 16) | (nestedKind.failed << 24)
    }
  }

  /** Lets in what waits, publishes, rings. */
  #flush(): void {
    const { downs, ring } = this.#parts
    for (let worker = 0; worker < downs.length; worker++) {
      const queue = this.#held[worker]
      let sent = 0
      while (sent < queue.length && this.#tryPut(worker, queue[sent])) sent++
      if (sent > 0) queue.splice(0, sent)
      if (downs[worker].pending === 0) continue
      downs[worker].publish()
      ring(worker)
    }
  }

  /** Starts what workers want of this thread: in a microtask, unless this thread waits on the spot. */
  readonly runDue = (): void => {
    const due = this.#due
    this.#due = []
    for (const start of due) start()
  }

  /** Not from within the drain: the function is the user's, and may call the group. */
  #runHere(id: number, head: number, at: number): void {
    let value: never
    try {
      value = this.#parts.codec.decode((head >>> 16) & 0xff, at + descriptor.payload) as never
    } catch (error) {
      return this.#answer(id, nestedKind.failed, error)
    }
    const fn = this.#parts.main[head & 0xffff]
    if (this.#due.length === 0) queueMicrotask(this.runDue)
    this.#due.push(() => {
      try {
        const result = fn(value)
        if (!isThenable(result)) return this.#answer(id, nestedKind.done, result)
        result.then((settled) => this.#answer(id, nestedKind.done, settled), (error: unknown) => this.#answer(id, nestedKind.failed, error))
      } catch (error) {
        this.#answer(id, nestedKind.failed, error)
      }
    })
  }

  #answer(id: number, kind: number, value: unknown): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    if (this.#isThere(entry)) this.#put(entry.from, { entry: -1, head: kind << 24, task: entry.task, generation: entry.generation, payload: undefined, value })
    this.#remove(id, entry)
    this.#flush()
    this.#parts.wake()
  }

  #failWhere(worker: number, error: PercoreError, chosen: (entry: Entry) => boolean): void {
    for (const [id, entry] of this.#entries) {
      if (entry.to === worker && chosen(entry)) this.#answer(id, nestedKind.failed, error)
    }
  }

  #release(worker: number, head: number, payload: Int32Array): void {
    const { downs, codec } = this.#parts
    const at = downs[worker].claim() // a place to lay it out, not sent
    if (at < 0) invariant(false, 'a lane that was just emptied is full')
    this.#i32.set(payload, at + descriptor.payload)
    codec.release((head >>> 16) & 0xff, at + descriptor.payload)
  }
}
