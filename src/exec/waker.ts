/**
 * Wakers, sound by construction. A {@link Waker} is a plain object that its thread's tasks and callbacks share, and cannot be sent to another
 * thread: it owns a function, which no message can carry. A {@link RemoteWaker} stays too; what travels is its token, two numbers, and
 * what a token can do is put them into a lane. The executor that made it looks them up in its own table when it takes them out.
 *
 * Invariant: waking is remembered until it is waited for, so no order of the two loses it; a token whose waker was closed wakes nobody, also
 * when its slot belongs to another by then.
 *
 * ```
 *  any thread                                     the executor's thread
 *    wakeRemote(lane, token)  (slot, generation)
 *    P1: lane.publish         ─────────────────▶   C1: take: lane.poll … generation matches? ─ yes ─▶ the waker is woken
 *    R1…R3: ring the doorbell ─────────────────▶   asleep? S1…S3 of ring/doorbell.ts        └─ no ──▶ ignored, and counted
 * ```
 *
 * A thread that dies while it wakes holds up nobody's lane but its own. What it had committed arrives once whoever joined it has called
 * `recoverProduced` on that lane and then sounded the `alarm`; until then it may owe the executor a wake-up that others count on, too.
 */
import { PercoreError } from '../base/index.js'
import type { LaneConsumer, LaneProducer } from '../ring/index.js'
import type { Inbox } from './exec.js'
import { type Source, Wait, Waitable } from './wait.js'

/**
 * Wakes one waiter on this thread, now or whenever it comes to wait: for callbacks of timers, sockets and other libraries.
 *
 * @example
 * ```ts
 * import { Exec, Waker } from 'percore/exec'
 *
 * const exec = new Exec()
 * const waker = new Waker()
 * setTimeout(waker.wake, 1)
 * await exec.run(function* () {
 *   yield* waker
 *   console.log('awake') // awake
 * })
 * ```
 */
export class Waker<T = void> extends Waitable<T> {
  /** Wakes whoever waits, or will wait next. Waking twice before that is once: the last value counts. A function of its own, see above. */
  readonly wake: (value: T) => void
  #waiter: Wait<unknown> | undefined = undefined
  #woken: { readonly value: T } | undefined = undefined
  readonly #source: Source = {
    begin: (wait) => {
      if (this.#woken !== undefined) {
        const { value } = this.#woken
        this.#woken = undefined
        wait.fire(value)
      } else if (this.#waiter === undefined) this.#waiter = wait
      else wait.fail(new PercoreError('ERR_PERCORE_INVALID_OPTION', 'two wait for the same waker; give each its own, or use an Event'))
    },
    leave: () => { this.#waiter = undefined },
    undo: (wait) => {
      if (this.#woken === undefined) this.wake(wait.result as T) // another may be waiting by now
    },
  }

  constructor() {
    super()
    this.wake = (value) => {
      const waiter = this.#waiter
      this.#waiter = undefined
      if (waiter === undefined) this.#woken = { value }
      else waiter.fire(value)
    }
  }

  override wait(): Wait<T> {
    return new Wait<T>(this.#source, undefined)
  }
}

/** What another thread needs to wake a {@link RemoteWaker}: plain numbers, to be sent in any way. */
export interface WakerToken {
  readonly slot: number
  readonly generation: number
}

/** Word 0 of a descriptor that carries a wake-up; then slot, generation and value. No task has this as its first word. */
const wakeKind = -1
const at = { kind: 0, slot: 1, generation: 2, value: 3 } as const

/**
 * Puts a wake-up into the lane to the executor of the token: any thread, with its own lane. `value` is a 32-bit integer for the waiter. False
 * when the lane is full: publish what is there before you wait for room, or there never is any. To be followed by `publish` and, if the executor
 * may sleep, `ring`: once for many wake-ups.
 */
export function wakeRemote(lane: LaneProducer, token: WakerToken, value: number = 0): boolean {
  const slot = lane.claim()
  if (slot < 0) return false
  lane.i32[slot + at.kind] = wakeKind
  lane.i32[slot + at.slot] = token.slot
  lane.i32[slot + at.generation] = token.generation
  lane.i32[slot + at.value] = value
  lane.commit()
  return true
}

/** Can be waited for here and woken from other threads, by whoever has its token. Made by `RemoteInbox.waker`. */
export class RemoteWaker extends Waitable<number> {
  readonly token: WakerToken
  readonly #waker: Waker<number>
  readonly #close: () => void

  /** By the inbox. */
  constructor(token: WakerToken, waker: Waker<number>, close: () => void) {
    super()
    this.token = token
    this.#waker = waker
    this.#close = close
  }

  override wait(): Wait<number> {
    return this.#waker.wait()
  }

  /** From now on its token wakes nobody. Idempotent. */
  close(): void {
    this.#close()
  }
}

/**
 * The inbox of an executor for wake-ups from another thread, through a lane. One for each lane, for as long as anyone has its tokens: another would
 * take them for its own. The executor's thread consumes it. While there is work it costs nothing; a turn costs one atomic operation, or two when
 * something came.
 *
 * @example
 * ```ts
 * import { isMainThread, Worker, workerData } from 'node:worker_threads'
 * import { Exec, RemoteInbox, wakeRemote } from 'percore/exec'
 * import { doorbellWords, initLane, LaneConsumer, LaneProducer, laneWords, ring, Sleeper } from 'percore/ring'
 *
 * const lane = doorbellWords
 * if (isMainThread) {
 *   const i32 = new Int32Array(new SharedArrayBuffer(4 * (doorbellWords + laneWords(8))))
 *   initLane(i32, lane)
 *   const exec = new Exec()
 *   const inbox = new RemoteInbox(new LaneConsumer(i32, lane, 8))
 *   exec.inbox = inbox
 *   const waker = inbox.waker()
 *   exec.spawn(function* () { console.log(yield* waker) }) // 42
 *   new Worker(new URL(import.meta.url), { workerData: { i32, token: waker.token } })
 *   const sleeper = new Sleeper(i32, 0, () => exec.hasWork())
 *   while (exec.tasks > 0) if (exec.turn() === 0) sleeper.block()
 * } else {
 *   const { i32, token } = workerData
 *   const producer = new LaneProducer(i32, lane, 8)
 *   wakeRemote(producer, token, 42)
 *   producer.publish()
 *   ring(i32, 0, () => undefined)
 * }
 * ```
 */
export class RemoteInbox implements Inbox {
  readonly #lane: LaneConsumer
  readonly #onMessage: (slot: number) => void
  readonly #wakers: (Waker<number> | undefined)[] = []
  readonly #generation: number[] = []
  readonly #free: number[] = []
  #stale = 0

  /** `onMessage` is told the word index of each descriptor that is no wake-up, while it may be read: for a lane that carries tasks too. */
  constructor(lane: LaneConsumer, onMessage: (slot: number) => void = refuse) {
    this.#lane = lane
    this.#onMessage = onMessage
  }

  /** A new waker. Close it when nobody needs it any more: until then it stays in the table. */
  waker(): RemoteWaker {
    const slot = this.#free.pop() ?? this.#wakers.length
    const waker = new Waker<number>()
    const generation = this.#generation[slot] ?? 0
    this.#generation[slot] = generation
    this.#wakers[slot] = waker
    return new RemoteWaker({ slot, generation }, waker, () => this.#close(slot, generation))
  }

  /** Wake-ups that came for wakers closed by then. */
  get stale(): number {
    return this.#stale
  }

  hasWork(): boolean {
    return this.#lane.poll() > 0
  }

  take(): void {
    const lane = this.#lane
    const ready = lane.poll() // C1
    if (ready === 0) return
    for (let i = 0; i < ready; i++) {
      const slot = lane.peek()
      const { i32 } = lane
      if (i32[slot + at.kind] === wakeKind) this.#wake(i32[slot + at.slot], i32[slot + at.generation], i32[slot + at.value])
      else this.#onMessage(slot)
      lane.advance()
    }
    lane.release()
  }

  #wake(slot: number, generation: number, value: number): void {
    if (this.#generation[slot] === generation) this.#wakers[slot]?.wake(value)
    else this.#stale++
  }

  #close(slot: number, generation: number): void {
    if (this.#generation[slot] !== generation) return
    this.#generation[slot] = (generation + 1) | 0
    this.#wakers[slot] = undefined
    this.#free.push(slot)
  }
}

function refuse(): never {
  throw new PercoreError('ERR_PERCORE_INVARIANT', 'a lane of wake-ups carried something else; give the inbox an onMessage')
}
