/**
 * A worker's executor: what `ctx.exec` is, and what generator handlers run on. The worker's loop turns it after each batch of tasks, and it
 * keeps that loop from sleeping. It belongs to the worker's thread.
 *
 * Invariant: what the executor runs takes at most about `sliceUs` between two batches of tasks, one step of a coroutine longer than that at
 * most, so however many there are, tasks wait no longer for them.
 *
 * In a generator handler a bare `yield` is a point at which others may run, a yielded promise is awaited, its value being what the
 * `yield` gives, and `yield*` waits for whatever an executor can wait for.
 */
import { isThenable } from '../base/index.js'
import { type Coroutine, Exec, Oneshot, type Parked, parked } from '../exec/index.js'
import type { Context, Handler } from './handlers.js'
import type { Loop } from './loop.js'

/** What coroutines may take between two batches of tasks, in µs: as long as a completion may stay unpublished. */
const sliceUs = 100

type AnyGenerator = Generator<unknown, unknown, unknown> | AsyncGenerator<unknown, unknown, unknown>

export class Coroutines {
  /** Something is ready to run. */
  hasWork = false
  /** What the last turn took, in µs. */
  spentUs = 0
  #exec: Exec | undefined
  readonly #keepTurning: () => void

  /** `keepTurning`: the loop that sleeps in its event loop, or is about to, is to turn. */
  constructor(keepTurning: () => void) {
    this.#keepTurning = keepTurning
  }

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

  /** Runs what is ready; only when something is. At least 1, the looking itself counts. */
  turn(): number {
    const { exec } = this
    const startMs = performance.now()
    const count = exec.turn(sliceUs)
    this.hasWork = exec.hasWork()
    if (!this.hasWork) this.#rest(exec)
    this.spentUs = (performance.now() - startMs) * 1000
    return Math.max(1, count)
  }

  /** Until a timer is due or a task becomes ready. */
  #rest(exec: Exec): void {
    const deadline = exec.nextDeadline()
    const wake = (): void => {
      clearTimeout(timer)
      forget()
      this.hasWork = true
      this.#keepTurning()
    }
    const timer = deadline === Infinity ? undefined : setTimeout(wake, Math.max(0, deadline - performance.now()))
    const forget = exec.whenWork(wake)
  }
}

/**
 * The worker's loop with what its executor has ready; without, a turn costs a look at one field more. A worker that closes waits for tasks, not
 * for whatever else runs here.
 */
export function withCoroutines(loop: Loop, coroutines: Coroutines, isClosing: () => boolean): Loop {
  let spentUs = 0
  return {
    ...loop,
    turn: (budgetUs) => {
      const count = loop.turn(budgetUs)
      spentUs = 0
      if (!coroutines.hasWork) return count
      const ran = coroutines.turn()
      spentUs = coroutines.spentUs
      return count === 0 && isClosing() ? 0 : count + ran
    },
    spentUs: () => loop.spentUs() + spentUs,
    hasWork: () => coroutines.hasWork || loop.hasWork(),
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
