/**
 * The side channel of a worker: values that are moved, which a lane cannot carry, go as messages of a port. Each end belongs to its thread.
 * Invariant: a message is posted before the call or result that names it, so whoever is told its number finds it without waiting.
 */
import { type MessagePort, receiveMessageOnPort, type Transferable } from 'node:worker_threads'

export class Side {
  readonly port: MessagePort
  #sent = 0
  readonly #early = new Map<number, unknown>()

  constructor(port: MessagePort) {
    this.port = port
    port.unref()
  }

  /** Throws the engine's DataCloneError. */
  send(value: unknown, transfer: readonly Transferable[]): number {
    this.port.postMessage([++this.#sent, value], [...transfer] as never)
    return this.#sent
  }

  take(number: number): unknown {
    for (;;) {
      if (this.#early.has(number)) break
      const received = receiveMessageOnPort(this.port) as { readonly message: readonly [number, unknown] } | undefined
      if (received === undefined) throw new Error('a value that was moved got lost with its worker')
      this.#early.set(...received.message)
    }
    const value = this.#early.get(number)
    this.#early.delete(number)
    return value
  }
}
