/**
 * Mapping a handler over an iterable with a bounded window of calls in flight. One consumer, on the group's thread.
 *
 * Invariant: at most `concurrency` items have been taken from the source and not yet been yielded, so neither the source nor
 * the consumer can make memory grow.
 */
import { checkNames, isThenable, PercoreError } from '../base/index.js'
import { integer } from './options.js'
import type { Reject, Resolve } from './slab.js'

/** The widest window: it is also how far results may be out of order before they wait. */
const mapConcurrencyMax = 65_536

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

/** The options of `map` with their values. Throws ERR_PERCORE_INVALID_OPTION, also for items that cannot be iterated. */
export function mapSettings(items: unknown, options: MapOptions, workers: number): Required<MapOptions> {
  checkNames('map', options, ['ordered', 'concurrency'])
  const { ordered = true, concurrency = Math.min(mapConcurrencyMax, 256 * workers) } = options
  if (typeof ordered !== 'boolean') throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `ordered must be true or false, not ${String(ordered)}.`)
  const source = items as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined
  if (typeof source?.[Symbol.iterator] !== 'function' && typeof source?.[Symbol.asyncIterator] !== 'function') {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `map takes an array or something else that can be iterated, not ${items === null ? 'null' : typeof items}.`)
  }
  return { ordered, concurrency: integer('concurrency', concurrency, 1, mapConcurrencyMax) }
}

/** Whether the source can be asked for an item, has been, or has no more. */
type SourceState = 'ready' | 'pending' | 'ended'

interface Entry {
  state: 'pending' | 'resolved' | 'rejected'
  value: unknown
}

/** Yielded entries are cut off in strides, so that a wide window is not moved up for each. */
const stride = 256

export async function* mapOver(
  call: (value: unknown, resolve: Resolve, reject: Reject) => void,
  items: Iterable<unknown> | AsyncIterable<unknown>,
  ordered: boolean,
  concurrency: number,
): AsyncGenerator<unknown, void, undefined> {
  const iterator = iteratorOf(items)
  let source = 'ready' as SourceState
  let failure: { readonly error: unknown } | undefined
  /** In the order of the items, or of the results. */
  let window: Entry[] = []
  let head = 0
  let inFlight = 0
  let wake: (() => void) | undefined

  const outstanding = (): number => window.length - head + (ordered ? 0 : inFlight)
  const hasResult = (): boolean => head < window.length && window[head].state !== 'pending'

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

  function sourceFailed(error: unknown): void {
    source = 'ended'
    failure = { error }
    wake?.()
  }

  function take(step: IteratorResult<unknown>): void {
    source = step.done === true ? 'ended' : 'ready'
    if (source === 'ready') start(step.value)
  }

  /** Takes items until the window is full, or the source ends or makes us wait; results are yielded meanwhile. */
  function fill(): void {
    try {
      while (source === 'ready' && outstanding() < concurrency) {
        const step = iterator.next()
        if (isThenable(step)) later(step, take)
        else if (step.done !== true && isThenable(step.value)) later(step.value, start)
        else take(step)
      }
    } catch (error) {
      sourceFailed(error)
    }
  }

  function later<T>(promise: PromiseLike<T>, then: (value: T) => void): void {
    source = 'pending'
    promise.then((value) => {
      source = 'ready'
      then(value)
      if (!left) fill()
      wake?.()
    }, sourceFailed)
  }

  let left = false
  try {
    for (;;) {
      fill()
      if (hasResult()) {
        const entry = window[head++]
        if (head === window.length || head === stride) {
          window = window.slice(head)
          head = 0
        }
        if (entry.state === 'rejected') throw entry.value
        yield entry.value
      } else if (source === 'ended' && outstanding() === 0) {
        if (failure !== undefined) throw failure.error
        return
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    left = true
    await leave(iterator, source)
  }
}

type Source = Iterator<unknown> | AsyncIterator<unknown>

function iteratorOf(items: Iterable<unknown> | AsyncIterable<unknown>): Source {
  return (items as AsyncIterable<unknown>)[Symbol.asyncIterator]?.() ?? (items as Iterable<unknown>)[Symbol.iterator]()
}

/** Ends a source that has more to give. One that is still being waited for ends when it comes back: nobody waits for that. */
async function leave(iterator: Source, state: SourceState): Promise<void> {
  if (state === 'ended') return
  const ending = (async () => iterator.return?.())()
  if (state === 'ready') await ending
  else ending.catch(() => {})
}
