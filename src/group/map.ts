/**
 * Mapping a handler over an iterable with a bounded window of calls in flight. One consumer, on the group's thread.
 *
 * Invariant: at most `concurrency` items have been taken from the source and not yet been yielded, so neither the source nor
 * the consumer can make memory grow.
 */
import type { Reject, Resolve } from './slab.js'

/** The widest window: it is also how far results may be out of order before they wait. */
export const mapConcurrencyMax = 65_536

/**
 * How `map` goes about it.
 *
 * @example
 * ```ts
 * import { ExecGroup } from 'percore'
 * import type handlers from './handlers.js'
 *
 * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url))
 * const results = group.map('double', [3, 1, 2], { ordered: false, concurrency: 2 })
 * let total = 0
 * for await (const doubled of results) total += doubled
 * console.log(total) // 12
 * await group.close()
 * ```
 */
export interface MapOptions {
  /** Yield in the order of the items (default), or as results come, so that a slow one holds nobody up. */
  readonly ordered?: boolean
  /** Items in flight at most. Default 256 per worker: enough to keep each fed, small enough to stay in cache. */
  readonly concurrency?: number
}

interface Entry {
  state: 'pending' | 'resolved' | 'rejected'
  value: unknown
}

export async function* mapOver(
  call: (value: unknown, resolve: Resolve, reject: Reject) => void,
  items: Iterable<unknown> | AsyncIterable<unknown>,
  ordered: boolean,
  concurrency: number,
): AsyncGenerator<unknown, void, undefined> {
  const window: Entry[] = []
  let inFlight = 0
  let wake: (() => void) | undefined

  function settle(entry: Entry, state: 'resolved' | 'rejected', value: unknown): void {
    entry.state = state
    entry.value = value
    inFlight--
    if (!ordered) window.push(entry)
    wake?.()
  }

  function start(value: unknown): void {
    const entry: Entry = { state: 'pending', value: undefined }
    inFlight++
    if (ordered) window.push(entry)
    call(
      value,
      (result) => settle(entry, 'resolved', result),
      (error) => settle(entry, 'rejected', error),
    )
  }

  /** The next result that may be yielded, once there is one. */
  async function next(): Promise<unknown> {
    while (window.length === 0 || window[0].state === 'pending') {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    const entry = window.shift() as Entry
    if (entry.state === 'rejected') throw entry.value
    return entry.value
  }

  const outstanding = (): number => (ordered ? window.length : inFlight + window.length)

  for await (const value of items) {
    start(value)
    while (outstanding() >= concurrency || (window.length > 0 && window[0].state !== 'pending')) yield await next()
  }
  while (outstanding() > 0) yield await next()
}
