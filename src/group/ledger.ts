/**
 * Who holds how much and who may be given more: the credits of each worker, and which of them serve. Balancers see it as their load view. It belongs
 * to the group's thread.
 *
 * Invariant: of each worker, credits + tasks in flight = depth, less {@link shutCredits} while it is shut; of one that was given up, credits are far below zero. So
 * who has credits may be given a task, whatever else he is.
 *
 * What is counted for every task lies in typed arrays, which V8 reads without looking what it found.
 */
import { cells, type PercoreError, shared } from '../base/index.js'
import { doorbellMode } from '../ring/index.js'
import type { LoadView } from './balance.js'

/** Credits of a worker that was given up: no completion will bring it back above zero. */
const noCredits = -(2 ** 30)

/** Taken off a worker's credits while it is shut: it looks full to everybody, and its own completions count on. */
const shutCredits = 2 ** 28

/** Places in {@link Ledger.counts}. */
export const count = {
  /** Tasks pushed and not yet settled. */
  inFlight: 0,
  /** Workers that are given tasks: 0 … workers − 1. */
  workers: 1,
  /** Workers whose lanes are in use: those that were retired and have something left are among them. */
  open: 2,
  membership: 3,
} as const
const { inFlight, workers, open, membership } = count

export class Ledger {
  readonly credits: Int32Array
  readonly counts: Int32Array = cells(4)
  /** The most tasks each worker has held at the end of a turn that pushed some. */
  readonly depthMax: Int32Array
  /** For balancers. */
  readonly view: LoadView
  readonly #depth: number
  readonly #lost: (PercoreError | undefined)[]
  readonly #shut = new Set<number>()

  /** `all` is how many workers there can be, `first` how many there are; `doorbells` are the words of theirs in `i32`. */
  constructor(i32: Int32Array, doorbells: readonly number[], depth: number, all: number, first: number) {
    const { counts } = this
    const credits = cells(all).fill(depth)
    const lost: (PercoreError | undefined)[] = Array.from({ length: all })
    this.credits = credits
    this.depthMax = new Int32Array(all)
    this.#depth = depth
    this.#lost = lost
    counts[workers] = first
    counts[open] = first
    for (let worker = first; worker < all; worker++) this.shut(worker)
    this.view = new View(this, lost, i32, doorbells)
  }

  /** How many tasks a worker holds. */
  inFlight(worker: number): number {
    if (this.#lost[worker] !== undefined) return 0
    return this.#depth - this.credits[worker] - (this.#shut.has(worker) ? shutCredits : 0)
  }

  isShut(worker: number): boolean {
    return this.#shut.has(worker)
  }

  /** Why a worker was given up. */
  lost(worker: number): PercoreError | undefined {
    return this.#lost[worker]
  }

  /** Why no worker is left, when none is. */
  allLost(): PercoreError | undefined {
    const { counts } = this
    if (counts[membership] === 0) return undefined
    for (let worker = 0; worker < counts[workers]; worker++) if (this.#lost[worker] === undefined) return undefined
    return this.#lost[0]
  }

  /** One more may be given tasks. */
  admit(): void {
    const { counts } = this
    this.#serveAgain(counts[workers]++)
    counts[open] = Math.max(counts[open], counts[workers])
  }

  /** The last is given none any more; its number. */
  retire(): number {
    this.counts[membership]++
    return --this.counts[workers]
  }

  lose(worker: number, error: PercoreError): void {
    this.#lost[worker] = error
    this.#shut.delete(worker)
    this.credits[worker] = noCredits
    this.counts[membership]++
  }

  /** One that was given up has come back, with nothing in its lanes. */
  reinstate(worker: number): void {
    this.#serveAgain(worker)
  }

  shut(worker: number): void {
    if (this.#lost[worker] !== undefined || this.#shut.has(worker)) return
    this.#shut.add(worker)
    this.credits[worker] -= shutCredits
  }

  reopen(worker: number): void {
    if (this.#shut.delete(worker)) this.credits[worker] += shutCredits
  }

  /** At the end of a turn that pushed tasks. */
  noteDepth(worker: number): void {
    const held = this.#depth - this.credits[worker]
    if (held > this.depthMax[worker] && held <= this.#depth) this.depthMax[worker] = held // more: it is shut, or lost
  }

  #serveAgain(worker: number): void {
    this.#lost[worker] = undefined
    this.#shut.delete(worker)
    this.credits[worker] = this.#depth
    this.counts[membership]++
  }
}

/** A class, since V8 makes a call of each getter of an object literal; a balancer is run for every task. */
class View implements LoadView {
  readonly #ledger: Ledger
  readonly #credits: Int32Array
  readonly #counts: Int32Array
  readonly #lost: readonly (PercoreError | undefined)[]
  readonly #i32: Int32Array
  readonly #doorbells: readonly number[]

  constructor(ledger: Ledger, lost: readonly (PercoreError | undefined)[], i32: Int32Array, doorbells: readonly number[]) {
    this.#ledger = ledger
    this.#credits = ledger.credits
    this.#counts = ledger.counts
    this.#lost = lost
    this.#i32 = i32
    this.#doorbells = doorbells
  }

  get workers(): number {
    return this.#counts[workers]
  }

  get inFlightTotal(): number {
    return this.#counts[inFlight]
  }

  get membership(): number {
    return this.#counts[membership]
  }

  room(worker: number): number {
    const credits = this.#credits[worker]
    return credits > 0 ? credits : 0
  }

  inFlight(worker: number): number {
    return this.#ledger.inFlight(worker)
  }

  isAwake(worker: number): boolean {
    return shared.load(this.#i32, this.#doorbells[worker]) === doorbellMode.running
  }

  serves(worker: number): boolean {
    return worker < this.#counts[workers] && this.#lost[worker] === undefined
  }
}
