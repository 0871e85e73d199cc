/**
 * Decides for which worker a task is: the one its call names, else its key's, else the balancer's choice. On the group's thread.
 *
 * Invariant: what it returns is a worker that serves, or `anyWorker`; whatever else a balancer says is an error of that call.
 */
import { PercoreError } from '../base/index.js'
import { balance, type Balancer, type Keys, keysOf, type LoadView, type Placement, type TaskView } from './balance.js'
import { anyWorker, argumentOf, type Call } from './call.js'

/** What a {@link Placement} sees: one object for all tasks. */
class TaskInView implements TaskView {
  number = 0
  value: unknown
  key: string | number | undefined
  readonly #names: () => readonly string[]

  constructor(names: () => readonly string[]) {
    this.#names = names
  }

  get handler(): string {
    return this.#names()[this.number] ?? '' // a function sent along has no name
  }
}

export interface PlacerParts {
  readonly load: LoadView
  readonly balancer: Balancer | Placement
  /** The handlers' names by number. */
  readonly names: () => readonly string[]
  /** Why a worker takes no tasks, when it was given up. */
  readonly lost: (worker: number) => PercoreError | undefined
}

export class Placer {
  readonly #load: LoadView
  readonly #lost: (worker: number) => PercoreError | undefined
  /** Chooses by load alone; undefined when the group looks at the tasks. */
  readonly balancer: Balancer | undefined
  readonly #placement: Placement
  /** Where calls with a key go when the group does not look at the tasks; made when first needed. */
  #byKey: Placement | undefined
  readonly #task: TaskInView
  #keys: Keys | undefined

  constructor(parts: PlacerParts) {
    const { load, balancer } = parts
    this.#load = load
    this.#lost = parts.lost
    this.#task = new TaskInView(parts.names)
    this.balancer = typeof balancer === 'function' ? undefined : balancer
    this.#placement = typeof balancer === 'function' ? balancer : () => balancer.pick(load)
    this.#keys = keysOf(this.#placement)
  }

  /** The keys of which this group promises that their order is kept, once there are any. */
  get keys(): Keys | undefined {
    return this.#keys
  }

  /** The part of the keys that the task had which was placed last by its key, or −1. */
  get part(): number {
    return this.#keys === undefined ? -1 : this.#keys.part
  }

  /** Throws what the group's own placement throws, and ERR_PERCORE_INVALID_OPTION for a worker that is none. */
  place(call: Call): number {
    call.part = -1
    if (call.wanted !== anyWorker) return this.#check(call.wanted)
    const worker = this.choose(call.handler, call.value, call.key)
    if (call.key !== undefined || this.balancer === undefined) call.part = this.part
    return this.#check(worker)
  }

  /** What the balancer chooses by load alone; undefined when it throws, or names no worker. */
  tryPick(): number | undefined {
    try {
      return this.#check((this.balancer as Balancer).pick(this.#load))
    } catch {
      return undefined
    }
  }

  /** `place` for a task without options; {@link anyWorker} also when it would throw. The hot path of groups that look at the tasks. */
  tryChoose(handler: number, value: unknown): number {
    try {
      return this.#check(this.choose(handler, value, undefined))
    } catch {
      return anyWorker
    }
  }

  /** The worker for a task that names none, as the balancer says it: unchecked. */
  choose(handler: number, value: unknown, key: string | number | undefined): number {
    const task = this.#task
    task.number = handler
    task.value = argumentOf(value)
    task.key = key
    const placement = key !== undefined && this.balancer !== undefined ? (this.#byKey ??= this.#makeByKey()) : this.#placement
    try {
      return placement(task, this.#load)
    } finally {
      task.value = undefined
    }
  }

  #makeByKey(): Placement {
    const placement = balance.key()
    this.#keys = keysOf(placement)
    return placement
  }

  #check(worker: number): number {
    if (worker === anyWorker) return worker
    if (!Number.isInteger(worker) || worker < 0 || worker >= this.#load.workers) {
      throw new PercoreError(
        'ERR_PERCORE_INVALID_OPTION',
        `the balancer chose worker ${String(worker)}, but there are 0 … ${this.#load.workers - 1}. Return one of these, or -1 when none has room.`,
      )
    }
    const lost = this.#lost(worker)
    if (lost !== undefined) throw lost
    return worker
  }
}
