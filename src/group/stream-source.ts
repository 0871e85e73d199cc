/**
 * The worker's end of streams: what a handler yields, kept from running away. It belongs to the worker's thread; `stream.ts` is the
 * reader's end.
 *
 * Invariant: a source is only advanced while a pull asks for items, and never beyond the items asked for. So the credits are the pulls:
 * ordinary tasks of the lane, each answered once, by one ordinary completion.
 *
 * ```
 *  reader                                        worker
 *    open(handler, value)               ─▶         start the handler, keep its iterator under a key
 *                                       ◀─         key
 *    pull(key, count) · pull(key, count) ─▶        advance the iterator, at most count items
 *                                       ◀─         [0, item, item, …]       there is more
 *    read them all, then pull again     ─▶
 *                                       ◀─         [1, item, …, returned]   that was the end
 *    or cancel(key)                     ─▶         iterator.return()
 * ```
 *
 * A SharedBlock and plain bytes cannot lie in a list, so each is an answer of its own; a list with items that `move` marked moves as a whole. An item that cannot be
 * sent fails the stream behind the items before it. A pull whose stream is not here, because the worker that had it died, fails.
 */
import { isThenable, PercoreError } from '../base/index.js'
import { gathered, type Moved, SharedBlock } from '../codec/index.js'
import { workersMax } from './fabric.js'
import type { Context, Handler } from './handlers.js'

/** A synchronous source answers with fewer items than asked for once it has taken so long, in ms. */
const gatherMsMax = 0.1

/** What an answer begins with. */
export const more = 0
export const last = 1

/** An answer to a pull: a list that begins with {@link more} or {@link last}, or a single item that cannot lie in a list. */
export type Answer = List | Uint8Array | SharedBlock

type List = [typeof more | typeof last, ...unknown[]]

interface Pull {
  readonly count: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

type AnyIterator = Iterator<unknown, unknown, unknown> | AsyncIterator<unknown, unknown, unknown>

class Source {
  readonly key: number
  readonly iterator: AnyIterator
  /** Promises come from its `next`, or lie in what that gives. */
  async: boolean
  /** Taken from the iterator and not yet given out. */
  held: unknown[] = []
  ended: { readonly value: unknown } | undefined
  failed: { readonly error: unknown } | undefined
  pulls: Pull[] = []
  pumping = false
  answering = false
  /** A promise that a synchronous generator has yielded. */
  pending: PromiseLike<unknown> | undefined
  /** What that `yield` gives: the promise's value. */
  given: unknown

  constructor(key: number, iterator: AnyIterator, async: boolean) {
    this.key = key
    this.iterator = iterator
    this.async = async
  }
}

export class StreamSources {
  readonly #worker: number
  readonly #nextNumber: () => number
  readonly #sources = new Map<number, Source>()
  /** Whose answer it is, and of which list: when that cannot be sent, its items go back. */
  readonly #answers = new WeakMap<object, { readonly source: Source, readonly list: List }>()

  /** `nextNumber` gives no number twice, not even to a successor of this thread. */
  constructor(worker: number, nextNumber: () => number) {
    this.#worker = worker
    this.#nextNumber = nextNumber
  }

  /** A handler that starts the given one and gives the key of its stream. */
  opening(handler: Handler): Handler {
    return (value: never, context: Context<never>) => {
      const result = handler(value, context)
      return isThenable(result) ? result.then((settled) => this.#open(settled)) : this.#open(result)
    }
  }

  #open(result: unknown): number {
    const { iterator, async } = iteratorOf(result)
    const key = this.#nextNumber() * workersMax + this.#worker
    this.#sources.set(key, new Source(key, iterator, async))
    return key
  }

  /** A handler: the next items, at least one and at most `count`. */
  readonly pull = ([key, count]: readonly [key: number, count: number]): Answer | Promise<Answer> => {
    const source = this.#sources.get(key)
    if (source === undefined) throw new PercoreError('ERR_PERCORE_WORKER_DIED', 'the worker that had this stream has ended. Open it again.')
    if (!source.async && source.pulls.length === 0) {
      const answer = this.#gather(source, count)
      if (answer !== undefined) return answer
    }
    return new Promise((resolve, reject) => {
      source.pulls.push({ count, resolve, reject })
      if (source.held.length > 0 || source.ended !== undefined || source.failed !== undefined) this.#answerSoon(source)
      if (!source.pumping) void this.#pump(source)
    })
  }

  /** A handler: ends a stream early; settled when the source has been told. A stream that has ended is none. */
  readonly cancel = async (key: number): Promise<void> => {
    const source = this.#sources.get(key)
    if (source === undefined) return
    this.#sources.delete(key)
    source.ended ??= { value: undefined }
    source.held = []
    this.#answer(source)
    await source.iterator.return?.()
  }

  /** Ends all that are open; what they throw is theirs. Before the worker ends. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#sources.keys()].map((key) => this.cancel(key)))
  }

  /**
   * A list could not be sent: the same with what moves in it. If that could not, its first item alone, the others held back; undefined when there was only one,
   * which ends the stream.
   */
  instead(answer: unknown): Answer | Moved | undefined {
    const of = this.#answers.get(answer as object)
    if (of === undefined) return undefined
    const { source, list } = of
    const moving = answer === list ? gathered(list) : undefined
    if (moving !== undefined) {
      this.#answers.set(moving, of)
      return moving
    }
    const [mark, ...items] = list
    if (mark === last) source.ended = { value: items.pop() }
    if (items.length > 1 || (items.length === 1 && mark === last)) {
      source.held = [...items.slice(1), ...source.held]
      this.#sources.set(source.key, source)
      return this.#listOf(source, more, items.slice(0, 1))
    }
    void this.cancel(source.key).catch(() => undefined) // the reader is told of the item
    this.#sources.delete(source.key)
    return undefined
  }

  /** Advances a synchronous source; undefined when it has turned out to be none, and the pump must go on. */
  #gather(source: Source, count: number): Answer | undefined {
    const deadline = performance.now() + gatherMsMax
    try {
      while (source.held.length < count && source.ended === undefined && source.failed === undefined) {
        accept(source, (source.iterator as Iterator<unknown, unknown, unknown>).next(source.given))
        if (source.async) return undefined
        if (performance.now() > deadline) break
      }
    } catch (error) {
      source.failed = { error }
    }
    return this.#take(source, count)
  }

  /** Advances a source that is waited for, as long as anybody asks. */
  async #pump(source: Source): Promise<void> {
    source.pumping = true
    while (source.ended === undefined && source.failed === undefined && source.held.length < wanted(source)) {
      try {
        await advance(source)
      } catch (error) {
        source.failed = { error }
      }
      this.#answerSoon(source)
    }
    source.pumping = false
  }

  /** In the next turn of the event loop, so that what comes in one turn is one answer. */
  #answerSoon(source: Source): void {
    if (source.answering) return
    source.answering = true
    setImmediate(() => {
      source.answering = false
      this.#answer(source)
    })
  }

  #answer(source: Source): void {
    while (source.pulls.length > 0) {
      const { count, resolve, reject } = source.pulls[0]
      try {
        const answer = this.#take(source, count)
        if (answer === undefined) break
        resolve(answer)
      } catch (error) {
        reject(error)
      }
      source.pulls.shift()
    }
    if (!source.pumping && source.pulls.length > 0) void this.#pump(source)
  }

  /** Up to `count` items that are held; the end or the failure behind them; undefined when there is nothing yet. */
  #take(source: Source, count: number): Answer | undefined {
    const { held } = source
    if (held.length === 0) {
      if (source.failed !== undefined) {
        this.#sources.delete(source.key)
        throw source.failed.error
      }
      return source.ended === undefined ? undefined : this.#end(source, [])
    }
    if (standsAlone(held[0])) return held.shift() as Answer
    let items = 1
    while (items < held.length && items < count && !standsAlone(held[items])) items++
    const taken = held.splice(0, items)
    return held.length === 0 && source.ended !== undefined ? this.#end(source, taken) : this.#listOf(source, more, taken)
  }

  #end(source: Source, items: unknown[]): Answer {
    this.#sources.delete(source.key)
    return this.#listOf(source, last, [...items, source.ended?.value])
  }

  #listOf(source: Source, mark: typeof more | typeof last, items: unknown[]): Answer {
    const list: List = [mark, ...items]
    this.#answers.set(list, { source, list })
    return list
  }
}

function accept(source: Source, { done, value }: IteratorResult<unknown>): void {
  source.given = undefined
  if (done) source.ended = { value }
  else if (isThenable(value)) {
    source.async = true
    source.pending = value
  } else source.held.push(value)
}

async function advance(source: Source): Promise<void> {
  const { iterator, pending, given } = source
  if (pending === undefined) return accept(source, await iterator.next(given))
  source.pending = undefined
  let value: unknown
  try {
    value = await pending
  } catch (error) {
    if (iterator.throw === undefined) throw error
    return accept(source, await iterator.throw(error)) // where it was yielded, as `await` would
  }
  source.held.push(value)
  source.given = value
}

function wanted(source: Source): number {
  let count = 0
  for (const pull of source.pulls) count += pull.count
  return count
}

function standsAlone(item: unknown): boolean {
  return item instanceof Uint8Array || item instanceof SharedBlock
}

function iteratorOf(result: unknown): { iterator: AnyIterator; async: boolean } {
  if (typeof result === 'object' && result !== null) {
    const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = result as Partial<AsyncIterable<unknown> & Iterable<unknown>>
    if (typeof later === 'function') return { iterator: later.call(result), async: true }
    if (typeof now === 'function') return { iterator: now.call(result), async: false }
  }
  throw new PercoreError(
    'ERR_PERCORE_NOT_ITERABLE',
    `the handler gave ${result === null ? 'null' : typeof result}, which cannot be read as a stream. Make it a generator, or return something iterable.`,
  )
}
