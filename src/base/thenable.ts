/** Whether something is to be awaited. Pure; any thread. */

/** As `await` sees it, except for functions with a `then`, which nobody means to await. */
export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<T>).then === 'function'
}
