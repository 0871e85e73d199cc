/**
 * What tasks of one thread tell each other: that something has happened (Event, Oneshot), has changed (Watch), comes to all (Broadcast), or that
 * the last has left (Gate). One thread.
 *
 * Invariant: none keeps a wait that could be fired.
 */
import { PercoreError } from '../base/index.js'
import { Channel } from './channel.js'
import { Outcome } from './outcome.js'
import { phase, type Source, Wait, Waitable, WaitList } from './wait.js'

/**
 * A flag to wait for. Everyone who waits goes on when it is set, and nobody waits while it is.
 *
 * @example
 * ```ts
 * import { Event, Exec } from 'percore/exec'
 *
 * const exec = new Exec()
 * const ready = new Event()
 * exec.spawn(function* () {
 *   yield* ready
 *   console.log('go') // go
 * })
 * exec.spawn(() => ready.set())
 * exec.runUntilIdle()
 * ```
 */
export class Event extends Waitable<void> {
  #set = false
  readonly #waits: WaitList = new WaitList()
  readonly #source: Source = {
    begin: (wait) => {
      if (this.#set) wait.fire(undefined)
      else this.#waits.push(wait)
    },
    leave: (wait) => this.#waits.remove(wait),
    undo: () => {},
  }

  get isSet(): boolean {
    return this.#set
  }

  set(): void {
    this.#set = true
    for (let wait = this.#waits.shift(); wait !== undefined; wait = this.#waits.shift()) wait.fire(undefined)
  }

  /** Whoever comes from now on waits. */
  reset(): void {
    this.#set = false
  }

  override wait(): Wait<void> {
    return new Wait<void>(this.#source, undefined)
  }
}

/**
 * One value, once, for everyone who waits: a promise that coroutines can `yield*` and anyone can settle.
 *
 * @example
 * ```ts
 * import { Exec, Oneshot } from 'percore/exec'
 *
 * const exec = new Exec()
 * const answer = new Oneshot<number>()
 * exec.spawn(function* () { console.log(yield* answer) }) // 42
 * exec.spawn(() => answer.resolve(42))
 * exec.runUntilIdle()
 * ```
 */
export class Oneshot<T> extends Waitable<T> {
  readonly #outcome: Outcome = new Outcome()

  get settled(): boolean {
    return this.#outcome.phase !== phase.waiting
  }

  /** False if it was settled before. */
  resolve(value: T): boolean {
    if (this.settled) return false
    this.#outcome.finished(0, value)
    return true
  }

  /** False if it was settled before. */
  reject(error: unknown): boolean {
    if (this.settled) return false
    this.#outcome.failed(0, error)
    return true
  }

  override wait(): Wait<T> {
    return new Wait<T>(this.#outcome, undefined)
  }
}

/**
 * A value that changes, of which only the latest matters. Remember its version when you look, and wait for a later one: no change is missed.
 *
 * @example
 * ```ts
 * import { Exec, Watch } from 'percore/exec'
 *
 * const exec = new Exec()
 * const level = new Watch(1)
 * exec.spawn(function* () {
 *   const seen = level.version
 *   yield* level.after(seen)
 *   console.log(level.value) // 3
 * })
 * exec.spawn(() => {
 *   level.set(2)
 *   level.set(3)
 * })
 * exec.runUntilIdle()
 * ```
 */
export class Watch<T> {
  #value: T
  #version = 0
  readonly #waits: WaitList = new WaitList()
  readonly #source: Source = {
    begin: (wait) => {
      if (this.#version > (wait.item as number)) wait.fire(this.#value)
      else this.#waits.push(wait)
    },
    leave: (wait) => this.#waits.remove(wait),
    undo: () => {},
  }

  constructor(value: T) {
    this.#value = value
  }

  get value(): T {
    return this.#value
  }

  /** How often it was set. */
  get version(): number {
    return this.#version
  }

  set(value: T): void {
    this.#value = value
    this.#version++
    for (let wait = this.#waits.shift(); wait !== undefined; wait = this.#waits.shift()) wait.fire(value)
  }

  /** Waits until the version is above `version`, and gives the value it had then: `value` may be a later one already. */
  after(version: number): Wait<T> {
    return new Wait<T>(this.#source, version)
  }
}

/**
 * Every value to every subscriber. Sending never waits: a subscriber that is `capacity` values behind misses the oldest, and is told how many.
 *
 * @example
 * ```ts
 * import { Broadcast, Exec } from 'percore/exec'
 *
 * const exec = new Exec()
 * const news = new Broadcast<string>(16)
 * for (let n = 0; n < 2; n++) {
 *   const subscription = news.subscribe()
 *   exec.spawn(function* () { console.log(yield* subscription.receive()) }) // hello, hello
 * }
 * news.send('hello')
 * exec.runUntilIdle()
 * ```
 */
export class Broadcast<T> {
  readonly #capacity: number
  readonly #subscriptions: Set<Subscription<T>> = new Set()

  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) {
      throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `a broadcast's capacity must be a whole number above 0, not ${capacity}`)
    }
    this.#capacity = capacity
  }

  get subscribers(): number {
    return this.#subscriptions.size
  }

  /** From now on, until it is closed. */
  subscribe(): Subscription<T> {
    const subscription = new Subscription<T>(this.#capacity, () => this.#subscriptions.delete(subscription))
    this.#subscriptions.add(subscription)
    return subscription
  }

  /** Returns how many get it. */
  send(value: T): number {
    for (const subscription of this.#subscriptions) subscription.offer(value)
    return this.#subscriptions.size
  }

  /** Subscribers get what they have not received yet, then `undefined`. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.close()
  }
}

/** One subscriber's end of a {@link Broadcast}. */
export class Subscription<T> {
  readonly #channel: Channel<T>
  readonly #leave: () => void
  #missed = 0

  constructor(capacity: number, leave: () => void) {
    this.#channel = new Channel<T>(capacity)
    this.#leave = leave
  }

  /** Values dropped because this subscriber was too slow. */
  get missed(): number {
    return this.#missed
  }

  /** The next value; `undefined` when it is closed and everything received. */
  receive(): Wait<T | undefined> {
    return this.#channel.receive()
  }

  /** By the broadcast: a value, at the price of the oldest if there is no room. */
  offer(value: T): void {
    if (this.#channel.trySend(value) || this.#channel.closed) return
    this.#channel.tryReceive()
    this.#missed++
    this.#channel.trySend(value)
  }

  /** Leaves the broadcast. Idempotent. */
  close(): void {
    this.#leave()
    this.#channel.close()
  }
}

/**
 * Counts who is inside, and closes when the last has left: for an orderly end.
 *
 * @example
 * ```ts
 * import { Exec, Gate } from 'percore/exec'
 *
 * const exec = new Exec()
 * const gate = new Gate()
 * exec.spawn(function* () {
 *   gate.enter()
 *   yield* exec.sleep(1)
 *   gate.leave()
 * })
 * exec.spawn(function* () {
 *   yield* gate.close()
 *   console.log(gate.inside) // 0
 * })
 * await exec.run()
 * ```
 */
export class Gate {
  #inside = 0
  #closing = false
  readonly #empty: Event = new Event()

  get inside(): number {
    return this.#inside
  }

  /** Throws ERR_PERCORE_CLOSED once the gate is being closed. Leave once for each time. */
  enter(): void {
    if (this.#closing) throw new PercoreError('ERR_PERCORE_CLOSED', 'the gate is closed: nobody enters any more')
    this.#inside++
  }

  leave(): void {
    if (this.#inside === 0) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', 'nobody is inside the gate; leave once for each time you entered')
    this.#inside--
    if (this.#closing && this.#inside === 0) this.#empty.set()
  }

  /** Lets nobody in any more, and waits until the last has left. Idempotent. */
  close(): Wait<void> {
    this.#closing = true
    if (this.#inside === 0) this.#empty.set()
    return this.#empty.wait()
  }
}
