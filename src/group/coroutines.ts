/**
 * A worker's executor: what `ctx.exec` is, and what generator handlers run on. It turns in the worker's event loop, between the turns of
 * the loop that runs tasks. It belongs to the worker's thread.
 *
 * Invariant: what the executor runs takes at most about `sliceUs` of each turn of the event loop, one step of a coroutine longer than that at
 * most, so however many there are, tasks and timers wait no longer for them.
 *
 * In a generator handler a bare `yield` is a point at which others may run, a yielded promise is awaited, its value being what the
 * `yield` gives, and `yield*` waits for whatever an executor can wait for.
 */
import { isThenable } from '../base/index.js'
import { type Coroutine, Exec, Oneshot, type Parked, parked } from '../exec/index.js'
import type { Context, Handler } from './handlers.js'

/** What coroutines may take of one turn of the event loop, in µs: as long as a completion may stay unpublished. */
const sliceUs = 100

type AnyGenerator = Generator<unknown, unknown, unknown> | AsyncGenerator<unknown, unknown, unknown>

export class Coroutines {
  #exec: Exec | undefined

  /** Made when it is first asked for. */
  get exec(): Exec {
    if (this.#exec === undefined) {
      this.#exec = new Exec()
      this.#rest(this.#exec)
    }
    return this.#exec
  }

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
    const join = this.exec.fork(() => steps(generator))
    return new Promise((resolve) => resolve(join))
  }

  readonly #turn = (): void => {
    const { exec } = this
    exec.turn(sliceUs)
    if (exec.hasWork()) setImmediate(this.#turn)
    else this.#rest(exec)
  }

  /** Until a timer is due or a task becomes ready. */
  #rest(exec: Exec): void {
    const deadline = exec.nextDeadline()
    const timer = deadline === Infinity ? undefined : setTimeout(() => { forget(); this.#turn() }, Math.max(0, deadline - performance.now()))
    const forget = exec.whenWork(() => {
      clearTimeout(timer)
      setImmediate(this.#turn)
    })
  }
}

/** A handler's generator as a coroutine of the executor, which knows nothing of promises that are yielded. */
function* steps(generator: Generator<unknown, unknown, unknown>): Coroutine<unknown> {
  let given: unknown
  let failed = false
  for (;;) {
    const { done, value } = failed ? generator.throw(given) : generator.next(given)
    if (done) return value
    failed = false
    given = undefined
    if (value === parked) yield value as Parked
    else if (isThenable(value)) {
      try {
        given = yield* settled(value)
      } catch (error) {
        given = error
        failed = true
      }
    } else {
      yield
      given = value
    }
  }
}

function settled(promise: PromiseLike<unknown>): Oneshot<unknown> {
  const outcome = new Oneshot<unknown>()
  promise.then((value) => outcome.resolve(value), (error: unknown) => outcome.reject(error))
  return outcome
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
