/**
 * Handlers that look at their bytes where they lie: `view` marks and wraps them, in the handlers' module, on the worker's thread.
 *
 * The invariant: a block is given back once, and not before what its handler returned has been encoded, as that may be a part of the block.
 * A handler that ended synchronously has been answered when the next one ends, and every handler when the event loop turns.
 */
import { isThenable, PercoreError } from '../base/index.js'
import type { SharedBlock } from '../codec/index.js'
import type { Context } from './handlers.js'

/** On a handler made by `view`; of the global registry, as a bundle may carry a second copy of this module. */
const viewKey: unique symbol = Symbol.for('percore.view')

/** Blocks of handlers that ended, still to be given back. */
let endedLast: SharedBlock | undefined
const ended: SharedBlock[] = []
let reclaiming = false

/**
 * Makes a handler take bytes where they lie in shared memory instead of a copy of its own. Use it for handlers that read or change a
 * `Uint8Array` of a few hundred bytes and more and are done with it when they end: it saves making and collecting an array, about
 * 1 µs for 1 KiB and 10 for 64 KiB. The caller passes a `Uint8Array` (or a block, which is then the handler's) and notices nothing.
 *
 * The block is the handler's until it ends, or the promise it returned settles; any later use of it throws ERR_PERCORE_BAD_POINTER, but a view taken
 * from `bytes` before cannot be revoked and must not be kept. What the handler returns may be a part of the bytes: it is
 * copied. Returning the block itself moves it to the caller. Fails with ERR_PERCORE_INVALID_OPTION when called with anything but bytes, or with bytes that do not come
 * through shared memory: those that a call moves (`transfer`, {@link move}), and those of `ctx.group.run`.
 *
 * @example
 * ```ts
 * import { defineHandlers, view } from 'percore'
 *
 * export default defineHandlers({
 *   checksum: view((block) => block.bytes.reduce((sum, byte) => (sum + byte) % 65_521, 0)),
 *   header: view((block) => block.bytes.subarray(0, 16)),
 * })
 * ```
 */
export function view<R, S = unknown>(handler: (bytes: SharedBlock, context: Context<S>) => R): (bytes: Uint8Array | SharedBlock, context: Context<S>) => R {
  if (typeof handler !== 'function') throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `view takes a function or an async function, not ${typeof handler}.`)
  if (/Generator/.test(Object.prototype.toString.call(handler))) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `view takes a function or an async function, and '${handler.name}' is a generator. Let it take its bytes as a copy.`)
  }
  const viewing = (value: Uint8Array | SharedBlock, context: Context<S>): R => {
    if (!isBlock(value)) {
      throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `this handler takes bytes where they lie in shared memory, and was called with ${problem(value)}`)
    }
    let result: R
    try {
      result = handler(value, context)
    } catch (error) {
      endNow(value)
      throw error
    }
    if (isThenable(result)) return endWith(result, value) as R
    if ((result as unknown) !== value) endNow(value)
    return result
  }
  return Object.defineProperty(viewing, viewKey, { value: true })
}

/** Whether a handler was made by `view`. */
export function isView(handler: unknown): boolean {
  return typeof handler === 'function' && viewKey in handler
}

function isBlock(value: unknown): value is SharedBlock {
  return typeof value === 'object' && value !== null && typeof (value as Partial<SharedBlock>).lapse === 'function'
}

function problem(value: unknown): string {
  if (!(value instanceof Uint8Array)) return `${value === null ? 'null' : typeof value}. Pass a Uint8Array or a SharedBlock.`
  return 'an array of its own, as it was moved, or sent by another handler. Leave out transfer, or pass a SharedBlock.'
}

function endNow(block: SharedBlock): void {
  if (!block.lapse()) return
  endedLast?.reclaim()
  endedLast = block
  reclaimSoon()
}

async function endWith(result: PromiseLike<unknown>, block: SharedBlock): Promise<unknown> {
  let value: unknown
  try {
    return value = await result
  } finally {
    if (value !== block && block.lapse()) {
      ended.push(block)
      reclaimSoon()
    }
  }
}

function reclaimSoon(): void {
  if (reclaiming) return
  reclaiming = true
  setImmediate(reclaimAll)
}

function reclaimAll(): void {
  reclaiming = false
  endedLast?.reclaim()
  endedLast = undefined
  for (const block of ended) block.reclaim()
  ended.length = 0
}
