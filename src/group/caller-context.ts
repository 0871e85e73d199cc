/**
 * The async context of whoever made a call (`AsyncLocalStorage`), kept for the callbacks that the call is answered through. Promises keep it by
 * themselves. On the group's thread.
 *
 * Invariant: a callback never runs in the context of somebody else's call. Where this file cannot tell that no store is in use, it binds.
 *
 * Cost: while no `AsyncLocalStorage` of the process has been entered, a promise that is never stored, which V8 leaves out: 1 ns measured. From then on one
 * `AsyncResource` per call, 0.1 µs.
 */
import { AsyncResource } from 'node:async_hooks'

const resourceType = 'PercoreCall'

/**
 * Up to Node 22, stores are carried by a hook that marks every new promise with an id; from Node 24 (and by a flag before) by a frame that every new
 * `AsyncResource` shows. Both are properties under symbols, found on a resource made for it.
 */
const symbols = Object.getOwnPropertySymbols(new AsyncResource(resourceType))
const idSymbol = symbols.find(({ description }) => description === 'async_id_symbol')
const frameSymbol = symbols.find(({ description }) => description !== undefined && /context.?frame/i.test(description))

/** Whether a store may be in use; once it is, for good: programs that use one use it all the time. */
let mayBeInUse = idSymbol === undefined || frameSymbol !== undefined

const idOf = (idSymbol ?? Symbol('none')) as unknown as 'then'

/** True when callbacks must be bound to the caller's context. */
export function hasCallerContext(): boolean {
  return mayBeInUse || isMarked()
}

/** `Boolean` does nothing here; a function of ours would have to be inlined first, or the promise costs 40 ns. */
function isMarked(): boolean {
  if (new Promise(Boolean)[idOf] === undefined) return false
  mayBeInUse = true
  return true
}

/** The context of this moment; run functions in it later by {@link bound}. */
export function callerContext(): AsyncResource {
  return new AsyncResource(resourceType)
}

/** The function, run in that context wherever it is called. */
export function bound<V>(context: AsyncResource, callback: (value: V) => void): (value: V) => void {
  return (value) => context.runInAsyncScope(callback, undefined, value)
}

/** Its functions that are called back later, bound to the context of this moment: for options, which are rare. */
export function boundNow<V, R>(callback: (value: V) => R): (value: V) => R {
  if (!hasCallerContext()) return callback
  const context = callerContext()
  return (value) => context.runInAsyncScope(callback, undefined, value)
}
