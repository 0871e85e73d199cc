/**
 * A value that is sent with things that move: what `postMessage` takes as its list of transfer. On the sender's thread.
 *
 * Invariant: what moves is taken from its owner once. If it has to wait for its turn after the call has returned, it is taken at once, and waits here.
 */
import { PercoreError } from '../base/index.js'
import { isDetached } from './not-cloneable.js'

export class Moved {
  value: unknown
  transfer: readonly object[]
  #isTaken = false

  constructor(value: unknown, transfer: readonly object[]) {
    this.value = value
    this.transfer = transfer
  }

  /** Throws ERR_PERCORE_NOT_TRANSFERABLE for what has moved before: some engines send an empty buffer in its place. */
  check(): void {
    if (this.transfer.some(isDetached)) throw notTransferable('an ArrayBuffer has been transferred before, so its bytes are gone')
  }

  /** From now on the owner has it no more. Throws ERR_PERCORE_NOT_TRANSFERABLE, and nothing has moved then. */
  take(): void {
    if (this.#isTaken) return
    this.check()
    try {
      const [value, ...transfer] = structuredClone([this.value, ...this.transfer], { transfer: [...this.transfer] as never }) as [unknown, ...object[]]
      this.value = value
      this.transfer = transfer
      this.#isTaken = true
    } catch (cause) {
      throw notTransferable(cause)
    }
  }
}

/** What to tell whoever sent a value whose transfer the engine refuses. */
export function notTransferable(cause: unknown): PercoreError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new PercoreError(
    'ERR_PERCORE_NOT_TRANSFERABLE',
    `the value cannot be sent with this transfer (${why}). List whatever must move, once: ArrayBuffers that are still whole, ports, and what else structuredClone transfers; the rest must be cloneable.`,
    { cause },
  )
}
