/** Calls that wait for a worker with room, first come first served. One thread. */
import type { Reject, Resolve } from './slab.js'

export interface WaitingCall {
  readonly handler: number
  readonly value: unknown
  readonly resolve: Resolve
  readonly reject: Reject
}

/** Served entries are cut off in strides: one copy per so many calls, and none of what was served stays reachable for long. */
const stride = 4096

export class WaitingLine {
  #calls: WaitingCall[] = []
  #head = 0

  get length(): number {
    return this.#calls.length - this.#head
  }

  push(call: WaitingCall): void {
    this.#calls.push(call)
  }

  /** The one that has waited longest; only when `length` is not 0. */
  shift(): WaitingCall {
    const call = this.#calls[this.#head++]
    if (this.#head === this.#calls.length || this.#head === stride) {
      this.#calls = this.#calls.slice(this.#head)
      this.#head = 0
    }
    return call
  }
}
