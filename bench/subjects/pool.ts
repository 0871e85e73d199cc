/**
 * The one face the benches see of any worker pool. To add a rival, write one file that exports a `PoolSubject` and list it in
 * `bench/subjects/index.ts`. Main thread of a measuring child.
 *
 * The invariant: `run` is what an idiomatic user of that pool would call, with nothing in between that costs.
 */
import type { Contender } from '../harness/contract.js'

/** The handlers of `bench/handlers.ts`. Raw `postMessage` answers in the order of the questions, and so has none that sleeps. */
export type HandlerName = 'echo' | 'spin' | 'doze'

export interface PoolOptions {
  readonly workers: number
  readonly handler: HandlerName
  /** The most tasks the driver will have in flight: a pool that has a bound may set it accordingly. */
  readonly inFlight: number
}

/** A started pool. */
export interface Pool {
  /** One task; the promise settles with its result. */
  readonly run: (value: unknown) => Promise<unknown>
  /** The same by callbacks, for a pool that has them and is to be measured so. */
  readonly call?: (value: unknown, onResult: (result: unknown) => void, onError: (error: unknown) => void) => void
  readonly close: () => Promise<unknown>
}

/** A way to get a pool: percore's group or a rival. */
export interface PoolSubject extends Contender {
  readonly start: (options: PoolOptions) => Promise<Pool>
}

/** The module with the handlers, for the pools that take a file. */
export const handlersUrl: URL = new URL('../handlers.js', import.meta.url)
