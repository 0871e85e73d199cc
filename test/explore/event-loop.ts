/**
 * A thread's event loop, for code that needs one: immediates, timers, microtasks and promises that run when the body of a scenario's thread turns it, so that
 * it stays one function whose every step the explorer decides. One thread each.
 */
import { settled, shared } from '../../src/base/index.js'
import { aborted, killed } from './turnstile.js'
import type { Stage } from './scenario.js'

type Task = () => void

/** Turns without a sleep after which another thread gets a chance: it may be what this one looks for. */
const turnsInARow = 4

let microtasks: Task[] = []
let immediates: Task[] = []
let timers: Task[] = []

/** Puts it in place of the host's, empty. Clocks go on by so much whenever they are read. */
export function installEventLoop(clockStepMs: number): void {
  microtasks = []
  immediates = []
  timers = []
  let nowMs = 0
  performance.now = () => (nowMs += clockStepMs)
  globalThis.queueMicrotask = (task) => void microtasks.push(task)
  // oxlint-disable-next-line unicorn/no-thenable
  settled.then = ((task: Task) => void microtasks.push(task)) as unknown as typeof settled.then
  globalThis.setImmediate = ((task: Task) => {
    immediates.push(task)
    return { unref: () => {} }
  }) as unknown as typeof setImmediate
  globalThis.setTimeout = ((task: Task) => void timers.push(task)) as unknown as typeof setTimeout
  globalThis.Promise = HandPromise as unknown as PromiseConstructor
}

/** Whether anything but a message will wake it. */
export function hasTimers(): boolean {
  return timers.length > 0
}

/** Turns it until `isDone`; timers run when nothing else is to be done, and with none it sleeps until a message comes to the box. */
export function turnEventLoop(stage: Stage, box: number, onMessage: Task, isDone: () => boolean): void {
  for (let turns = 0; ; turns++) {
    runMicrotasks()
    if (isDone()) return
    if (turns >= turnsInARow) stage.yield()
    if (immediates.length === 0 && timers.length === 0) {
      turns = 0
      stage.receive(box)
      onMessage()
      continue
    }
    if (shared.exchange(stage.i32, box, 0) !== 0) onMessage()
    runMicrotasks()
    const due = immediates.length > 0 ? immediates.splice(0) : timers.splice(0)
    for (const task of due) {
      task()
      runMicrotasks()
    }
  }
}

function runMicrotasks(): void {
  for (let task = microtasks.shift(); task !== undefined; task = microtasks.shift()) task()
}

/** As much of a promise as the code under exploration uses: reactions are microtasks, but death is not caught. */
class HandPromise {
  #state: 'pending' | 'resolved' | 'rejected' = 'pending'
  #value: unknown
  #reactions: Task[] = []

  constructor(executor: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => void) {
    executor((value) => this.#resolve(value), (reason) => this.#settle('rejected', reason))
  }

  static resolve(value?: unknown): HandPromise {
    return new HandPromise((resolve) => resolve(value))
  }

  static reject(reason: unknown): HandPromise {
    return new HandPromise((_, reject) => reject(reason))
  }

  static all(values: readonly PromiseLike<unknown>[]): HandPromise {
    return new HandPromise((resolve, reject) => {
      const results: unknown[] = []
      let left = values.length
      if (left === 0) resolve(results)
      for (const [index, value] of values.entries()) {
        value.then((result) => {
          results[index] = result
          if (--left === 0) resolve(results)
        }, reject)
      }
    })
  }

  // oxlint-disable-next-line unicorn/no-thenable
  then(fulfilled?: (value: unknown) => unknown, rejected?: (reason: unknown) => unknown): HandPromise {
    return new HandPromise((resolve, reject) => {
      const react = (): void => {
        const reaction = this.#state === 'resolved' ? fulfilled : rejected
        if (reaction === undefined) return this.#state === 'resolved' ? resolve(this.#value) : reject(this.#value)
        let result: unknown
        try {
          result = reaction(this.#value)
        } catch (reason) {
          if (reason === killed || reason === aborted) throw reason
          return reject(reason)
        }
        resolve(result)
      }
      if (this.#state === 'pending') this.#reactions.push(react)
      else microtasks.push(react)
    })
  }

  #resolve(value: unknown): void {
    if (value instanceof HandPromise) microtasks.push(() => void value.then((result) => this.#settle('resolved', result), (reason) => this.#settle('rejected', reason)))
    else this.#settle('resolved', value)
  }

  #settle(state: 'resolved' | 'rejected', value: unknown): void {
    if (this.#state !== 'pending') return
    this.#state = state
    this.#value = value
    microtasks.push(...this.#reactions)
    this.#reactions = []
  }
}
