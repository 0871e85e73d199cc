/**
 * A value that is sent with things that move: what `postMessage` takes as its list of transfer. On the sender's thread.
 *
 * Invariant: what moves is taken from its owner once. If it has to wait for its turn after the call has returned, it is taken at once, and waits here.
 */
import { PercoreError } from '../base/index.js'

/** On what `move` made; of the global registry, as a bundle may carry a second copy of this module. */
const movedKey: unique symbol = Symbol.for('percore.moved')

/** A value with what moves of it, as {@link move} makes it; whoever it is sent to gets the value. */
export class Moved<T = unknown> {
  /**
   * For the group: from now on the owner has it no more. Throws ERR_PERCORE_NOT_TRANSFERABLE, and nothing has moved then.
   *
   * An own function, and before the value: so every serialiser refuses, at once, one that lies within another value.
   */
  readonly take: () => void
  readonly [movedKey] = true
  value: T
  transfer: readonly object[]
  #isTaken = false

  /** For the codec and the group; a program calls `move`. */
  constructor(value: T, transfer: readonly object[]) {
    this.take = () => this.#take()
    this.value = value
    this.transfer = transfer
  }

  /** For the codec: throws ERR_PERCORE_NOT_TRANSFERABLE for what has moved before: some engines send an empty buffer in its place. */
  check(): void {
    if (this.transfer.some(isDetached)) throw notTransferable('an ArrayBuffer has been transferred before, so its bytes are gone')
  }

  /** As JSON it is its value. */
  toJSON(): T {
    return this.value
  }

  #take(): void {
    if (this.#isTaken) return
    this.check()
    try {
      const [value, ...transfer] = structuredClone([this.value, ...this.transfer], { transfer: [...this.transfer] as never }) as [T, ...object[]]
      this.value = value
      this.transfer = transfer
      this.#isTaken = true
    } catch (cause) {
      throw notTransferable(cause)
    }
  }
}

/**
 * Marks a value to be moved to the other thread instead of copied: a handler's result or what it yields, an item of `map`, the value of a call. `transfer` lists what moves, as
 * `postMessage` takes it; without it that is the value itself, or the buffer of a view. Use it for buffers of 64 KiB and more that are there already (the way costs some 20 µs
 * whatever the size), and for ports; to fill memory that moves without that, see {@link SharedBlock}. What is listed is detached on the sender's thread.
 *
 * It must be the whole value or result, not lie inside another. What the engine refuses to move fails the call with ERR_PERCORE_NOT_TRANSFERABLE, and stays where it was. Any thread.
 *
 * @throws PercoreError ERR_PERCORE_INVALID_OPTION when `transfer` is no list
 *
 * @example
 * ```ts
 * // spectrum.ts
 * import { move } from 'percore'
 *
 * const powersOf = (length: number): Float64Array => new Float64Array(length).fill(1)
 *
 * export const powers = (length: number) => move(powersOf(length))
 * export function both(length: number) {
 *   const left = powersOf(length)
 *   const right = powersOf(length)
 *   return move({ left, right }, [left.buffer, right.buffer])
 * }
 * ```
 *
 * @example
 * ```ts
 * import { ExecGroup } from 'percore'
 * import type * as handlers from './spectrum.js'
 *
 * const group = await ExecGroup.start<typeof handlers>(new URL('./spectrum.js', import.meta.url))
 * const powers: Float64Array = await group.run('powers', 1_000_000) // was never copied
 * const { left, right } = await group.run('both', 500_000)
 * console.log(powers.length, left.length + right.length) // 1000000 1000000
 * await group.close()
 * ```
 */
export function move<T extends object>(value: T, transfer: readonly object[] = [ArrayBuffer.isView(value) ? value.buffer : value]): Moved<T> {
  if (!Array.isArray(transfer)) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `move takes a list of what moves, not ${typeof transfer}.`)
  return new Moved(value, [...transfer as readonly object[]])
}

/** Also for what another copy of percore made. */
export function isMoved(value: unknown): value is Moved {
  return typeof value === 'object' && value !== null && movedKey in value
}

/** Takes what moves of a value that has to wait; what is refused now is refused again when its turn comes, and told then. */
export function takeWaiting(value: unknown): void {
  if (!isMoved(value)) return
  try {
    value.take()
  } catch {}
}

/** A list some of whose items move, as one value that moves; undefined when there are none. */
export function gathered(list: unknown): Moved<unknown[]> | undefined {
  if (!Array.isArray(list) || !list.some(isMoved)) return undefined
  const items: readonly unknown[] = list
  return new Moved(items.map((item) => (isMoved(item) ? item.value : item)), items.flatMap((item) => (isMoved(item) ? item.transfer : [])))
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

/** Whether its bytes were transferred elsewhere. */
export function isDetached(value: unknown): boolean {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value
  if (!(buffer instanceof ArrayBuffer)) return false
  try {
    return new Uint8Array(buffer).length < 0
  } catch {
    return true
  }
}
