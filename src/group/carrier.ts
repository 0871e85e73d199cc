/**
 * How values that hold handles (shared memory, keys, blobs), or are moved, reach another thread: as messages of a port beside the lanes, one pair per life of a
 * worker. Each end belongs to its thread.
 *
 * The invariant: a message is posted before the descriptor that names it is published, and it is taken without waiting. So whoever reads the
 * descriptor finds the message, unless the worker it was sent to or came from has died with its port.
 */
import { type MessagePort, receiveMessageOnPort, type Transferable } from 'node:worker_threads'
import { PercoreError } from '../base/index.js'
import { type Carrier, Moved } from '../codec/index.js'

type Message = readonly [number: number, value: unknown, transfer?: readonly object[]]

/** One end of a port. */
export class CarrierEnd {
  readonly port: MessagePort
  #sent = 0
  /** Messages met while looking for a later one: descriptors of several lanes come in any order. */
  readonly #early = new Map<number, Moved>()

  readonly #step: 1 | -1

  /** `step` differs at the two ends: who releases what it sent itself must not take the other's message for it. */
  constructor(port: MessagePort, step: 1 | -1) {
    this.port = port
    this.#step = step
    port.unref()
  }

  send(value: unknown, transfer: readonly object[] = []): number {
    const message: Message = transfer.length === 0 ? [this.#sent + this.#step, value] : [this.#sent + this.#step, value, transfer]
    this.port.postMessage(message, transfer as Transferable[])
    return (this.#sent += this.#step)
  }

  take(number: number): Moved {
    const early = this.#early.get(number)
    if (early !== undefined) {
      this.#early.delete(number)
      return early
    }
    for (;;) {
      const received = receiveMessageOnPort(this.port) as { readonly message: Message } | undefined
      if (received === undefined) throw gone()
      const [met, value, transfer = []] = received.message
      const moved = new Moved(value, transfer)
      if (met === number) return moved
      this.#early.set(met, moved)
    }
  }
}

/** The carrier of a thread; `endAt` gives the end that belongs to the lane in which a descriptor lies. */
export function carrierOf(endAt: (at: number) => CarrierEnd | undefined): Carrier {
  return {
    send: (value, at, transfer) => endOf(endAt, at).send(value, transfer),
    take: (number, at) => endOf(endAt, at).take(number),
  }
}

function endOf(endAt: (at: number) => CarrierEnd | undefined, at: number): CarrierEnd {
  const end = endAt(at)
  if (end === undefined) throw gone()
  return end
}

function gone(): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_WORKER_DIED',
    'the value holds shared memory or another handle, and the worker it was sent to, or came from, has ended with its port. Call again.',
  )
}
