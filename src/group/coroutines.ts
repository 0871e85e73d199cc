/**
 * Generators that run as coroutines on a worker: each `yield` is a point at which others may run, and a yielded promise is awaited, its
 * value being what the `yield` gives. They belong to the worker's thread.
 *
 * Invariant: all coroutines together take at most about `sliceUs` of each turn of the event loop, one step longer than that at most, so
 * however many there are, tasks and timers wait no longer for them.
 */
import type { Context, Handler } from './handlers.js'

/** What all coroutines may take of one turn of the event loop, in µs: as long as a completion may stay unpublished. */
const sliceUs = 100

type AnyGenerator = Generator<unknown, unknown, unknown> | AsyncGenerator<unknown, unknown, unknown>

interface Coroutine {
  readonly generator: Generator<unknown, unknown, unknown>
  /** What its `yield` gives, or throws, when it goes on. */
  next: unknown
  failed: boolean
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export class Coroutines {
  #ready: Coroutine[] = []
  #scheduled = false

  /** A handler whose generator is run to its end: its promise is that of what the generator returns. */
  wrap(handler: Handler): Handler {
    return (value: never, context: Context<never>) => {
      const result = handler(value, context)
      return isGenerator(result) ? this.run(result) : result
    }
  }

  /** Runs a generator to its end; the promise of what it returns. */
  run(generator: AnyGenerator): Promise<unknown> {
    if (isAsync(generator)) return finish(generator)
    return new Promise((resolve, reject) => this.#goOn({ generator, next: undefined, failed: false, resolve, reject }))
  }

  #goOn(coroutine: Coroutine): void {
    this.#ready.push(coroutine)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#scheduled = false
    const deadline = performance.now() + sliceUs / 1000
    const ready = this.#ready
    this.#ready = []
    let stepped = 0
    while (stepped < ready.length) {
      this.#step(ready[stepped++])
      if (performance.now() > deadline) break
    }
    // Who had no turn goes before those that come back from theirs.
    if (stepped < ready.length) this.#ready = [...ready.slice(stepped), ...this.#ready]
    if (this.#ready.length > 0 && !this.#scheduled) {
      this.#scheduled = true
      setImmediate(this.#turn)
    }
  }

  #step(coroutine: Coroutine): void {
    const { generator, next, failed } = coroutine
    try {
      const { done, value } = failed ? generator.throw(next) : generator.next(next)
      if (done) return coroutine.resolve(value)
      coroutine.failed = false
      coroutine.next = value
      if (!isThenable(value)) return this.#goOn(coroutine)
      value.then(
        (given) => this.#settle(coroutine, given, false),
        (error: unknown) => this.#settle(coroutine, error, true),
      )
    } catch (error) {
      coroutine.reject(error)
    }
  }

  #settle(coroutine: Coroutine, next: unknown, failed: boolean): void {
    coroutine.next = next
    coroutine.failed = failed
    this.#goOn(coroutine)
  }
}

async function finish(generator: AsyncGenerator<unknown, unknown, unknown>): Promise<unknown> {
  for (;;) {
    const { done, value } = await generator.next()
    if (done) return value
  }
}

/** Whether a value is a generator that runs, of either kind; other iterators are values like any other. */
export function isGenerator(value: unknown): value is AnyGenerator {
  const kind = Object.prototype.toString.call(value)
  return kind === '[object Generator]' || kind === '[object AsyncGenerator]'
}

function isAsync(generator: AnyGenerator): generator is AsyncGenerator<unknown, unknown, unknown> {
  return Symbol.asyncIterator in generator
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
