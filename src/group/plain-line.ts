/**
 * The line of calls without options that any worker may take: in arrays and not as objects, since it is they that come by the hundred thousand, and
 * whatever lives is copied by the garbage collector. One thread.
 *
 * Invariant: first come, first served; what was served is not reachable from here.
 */
import { type Call, makeCall } from './call.js'
import type { Reject, Resolve } from './slab.js'

/** Gives a call to a worker. */
export type Give = (worker: number, handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined) => void

/** Places within an entry. */
const [turnAt, handlerAt, valueAt, resolveAt, rejectAt, entrySize] = [0, 1, 2, 3, 4, 5]

/** Entries of one array: small enough for the young generation, which takes at most 128 KiB at once. */
const chunkEntries = 1024
const chunkSize = chunkEntries * entrySize
const blank: readonly unknown[] = Array.from({ length: chunkSize })

export class PlainLine {
  length = 0
  #chunks: unknown[][] = []
  /** In the first chunk the oldest, and in the last the end. */
  #head = 0
  #end = chunkSize

  /** The turn of the one that has waited longest; Infinity when none waits. */
  get firstTurn(): number {
    return this.length === 0 ? Infinity : (this.#chunks[0][this.#head + turnAt] as number)
  }

  push(turn: number, handler: number, value: unknown, resolve: Resolve, reject: Reject | undefined): void {
    if (this.#end === chunkSize) {
      this.#chunks.push(blank.slice())
      this.#end = 0
    }
    const chunk = this.#chunks[this.#chunks.length - 1]
    const at = this.#end
    chunk[at + turnAt] = turn
    chunk[at + handlerAt] = handler
    chunk[at + valueAt] = value
    chunk[at + resolveAt] = resolve
    chunk[at + rejectAt] = reject
    this.#end = at + entrySize
    this.length++
  }

  /** Takes out the one that has waited longest, for that worker. There must be one. */
  shift(worker: number, give: Give): void {
    const chunk = this.#chunks[0]
    const at = this.#head
    const handler = chunk[at + handlerAt] as number
    const value = chunk[at + valueAt]
    const resolve = chunk[at + resolveAt] as Resolve
    const reject = chunk[at + rejectAt] as Reject | undefined
    this.#step()
    give(worker, handler, value, resolve, reject)
  }

  /** The same as an object that has waited. */
  shiftCall(): Call {
    const entry = this.#chunks[0].slice(this.#head, this.#head + entrySize)
    this.#step()
    const [turn, handler, value, resolve, reject] = entry as [number, number, unknown, Resolve, Reject | undefined]
    return Object.assign(makeCall(handler, value, resolve, reject), { turn, stampWeight: 0 })
  }

  #step(): void {
    this.#chunks[0].fill(undefined, this.#head + valueAt, this.#head + entrySize)
    this.length--
    this.#head += entrySize
    if (this.#head < chunkSize && this.length > 0) return
    this.#chunks.shift()
    this.#head = 0
    if (this.length === 0) this.#end = chunkSize
  }
}
