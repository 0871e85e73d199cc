/**
 * Calls from inside handlers, the worker's end: `ctx.group.run` to any worker, `ctx.group.main` to the group's thread. It belongs to
 * the worker's thread; `router.ts` has the other end.
 *
 * Invariant: what arrives is always taken, whether or not anything can be sent. What finds its lane full waits here, in memory of this
 * thread's own; so workers that wait for each other in a circle, all lanes full, still go on.
 *
 * ```
 *  worker A                          group's thread                    worker B
 *    call: up lane ─▶                  a descriptor is copied  ─▶        down lane: the handler runs at once, whatever else
 *                                      from lane to lane                 waits here (no credit is needed: a credit held by
 *                                                                        a task that waits for another would be a deadlock)
 *    down lane: settled        ◀─      and back                 ◀─       up lane
 * ```
 *
 * A payload in the heap is not copied on the way: its block is handed on. A worker that dies fails the calls it had taken
 * (ERR_PERCORE_WORKER_DIED, where they were made), its successor takes the others, and answers to its own calls are dropped.
 */
import { type ErrorCode, isThenable, PercoreError } from '../base/index.js'
import { type Codec, takeWaiting } from '../codec/index.js'
import type { LaneConsumer, LaneProducer } from '../ring/index.js'
import type { Context, Handler } from './handlers.js'
import type { Loop } from './loop.js'
import { descriptor } from './task.js'

/** Descriptors of a lane for nested calls, either way. */
export const nestedCapacity = 64

/** What a descriptor of these lanes is: in the top byte of its head, above tag and number. */
export const nestedKind = { task: 0, mainTask: 1, done: 2, failed: 3 } as const

/** Calls a worker may have waiting for room: a million is a mistake, as it is for the caller. */
const waitingMax = 1_000_000

/** Descriptors taken in one turn, so that other tasks have theirs. */
const turnMax = 64

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  readonly generation: number
}

/** What is to be sent, when there was no room for it. */
interface Unsent {
  readonly kind: number
  readonly number: number
  readonly task: number
  readonly generation: number
  readonly value: unknown
}

export interface NestedParts {
  readonly up: LaneProducer
  readonly down: LaneConsumer
  readonly codec: Codec
  readonly handlers: readonly Handler[]
  /** The handlers' names by number, and those of the group's thread. */
  readonly names: readonly string[]
  readonly mainNames: readonly string[]
  readonly context: Context<never>
  readonly ringCaller: () => void
  /** Something waits for room that only a turn can send: this thread must not sleep. */
  readonly keepTurning: () => void
  /** Tells the group's thread, once, that it must look for nested calls from now on. */
  readonly announce: () => void
  /** A handler is about to be started for a nested call, or has been. */
  readonly starting: (nested: boolean) => void
}

export class Nested {
  readonly #parts: NestedParts
  readonly #i32: Int32Array
  readonly #numbers: ReadonlyMap<string, number>
  readonly #mainNumbers: ReadonlyMap<string, number>
  readonly #calls = new Map<number, Waiting>()
  #nextCall = 0
  /** Random at first: answers to a dead thread's calls must not be taken for its successor's. */
  #generation = (Math.random() * 2 ** 31) | 0
  #unsent: Unsent[] = []
  #encoding = false
  #flushScheduled = false
  #announced = false
  #running = 0
  /** What the last turn took, in µs. */
  spentUs = 0

  constructor(parts: NestedParts) {
    this.#parts = parts
    this.#i32 = parts.up.i32
    this.#numbers = numbersOf(parts.names)
    this.#mainNumbers = numbersOf(parts.mainNames)
  }

  /** `ctx.group.run`. */
  run(name: string, value: unknown): Promise<unknown> {
    return this.#call(nestedKind.task, this.#numbers, name, value, 'no handler is named')
  }

  /** `ctx.group.main`. */
  main(name: string, value: unknown): Promise<unknown> {
    return this.#call(nestedKind.mainTask, this.#mainNumbers, name, value, "the group's option main has no")
  }

  /** With an atomic load. What waits for room is work too: nobody tells when there is some. */
  hasWork(): boolean {
    return this.#unsent.length > 0 || this.#parts.down.poll() > 0
  }

  /** Something waits for room. */
  get waits(): boolean {
    return this.#unsent.length > 0
  }

  /** Handlers whose promise has not settled, and what has not been sent. */
  get outstanding(): number {
    return this.#running + this.#unsent.length
  }

  /** Takes what has arrived, and sends what had no room; returns how many descriptors it took. */
  turn(): number {
    if (this.#unsent.length > 0) this.#sendUnsent()
    const { down } = this.#parts
    const ready = Math.min(down.poll(), turnMax)
    this.spentUs = 0
    if (ready > 0) {
      const start = performance.now()
      for (let i = 0; i < ready; i++) {
        const at = down.peek()
        down.advance()
        this.#take(at)
      }
      down.release()
      this.spentUs = (performance.now() - start) * 1000
    }
    this.publish() // no microtask runs before this thread sleeps, if it took nothing
    return ready
  }

  /** Whatever has been written is seen by the group's thread. */
  publish(): void {
    const { up, ringCaller } = this.#parts
    if (up.pending === 0) return
    up.publish()
    ringCaller()
  }

  #call(kind: number, numbers: ReadonlyMap<string, number>, name: string, value: unknown, problem: string): Promise<unknown> {
    const number = numbers.get(name)
    if (number === undefined) return Promise.reject(refusal('ERR_PERCORE_NO_SUCH_HANDLER', `${problem} '${name}'. There are: ${[...numbers.keys()].join(', ') || 'none'}.`))
    if (this.#unsent.length >= waitingMax) return Promise.reject(refusal('ERR_PERCORE_QUEUE_FULL', `${waitingMax} calls of this worker wait for room. Await some of them.`))
    return new Promise((resolve, reject) => {
      const task = this.#nextCall
      const generation = this.#generation
      this.#nextCall = (task + 1) & 0x3fff_ffff
      this.#calls.set(task, { resolve, reject, generation })
      this.#send({ kind, number, task, generation, value })
    })
  }

  /** Sends it, or keeps it until there is room; first come first served. */
  #send(message: Unsent): void {
    if (!this.#announced) {
      this.#announced = true
      this.#parts.announce()
    }
    if (this.#unsent.length === 0 && !this.#encoding && this.#trySend(message)) this.#scheduleFlush()
    else {
      takeWaiting(message.value)
      this.#unsent.push(message)
      this.#parts.keepTurning()
    }
  }

  #sendUnsent(): void {
    let sent = 0
    while (sent < this.#unsent.length && !this.#encoding && this.#trySend(this.#unsent[sent])) sent++
    this.#unsent = this.#unsent.slice(sent)
    if (sent > 0) this.#scheduleFlush()
  }

  /** False when the lane is full. What cannot be cloned fails its own call, here or where it was made. */
  #trySend(message: Unsent): boolean {
    const { up, codec } = this.#parts
    const at = up.claim()
    if (at < 0) return false
    const { kind, number, task, generation, value } = message
    let sent: number = kind
    let tag: number
    this.#encoding = true // a getter of the value may call too, and would take the same slot
    try {
      tag = kind === nestedKind.failed ? codec.encodeError(value, at + descriptor.payload) : codec.encode(value, at + descriptor.payload)
    } catch (error) {
      if (kind !== nestedKind.done) {
        this.#settle(task, generation, (call) => call.reject(error))
        return true
      }
      sent = nestedKind.failed
      tag = codec.encodeError(error, at + descriptor.payload)
    } finally {
      this.#encoding = false
    }
    this.#i32[at + descriptor.head] = number | (tag << 16) | (sent << 24)
    this.#i32[at + descriptor.task] = task
    this.#i32[at + descriptor.generation] = generation
    up.commit()
    return true
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    queueMicrotask(() => {
      this.#flushScheduled = false
      this.publish()
    })
  }

  #take(at: number): void {
    const head = this.#i32[at + descriptor.head]
    const task = this.#i32[at + descriptor.task]
    const generation = this.#i32[at + descriptor.generation]
    const tag = (head >>> 16) & 0xff
    const kind = head >>> 24
    const { codec } = this.#parts
    if (kind === nestedKind.task) return this.#start(head & 0xffff, tag, at, task, generation)
    if (this.#calls.get(task)?.generation !== generation) return codec.release(tag, at + descriptor.payload)
    let value: unknown
    try {
      value = codec.decode(tag, at + descriptor.payload)
    } catch (error) {
      return this.#settle(task, generation, (call) => call.reject(error)) // what another thread could send need not be what this one can rebuild
    }
    this.#settle(task, generation, kind === nestedKind.done ? (call) => call.resolve(value) : (call) => call.reject(value))
  }

  #settle(task: number, generation: number, settle: (call: Waiting) => void): void {
    const call = this.#calls.get(task)
    if (call?.generation !== generation) return
    this.#calls.delete(task)
    settle(call)
  }

  #start(number: number, tag: number, at: number, task: number, generation: number): void {
    const { codec, handlers, context, starting } = this.#parts
    const answer = (kind: number, value: unknown): void => this.#send({ kind, number: 0, task, generation, value })
    let result: unknown
    starting(true)
    try {
      result = handlers[number](codec.decode(tag, at + descriptor.payload) as never, context)
    } catch (error) {
      return answer(nestedKind.failed, error)
    } finally {
      starting(false)
    }
    if (!isThenable(result)) return answer(nestedKind.done, result)
    this.#running++
    result.then(
      (value) => {
        this.#running--
        answer(nestedKind.done, value)
      },
      (error: unknown) => {
        this.#running--
        answer(nestedKind.failed, error)
      },
    )
  }
}

/**
 * The worker's loop with what comes of nested calls. `openAt` is the word that is 1 once the group's thread has sent this one anything: before that, and
 * before anything waits here for room, a turn costs no more than without. That word says nothing about whether it may sleep.
 */
export function withNested(loop: Loop, nested: Nested, i32: Int32Array, openAt: number): Loop {
  const mayHaveWork = (): boolean => i32[openAt] !== 0 || nested.waits
  return {
    ...loop,
    turn: (budgetUs) => {
      const count = loop.turn(budgetUs)
      return mayHaveWork() ? count + nested.turn() : count
    },
    spentUs: () => loop.spentUs() + nested.spentUs,
    hasWork: () => loop.hasWork() || (mayHaveWork() && nested.hasWork()),
    outstanding: () => loop.outstanding() + nested.outstanding,
  }
}

function numbersOf(names: readonly string[]): ReadonlyMap<string, number> {
  return new Map(names.map((name, number) => [name, number]))
}

function refusal(code: ErrorCode, message: string): PercoreError {
  return new PercoreError(code, message)
}
