/**
 * What a value says about how it is to be moved, under the names that piscina registered: values made for one are understood by the other.
 * Any thread. Invariant: only `move` marks a value; whoever wrote the two symbols' getters decides what is transferred and what arrives.
 */
import { types } from 'node:util'
import type { Transferable as NodeTransferable } from 'node:worker_threads'

/** Getter of what is transferred: one thing, or a list. */
export const transferableSymbol: unique symbol = Symbol.for('Piscina.transferable')
/** Getter of the value that arrives. */
export const valueSymbol: unique symbol = Symbol.for('Piscina.valueOf')
/** Property of a task's value that a task queue of one's own may read, to order tasks by. */
export const queueOptionsSymbol: unique symbol = Symbol.for('Piscina.queueOptions')

const moved = new WeakSet<object>()

/** A value that knows how it is moved. */
export interface Transferable {
  readonly [transferableSymbol]: object
  readonly [valueSymbol]: object
}

/**
 * Marks a task's value, or a handler's result, to be moved to the other thread instead of copied: an ArrayBuffer or a view of one, a
 * MessagePort, or an object with the two symbols' getters. Anything that is no object is given back as it is. Any thread.
 *
 * @example
 * ```ts
 * import { move, Piscina } from 'percore/piscina'
 *
 * const pool = new Piscina({ filename: new URL('./word-count.js', import.meta.url).href, maxThreads: 1 })
 * const text = new TextEncoder().encode('three small words')
 * console.log(await pool.run(move(text), { name: 'ofBytes' })) // 3
 * console.log(text.byteLength) // 0
 * await pool.close()
 * ```
 */
export function move<T>(value: T): T extends object ? Transferable : T {
  if (typeof value !== 'object' || value === null) return value as never
  const movable = isTransferable(value) ? value : movableOf(value)
  moved.add(movable)
  return movable as never
}

export function isTransferable(value: unknown): value is Transferable {
  return typeof value === 'object' && value !== null && transferableSymbol in value && valueSymbol in value
}

/** Whether `move` has marked it. */
export function isMovable(value: unknown): value is Transferable {
  return typeof value === 'object' && value !== null && moved.has(value)
}

/** What a marked value transfers. */
export function transferOf(value: Transferable): NodeTransferable[] {
  const transferred = value[transferableSymbol]
  return (Array.isArray(transferred) ? transferred : [transferred]) as NodeTransferable[]
}

function movableOf(value: object): Transferable {
  const transferred = types.isArrayBufferView(value) ? value.buffer : value
  return { get [transferableSymbol]() { return transferred }, get [valueSymbol]() { return value } }
}
