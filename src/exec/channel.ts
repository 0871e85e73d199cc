/**
 * A bounded channel between tasks of one thread: values in order, each to one receiver. One thread.
 *
 * Invariant: values wait only while no receiver does, senders wait only while the channel is full; both are served first come, first served.
 */
import { PercoreError } from '../base/index.js'
import { type Source, Wait, WaitList } from './wait.js'

/**
 * Use it to pass values from coroutine to coroutine and have a fast sender wait for a slow receiver. Capacity 0 makes each `send` wait for its
 * `receive`.
 *
 * @example
 * ```ts
 * import { Channel, Exec } from 'percore/exec'
 *
 * const exec = new Exec()
 * const numbers = new Channel<number>(2)
 * exec.spawn(function* () {
 *   for (let n = 1; n <= 3; n++) yield* numbers.send(n)
 *   numbers.close()
 * })
 * exec.spawn(function* () {
 *   for (let n = yield* numbers.receive(); n !== undefined; n = yield* numbers.receive()) console.log(n) // 1, 2, 3
 * })
 * exec.runUntilIdle()
 * ```
 */
export class Channel<T> {
  /** Values that wait at most; without those of waiting senders. */
  readonly capacity: number
  readonly #values: T[] = []
  /** Where the oldest value lies; those before it are gone. */
  #first = 0
  readonly #senders: WaitList = new WaitList()
  readonly #receivers: WaitList = new WaitList()
  readonly #send: Source
  readonly #receive: Source
  #closed = false

  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 0) {
      throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `a channel's capacity must be a whole number, not ${capacity}`)
    }
    this.capacity = capacity
    this.#send = { begin: (wait) => this.#beginSend(wait), leave: (wait) => this.#senders.remove(wait), undo: () => {} }
    this.#receive = {
      begin: (wait) => this.#beginReceive(wait as Wait<T | undefined>),
      leave: (wait) => this.#receivers.remove(wait),
      undo: (wait) => { if (wait.result !== undefined) this.#giveBack(wait.result as T) },
    }
  }

  /** Values that wait now. */
  get size(): number {
    return this.#values.length - this.#first
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Waits for room. Fails with ERR_PERCORE_CLOSED once the channel is closed. */
  send(value: T): Wait<void> {
    return new Wait<void>(this.#send, value)
  }

  /** The oldest value; waits for one. `undefined` when the channel is closed and empty. */
  receive(): Wait<T | undefined> {
    return new Wait<T | undefined>(this.#receive, undefined)
  }

  /** False when there is no room, or the channel is closed. */
  trySend(value: T): boolean {
    if (this.#closed) return false
    const receiver = this.#receivers.shift()
    if (receiver !== undefined) receiver.fire(value)
    else if (this.size < this.capacity) this.#values.push(value)
    else return false
    return true
  }

  /** `undefined` when there is none now. */
  tryReceive(): T | undefined {
    if (this.size === 0) {
      const sender = this.#senders.shift()
      sender?.fire(undefined)
      return sender?.item as T | undefined
    }
    const value = this.#shift()
    const sender = this.size < this.capacity ? this.#senders.shift() : undefined
    if (sender !== undefined) {
      this.#values.push(sender.item as T)
      sender.fire(undefined)
    }
    return value
  }

  /** No more values come: senders that wait fail, receivers get what is there, then `undefined`. Idempotent. */
  close(): void {
    this.#closed = true
    for (let sender = this.#senders.shift(); sender !== undefined; sender = this.#senders.shift()) sender.fail(closedError())
    for (let receiver = this.#receivers.shift(); receiver !== undefined; receiver = this.#receivers.shift()) receiver.fire(undefined)
  }

  #beginSend(wait: Wait<unknown>): void {
    if (this.#closed) wait.fail(closedError())
    else if (this.trySend(wait.item as T)) wait.fire(undefined)
    else this.#senders.push(wait)
  }

  #beginReceive(wait: Wait<T | undefined>): void {
    if (this.size > 0 || this.#senders.first !== undefined) wait.fire(this.tryReceive())
    else if (this.#closed) wait.fire(undefined)
    else this.#receivers.push(wait as Wait<unknown>)
  }

  /** Of a receiver that was cancelled before it could take its value: it is the oldest again, even if the channel is full by now. */
  #giveBack(value: T): void {
    const receiver = this.#receivers.shift()
    if (receiver !== undefined) receiver.fire(value)
    else if (this.#first > 0) this.#values[--this.#first] = value
    else this.#values.unshift(value)
  }

  #shift(): T {
    const value = this.#values[this.#first] as T
    this.#values[this.#first++] = undefined as T
    if (this.#first === this.#values.length || this.#first > 2 * this.capacity + 32) {
      this.#values.splice(0, this.#first)
      this.#first = 0
    }
    return value
  }
}

const closedError = (): PercoreError => new PercoreError('ERR_PERCORE_CLOSED', 'the channel is closed: nothing more can be sent')
