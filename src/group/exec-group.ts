/**
 * ExecGroup, the public face: workers that run a module's handlers, one thread each, behind a balancer. A group belongs to
 * the thread that started it.
 */
import { EventEmitter } from 'node:events'
import { PercoreError } from '../base/index.js'
import { Moved, SharedBlock } from '../codec/index.js'
import type { AuditReport } from '../memory/index.js'
import type { Admission } from './admission.js'
import { bound, callerContext, hasCallerContext } from './caller-context.js'
import { type CallSpec, makeCall } from './call.js'
import { type CallOptions, checkCallOptions, checkGuard, checkIsOptions, checkWorker, sentValue, type SyncOptions } from './call-options.js'
import { callWith } from './call-with.js'
import { mayBeCalledOff } from './called-off.js'
import { isTraced, Trace, tracedStream } from './channels.js'
import type { Dispatcher } from './dispatcher.js'
import { closedError, Engine } from './engine.js'
import { Announcer, type GroupEvents } from './group-events.js'
import { timeOut } from './guard.js'
import type {
  Arrived,
  Context,
  Handler,
  HandlerArguments,
  HandlerCall,
  HandlerName,
  HandlerResult,
  Handlers,
  HandlerValue,
  UntypedHandlers,
  StreamItem,
  StreamReturn,
} from './handlers.js'
import { type InlineCall, sourceOf } from './inline.js'
import { auditOf, type GroupStats, statsOf } from './inspection.js'
import { mapOver, type MapOptions, mapSettings } from './map.js'
import { type ExecGroupOptions, hrefOf, integer } from './options.js'
import type { PlacedOptions, PlacedWorker } from './placed.js'
import { manyRunner, type ManyLearned } from './run-many.js'
import { type Reject, rejectThrough, type Resolve } from './slab.js'
import { streamOf, type StreamOptions } from './stream.js'
import { builtin, builtinNumber } from './table.js'
import { requireMemory, type WasmMemory } from './wasm-memory.js'

/** A call of `map`, which has bounds of its own. */
const oneOfWindow: CallSpec = { exempt: true }

let captured: Resolve
/** One executor for all promises: a closure per task would be garbage. */
function capture(resolve: Resolve): void {
  captured = resolve
}

/**
 * A group of workers that run a module's handlers.
 *
 * Use it for work of about a microsecond and more that need not run on this thread. Use the plain function call for less. Start one
 * group and keep it: starting takes tens of milliseconds. It is used by the thread that started it; an idle one keeps no process alive.
 *
 * Events: `failure` ({@link PushFailure}) when a pushed task failed; `high` and `low` (load) when tasks pile up and when they are worked
 * off, see `highWater`; `drop` ({@link DroppedTask}) when one was dropped, see `whenFull`; `died` (worker, error) when a worker's thread ended and its
 * successor is being started; `replaced` (worker) when that runs; `resized` (workers) when workers were added or taken away; `recycled` (worker) when one was
 * replaced as `recycle` says.
 *
 * `AsyncLocalStorage`: promises, callbacks, `onReport` and the event `failure` are in the context of the call; `drop` is in that of the call that made it
 * necessary; the other events in that of `start`.
 *
 * @example
 * ```ts
 * import { ExecGroup } from 'percore'
 * import type handlers from './handlers.js'
 *
 * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url))
 * console.log(await group.run('double', 21)) // 42
 * await group.close()
 * ```
 */
export class ExecGroup<H extends Handlers = UntypedHandlers> extends EventEmitter<GroupEvents> {
  readonly #engine: Engine
  readonly #dispatcher: Dispatcher
  readonly #admission: Admission
  readonly #announcer: Announcer
  /** The name that was called last, and its number: most calls are like the one before, and a look at the map is a tenth of what they cost. */
  #lastName = ''
  #lastNumber: number | undefined
  readonly #manyLearned: ManyLearned = []

  /**
   * Starts the workers and resolves when all have loaded the module.
   *
   * @param module URL or path of a module whose default export, or named exports, are handlers: `.js`, `.mjs`, `.cjs`, and `.ts` where
   *   Node loads that. Without one the group has no handlers and only `runFunction` is of use.
   * @throws PercoreError ERR_PERCORE_INVALID_OPTION, ERR_PERCORE_HANDLERS_LOAD, ERR_PERCORE_WORKER_START, ERR_PERCORE_OUT_OF_MEMORY
   */
  static async start<H extends Handlers = UntypedHandlers>(module?: URL | string, options: ExecGroupOptions = {}): Promise<ExecGroup<H>> {
    const group = new ExecGroup<H>(module === undefined ? undefined : hrefOf(module), options)
    await group.#engine.start()
    return group
  }

  private constructor(module: string | undefined, options: ExecGroupOptions) {
    super()
    this.#announcer = new Announcer(this)
    this.#engine = new Engine(module, options, this.#announcer)
    this.#dispatcher = this.#engine.dispatcher
    this.#admission = this.#dispatcher.admission
  }

  /** The handlers' names. */
  get handlers(): readonly string[] {
    return this.#engine.names
  }

  /** How many workers the group has now. */
  get workers(): number {
    return this.#dispatcher.workers
  }

  /**
   * Gives the group another number of workers while it runs, and ends their coming and going by load. Resolves when it is so: new
   * workers are ready, old ones have finished their tasks and streams, disposed of their state and ended. Calls waiting for a worker that goes are
   * placed anew, or fail with ERR_PERCORE_INVALID_OPTION if they named it; few keys move, and their tasks keep their order.
   *
   * Rejects with what kept a new worker from starting, the group staying as it was; with ERR_PERCORE_INVALID_OPTION for more than
   * `maxWorkers` and the cores; with ERR_PERCORE_CLOSED.
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type handlers from './handlers.js'
   *
   * const url = new URL('./handlers.js', import.meta.url)
   * const group = await ExecGroup.start<typeof handlers>(url, { workers: 1, maxWorkers: 4 })
   * await group.resize(3)
   * console.log(group.workers, await group.run('greet', 'Ada', { worker: 2 })) // 3 Hello Ada, from worker 2
   * await group.resize(1)
   * await group.close()
   * ```
   */
  async resize(workers: number): Promise<void> {
    if (this.#engine.closed) throw closedError('the group was closed')
    integer('workers', workers, 1, this.#engine.fabric.workers)
    await this.#engine.elastic.resize(workers)
  }

  /**
   * Resolves when no task is in flight and no call waits: at once, or as soon as it is so. Use it between phases of a program; the group goes on.
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type handlers from './handlers.js'
   *
   * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url))
   * for (let n = 0; n < 100; n++) group.push('double', n)
   * await group.drain()
   * console.log(group.stats().inFlight) // 0
   * await group.close()
   * ```
   */
  drain(): Promise<void> {
    return this.#dispatcher.whenIdle()
  }

  /**
   * Runs a handler on some worker; the promise of its result. When all workers are full it waits for room. Whatever
   * `structuredClone` accepts may be passed and returned; what is to move instead of being copied is marked by {@link move}, or listed in the option `transfer`.
   *
   * Rejects with what the handler threw, or ERR_PERCORE_NO_SUCH_HANDLER, ERR_PERCORE_NOT_CLONEABLE, ERR_PERCORE_NOT_TRANSFERABLE, ERR_PERCORE_QUEUE_FULL,
   * ERR_PERCORE_WORKER_DIED, ERR_PERCORE_OUT_OF_MEMORY, ERR_PERCORE_CLOSED.
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type handlers from './handlers.js'
   *
   * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url))
   * const doubled = await Promise.all([1, 2, 3].map((n) => group.run('double', n)))
   * console.log(doubled) // [ 2, 4, 6 ]
   * await group.close()
   * ```
   */
  run<K extends HandlerName<H>>(name: K, ...call: HandlerCall<H[K], CallOptions>): Promise<HandlerResult<H[K]>>
  run(name: string, value?: unknown, options?: CallOptions): Promise<unknown> {
    const number = this.#numberOf(name)
    if (number === undefined || this.#engine.closed) return Promise.reject(this.#engine.refusal(name))
    if (isTraced()) return this.#runTraced(number, name, value, options)
    const promise = new Promise<unknown>(capture)
    if (options !== undefined) this.#runWith(number, value, options, captured)
    else this.#admission.call(number, value, captured, undefined)
    return promise
  }

  #runTraced(number: number, name: string, value: unknown, options: CallOptions | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const traced = new Trace(this, 'run', name, value).submitted().around(resolve, reject)
      try {
        if (options === undefined) this.#admission.call(number, value, traced.resolve, traced.reject)
        else this.#callWith(number, value, traced.resolve, traced.reject, options)
      } catch (error) {
        traced.reject(error)
      }
    })
  }

  #runWith(number: number, value: unknown, options: CallOptions, resolve: Resolve): void {
    try {
      const { call } = callWith(this.#engine.callParts, number, value, options, resolve, undefined)
      if (call !== undefined) this.#admission.place(call)
    } catch (error) {
      rejectThrough(resolve, error)
    }
  }

  /**
   * Runs a function on some worker; the promise of its result. Use it in scripts, for a few lines that are not worth a module. The
   * function travels as text, so it sees globals and its argument, and nothing that surrounds it here; what it needs it imports itself.
   *
   * Rejects as `run` does, with ERR_PERCORE_INVALID_OPTION for a bound or built-in function, and with a ReferenceError for a name it left behind.
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   *
   * const group = await ExecGroup.start()
   * const digest = await group.runFunction(async (text: string) => {
   *   const { createHash } = await import('node:crypto')
   *   return createHash('sha256').update(text).digest('hex').slice(0, 8)
   * }, 'percore')
   * console.log(digest) // 5718232b
   * await group.close()
   * ```
   */
  runFunction<R>(fn: () => R): Promise<Arrived<R>>
  runFunction<A, R>(fn: (value: A, context: Context) => R, value: A): Promise<Arrived<R>>
  runFunction(fn: Handler, value?: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#engine.closed) throw closedError('the group was closed')
      const call = [sourceOf(fn), value] satisfies InlineCall
      const told = isTraced() ? new Trace(this, 'runFunction', '', value).submitted().around(resolve, reject) : { resolve, reject }
      this.#admission.call(builtinNumber(builtin.inline, this.#engine.names.length), call, told.resolve as Resolve, told.reject)
    })
  }

  /**
   * Runs a handler and reads what it yields, as it comes. Use it for results that are many or large, or of which the first are wanted
   * before the last are made. The handler is a generator of either kind, or returns something iterable; it is started at the first read,
   * is never more than `credits` items ahead of the reader, and ends (its `finally` runs) when the reader stops. What the generator returns is what the stream returns.
   *
   * Items are cloned, or moved as {@link move} says, and bytes and blocks travel as results do. Throws where it is read: what the handler throws, behind the items before it;
   * ERR_PERCORE_NOT_ITERABLE; what `run` rejects with.
   *
   * @throws PercoreError ERR_PERCORE_NO_SUCH_HANDLER, ERR_PERCORE_INVALID_OPTION, ERR_PERCORE_CLOSED
   *
   * @example
   * ```ts
   * // counting-up.ts
   * export function* upTo(limit: number): Generator<number, string, undefined> {
   *   for (let n = 1; n <= limit; n++) yield n
   *   return 'all'
   * }
   * ```
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type * as handlers from './counting-up.js'
   *
   * const group = await ExecGroup.start<typeof handlers>(new URL('./counting-up.js', import.meta.url), { workers: 1 })
   * let sum = 0
   * for await (const n of group.stream('upTo', 1000)) sum += n
   * console.log(sum) // 500500
   * for await (const n of group.stream('upTo', 1e9, { credits: 8 })) if (n === 3) break // the generator is at 8 at most, and ends
   * console.log(await group.run('upTo', 1000)) // all
   * await group.close()
   * ```
   */
  stream<K extends HandlerName<H>>(name: K, ...call: HandlerCall<H[K], StreamOptions>): AsyncGenerator<StreamItem<H[K]>, StreamReturn<H[K]>, undefined>
  stream(name: string, value?: unknown, options: StreamOptions = {}): AsyncGenerator<unknown, unknown, undefined> {
    const number = this.#numberOf(name)
    if (number === undefined || this.#engine.closed) throw this.#engine.refusal(name)
    const stream = streamOf(this.#engine, number, value, options)
    return isTraced() ? tracedStream(stream, () => new Trace(this, 'stream', name, value)) : stream
  }

  /**
   * Runs a handler and blocks this thread until it has ended; its result, or what it threw. Use it where no promise can be awaited: a getter, a
   * callback that must answer, a script. Everything else on this thread stands still, other tasks' callbacks excepted, which are
   * called as results come. Not for a server's main thread, and impossible on a browser's.
   *
   * Of the options, `worker`, `key`, `priority`, `transfer` and `timeoutMs`. A handler that is stuck when `timeoutMs` has passed is stopped as `run` does,
   * once the event loop turns.
   *
   * @throws what `run` rejects with; ERR_PERCORE_WORKER_DIED also when the worker's thread ended and could not be replaced, as that needs the event loop
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type handlers from './handlers.js'
   *
   * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url))
   * console.log(group.runSync('double', 21)) // 42
   * await group.close()
   * ```
   */
  runSync<K extends HandlerName<H>>(name: K, ...call: HandlerCall<H[K], SyncOptions>): HandlerResult<H[K]>
  runSync(name: string, value?: unknown, options: SyncOptions = {}): unknown {
    const number = this.#numberOf(name)
    if (number === undefined || this.#engine.closed) throw this.#engine.refusal(name)
    checkIsOptions(options)
    const refused = ['signal', 'hard', 'retry', 'onReport'].find((option) => option in options)
    if (refused !== undefined) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `runSync takes no ${refused}, as events do not get in while it waits. Use run.`)
    const spec = checkCallOptions(options, this.workers)
    const guard = checkGuard(options, undefined)
    let outcome: { readonly value: unknown, readonly failed: boolean } | undefined
    const settle = (failed: boolean) => (value: unknown): void => {
      outcome = { value, failed }
    }
    const made = makeCall(number, sentValue(value, options), settle(false), settle(true), { ...spec, flags: mayBeCalledOff })
    const trace = isTraced() ? new Trace(this, 'runSync', name, value).submitted() : undefined
    try {
      const end = this.#dispatcher.runSync(made, options.timeoutMs ?? Number.POSITIVE_INFINITY, () => outcome !== undefined)
      if (end === 'timed out' && guard !== undefined) throw timeOut(guard, this.#engine.callParts.actions, made)
      if (outcome?.failed === true) throw outcome.value
    } catch (error) {
      trace?.failed(error)
      throw error
    }
    trace?.completed(outcome?.value)
    return outcome?.value
  }

  /**
   * Runs a handler on every one of many values; one promise for all results, in the order of the values. Use it for values that are there
   * already and results that are wanted together: it costs a promise for all instead of one each, and numbers cross over in blocks that the
   * worker writes its results into. Use `map` for sources that are long or come in bit by bit.
   *
   * The values are shared among the workers as they work them off, or go to one together where that is over sooner; with `worker` or `key` all go there. Options hold for the
   * whole, and `retry` for each part of it. Rejects with the first failure, and starts no more values then. An object that several values have may come as one or as
   * several; rely on neither.
   *
   * @throws PercoreError what `run` rejects with
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type handlers from './handlers.js'
   *
   * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url))
   * console.log(await group.runMany('double', [1, 2, 3])) // [ 2, 4, 6 ]
   * const doubled = await group.runMany('double', Float64Array.from({ length: 100_000 }, (_, i) => i / 2), { timeoutMs: 5000 })
   * console.log(doubled.length, doubled[99_999]) // 100000 99999
   * await group.close()
   * ```
   */
  runMany<K extends HandlerName<H>>(name: K, values: ArrayLike<HandlerValue<H[K]>>, options?: CallOptions): Promise<HandlerResult<H[K]>[]>
  async runMany(name: string, values: ArrayLike<unknown>, options: CallOptions = {}): Promise<unknown[]> {
    const number = this.#numberOf(name)
    if (number === undefined || this.#engine.closed) throw this.#engine.refusal(name)
    if (typeof values !== 'object' || values === null || !Number.isSafeInteger(values.length)) throw notArrayLike(values)
    const run = manyRunner(this.#engine, number, options, this.#manyLearned)
    return new Promise((resolve, reject) => {
      const plain = { resolve: resolve as Resolve, reject }
      const told = isTraced() ? new Trace(this, 'runMany', name, values).submitted().around(plain.resolve, plain.reject) : plain
      run(values, told.resolve, told.reject)
    })
  }

  /**
   * Fire and forget: true when the task was taken, false when all workers are full. Use it when nobody needs the result: it costs no
   * promise, and says at once when to slow down. A failure is the event `failure`.
   *
   * @throws PercoreError ERR_PERCORE_NO_SUCH_HANDLER, ERR_PERCORE_NOT_CLONEABLE, ERR_PERCORE_OUT_OF_MEMORY, ERR_PERCORE_CLOSED
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type handlers from './handlers.js'
   *
   * const url = new URL('./handlers.js', import.meta.url)
   * const group = await ExecGroup.start<typeof handlers>(url, { workers: 2, depth: 64 })
   * group.on('failure', ({ handler, error }) => console.error(handler, error))
   * let taken = 0
   * while (group.push('double', taken)) taken++
   * console.log(taken) // 128
   * await group.close() // waits for them
   * ```
   */
  push<K extends HandlerName<H>>(name: K, ...call: HandlerCall<H[K], CallOptions>): boolean
  push(name: string, value?: unknown, options?: CallOptions): boolean {
    const number = this.#numberOf(name)
    if (number === undefined || this.#engine.closed) throw this.#engine.refusal(name)
    if (isTraced()) return this.#pushTraced(number, name, value, options)
    const failed = hasCallerContext() ? bound(callerContext(), this.#announcer.failedBy(number, name)) : this.#announcer.failedBy(number, name)
    if (options !== undefined) return this.#pushWith(number, value, options, failed)
    return this.#admission.tryCall(number, value, ignore, failed)
  }

  #pushTraced(number: number, name: string, value: unknown, options: CallOptions | undefined): boolean {
    const trace = new Trace(this, 'push', name, value)
    const failed = hasCallerContext() ? bound(callerContext(), this.#announcer.failedBy(number, name)) : this.#announcer.failedBy(number, name)
    const { resolve, reject } = trace.around(ignore, failed)
    const taken = options === undefined ? this.#admission.tryCall(number, value, resolve, reject) : this.#pushWith(number, value, options, reject, resolve)
    if (taken) trace.submitted() // nothing can have come back yet
    return taken
  }

  #pushWith(number: number, value: unknown, options: CallOptions, failed: Reject, done: Resolve = ignore): boolean {
    const prepared = callWith(this.#engine.callParts, number, value, options, done, failed)
    let taken = false
    try {
      taken = prepared.call === undefined || this.#admission.tryPlace(prepared.call)
    } finally {
      if (!taken) prepared.dismiss()
    }
    return taken
  }

  /**
   * `run` with callbacks instead of a promise, for when tasks are many and small: a promise is most of what such a task costs its caller.
   * `onResult` or `onError` is called once, never before `call` has returned, and may call the group again. Without `onError` a failure is
   * the event `failure`. What a callback throws is an uncaught exception, and harms no other task.
   *
   * @throws PercoreError ERR_PERCORE_NO_SUCH_HANDLER, ERR_PERCORE_INVALID_OPTION, ERR_PERCORE_CLOSED; everything else goes to `onError`
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type handlers from './handlers.js'
   *
   * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url))
   * let total = 0
   * for (let n = 0; n < 1000; n++) group.call('double', n, (doubled) => { total += doubled })
   * await group.close() // waits for all of them
   * console.log(total) // 999000
   * ```
   */
  call<K extends HandlerName<H>>(
    name: K, value: HandlerValue<H[K]>, onResult: (result: HandlerResult<H[K]>) => void, onError?: (error: unknown) => void, options?: CallOptions,
  ): void
  call(name: string, value: unknown, onResult: (result: never) => void, onError?: Reject, options?: CallOptions): void {
    const number = this.#numberOf(name)
    if (number === undefined || this.#engine.closed) throw this.#engine.refusal(name)
    if (typeof onResult !== 'function' || (onError !== undefined && typeof onError !== 'function')) throw noCallback(onResult, onError)
    const failed = onError ?? this.#announcer.failedBy(number, name)
    if (isTraced()) return this.#callTraced(number, name, value, onResult as Resolve, failed, options)
    if (hasCallerContext()) return this.#callInContext(number, value, onResult as Resolve, failed, options)
    if (options === undefined) return this.#admission.call(number, value, onResult as Resolve, failed)
    this.#callWith(number, value, onResult as Resolve, failed, options)
  }

  /** Refused options throw before anything is told. */
  #callTraced(number: number, name: string, value: unknown, onResult: Resolve, failed: Reject, options: CallOptions | undefined): void {
    const trace = new Trace(this, 'call', name, value)
    const { resolve, reject } = trace.around(onResult, failed)
    this.#callInContext(number, value, resolve, reject, options)
    trace.submitted()
  }

  #callInContext(number: number, value: unknown, onResult: Resolve, failed: Reject, options: CallOptions | undefined): void {
    const context = callerContext()
    if (options === undefined) this.#admission.call(number, value, bound(context, onResult), bound(context, failed))
    else this.#callWith(number, value, bound(context, onResult), bound(context, failed), options)
  }

  #callWith(number: number, value: unknown, onResult: Resolve, failed: Reject, options: CallOptions): void {
    const made = callWith(this.#engine.callParts, number, value, options, onResult, failed)
    if (made.call !== undefined) this.#admission.place(made.call)
  }

  /**
   * Resolves when there is room for a task, so that `push` is true and `run` does not wait; at once if there is room now. With options,
   * when there is room on that worker, or that of the key. As many of those who await it are woken as there is room for, first come
   * first served.
   *
   * @throws PercoreError ERR_PERCORE_CLOSED, ERR_PERCORE_INVALID_OPTION; what made the workers be given up, when they were
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type handlers from './handlers.js'
   *
   * const url = new URL('./handlers.js', import.meta.url)
   * const group = await ExecGroup.start<typeof handlers>(url, { workers: 2, depth: 64 })
   * for (let n = 0; n < 10_000; n++) {
   *   while (!group.push('double', n)) await group.ready()
   * }
   * await group.close() // waits for what is in flight
   * console.log(group.stats().workers.map((worker) => worker.tasks).reduce((a, b) => a + b)) // 10000
   * ```
   */
  async ready(options: Pick<CallOptions, 'worker' | 'key'> = {}): Promise<void> {
    if (this.#engine.closed) throw this.#engine.refusal('')
    return this.#admission.ready(checkCallOptions(options, this.workers))
  }

  /**
   * One worker as a place to run tasks: see {@link PlacedWorker}.
   *
   * @throws PercoreError ERR_PERCORE_INVALID_OPTION when there is no such worker
   */
  to(worker: number): PlacedWorker<H> {
    checkWorker(worker, this.workers)
    const group = this as unknown as ExecGroup
    const run = (name: string, value?: unknown, options?: PlacedOptions): Promise<unknown> => group.run(name, value, { ...options, worker })
    const ready = (): Promise<void> => this.ready({ worker })
    const push = (name: string, value?: unknown, options?: PlacedOptions): boolean => group.push(name, value, { ...options, worker })
    const call = (name: string, value: unknown, onResult: Resolve, onError?: Reject, options?: PlacedOptions): void =>
      group.call(name, value, onResult, onError, { ...options, worker })
    return { worker, run: run as PlacedWorker<H>['run'], push, call: call as PlacedWorker<H>['call'], ready }
  }

  /**
   * Runs a handler once on every worker; the promise of all results, in the order of the workers. Use it to fill or clear what each
   * worker keeps. It is no barrier: tasks pushed before may still be running elsewhere.
   *
   * Rejects with the first failure, in the order of the workers, once all are settled. A {@link SharedBlock}, and what moves, cannot be in more than one
   * place: with several workers it is refused with ERR_PERCORE_NOT_CLONEABLE and ERR_PERCORE_NOT_TRANSFERABLE.
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type handlers from './handlers.js'
   *
   * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url), { workers: 2 })
   * console.log(await group.broadcast('greet', 'Ada')) // [ 'Hello Ada, from worker 0', 'Hello Ada, from worker 1' ]
   * await group.close()
   * ```
   */
  broadcast<K extends HandlerName<H>>(name: K, ...value: HandlerArguments<H[K]>): Promise<HandlerResult<H[K]>[]>
  async broadcast(name: string, value?: unknown): Promise<unknown[]> {
    if (value instanceof SharedBlock && this.workers > 1) {
      throw new PercoreError('ERR_PERCORE_NOT_CLONEABLE', 'a SharedBlock can be with one worker only. Broadcast its bytes, or give each worker one of its own.')
    }
    if (value instanceof Moved && this.workers > 1) {
      throw new PercoreError('ERR_PERCORE_NOT_TRANSFERABLE', 'what moves can go to one worker only. Broadcast a copy of it, or give each worker one of its own.')
    }
    const calls = Array.from({ length: this.workers }, (_, worker) => (this as unknown as ExecGroup).run(name, value, { worker }))
    const outcomes = await Promise.allSettled(calls)
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value
    })
  }

  /**
   * Runs a handler on every item of an iterable and yields the results, in order by default. Takes items only as fast as
   * they are worked off, so a source of any length takes no more memory than `concurrency` items. The first failure ends it, thrown
   * where the results are read; so does leaving the loop.
   *
   * @throws PercoreError ERR_PERCORE_NO_SUCH_HANDLER, ERR_PERCORE_INVALID_OPTION, ERR_PERCORE_CLOSED; while reading, what `run` rejects with
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type handlers from './handlers.js'
   *
   * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url))
   * for await (const doubled of group.map('double', [1, 2, 3])) console.log(doubled) // 2, 4, 6
   * await group.close()
   * ```
   */
  map<K extends HandlerName<H>>(
    name: K,
    items: Iterable<HandlerValue<H[K]>> | AsyncIterable<HandlerValue<H[K]>>,
    options: MapOptions = {},
  ): AsyncGenerator<HandlerResult<H[K]>, void, undefined> {
    const number = this.#numberOf(name)
    if (number === undefined || this.#engine.closed) throw this.#engine.refusal(name)
    const { ordered, concurrency } = mapSettings(items, options, this.workers)
    const call = (value: unknown, resolve: Resolve, reject: Reject): void => {
      if (this.#engine.closed) return reject(this.#engine.refusal(name))
      const told = isTraced() ? new Trace(this, 'map', name, value).submitted().around(resolve, reject) : { resolve, reject }
      this.#admission.call(number, value, told.resolve, told.reject, oneOfWindow)
    }
    return mapOver(call, items, ordered, concurrency) as AsyncGenerator<HandlerResult<H[K]>, void, undefined>
  }

  /**
   * A block of shared memory to fill and pass to a handler: it moves there without being copied, and is the handler's to free. Use it
   * for payloads of a few KiB and more; its content is undefined at first. See {@link SharedBlock} for an example.
   *
   * @throws PercoreError ERR_PERCORE_OUT_OF_MEMORY
   */
  alloc(bytes: number): SharedBlock {
    const { heap } = this.#engine
    return new SharedBlock(heap.handle.buffer, heap.malloc(bytes), bytes, heap.free)
  }

  /**
   * The group's memory, as handlers have it by `ctx.memory`: for WebAssembly on this thread, which then reads and writes blocks where they lie, by their `byteOffset`. Throws
   * ERR_PERCORE_INVALID_OPTION unless the group was started with `wasmMemory`.
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   *
   * const group = await ExecGroup.start(new URL('./handlers.js', import.meta.url), { wasmMemory: true })
   * const block = group.alloc(1000)
   * const same = new Uint8Array(group.memory.buffer, block.byteOffset, block.byteLength)
   * block.bytes[999] = 42
   * console.log(same[999], same.buffer.byteLength) // 42 4294967296
   * await group.close()
   * ```
   */
  get memory(): WasmMemory {
    return requireMemory(this.#engine.fabric.memory)
  }

  /**
   * Counters, read from shared memory at no cost to the workers; also after `close`.
   *
   * @example
   * ```ts
   * import { ExecGroup } from 'percore'
   * import type handlers from './handlers.js'
   *
   * const url = new URL('./handlers.js', import.meta.url)
   * const group = await ExecGroup.start<typeof handlers>(url, { workers: 1 })
   * await group.run('double', 21)
   * const { workers: [first], inFlight } = group.stats()
   * console.log(first.tasks, first.failures, inFlight) // 1 0 0
   * await group.close()
   * ```
   */
  stats(): GroupStats {
    return statsOf(this.#engine)
  }

  /**
   * Checks every invariant of the shared heap; exact while no task is in flight. For tests, and for finding out who holds
   * memory. Blocks the thread for some milliseconds when there is something to report: a worker that has just completed its last task may
   * still be sending what it freed, and only what is found again and again is a fault.
   */
  audit(): AuditReport {
    return auditOf(this.#engine)
  }

  /** Takes no more calls, waits until all tasks are settled, then ends the threads. Idempotent; `await using` does the same. */
  close(): Promise<void> {
    return this.#engine.close()
  }

  /** Ends the threads now; tasks in flight reject with ERR_PERCORE_CLOSED. Idempotent. */
  terminate(): Promise<void> {
    return this.#engine.terminate()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #numberOf(name: string): number | undefined {
    if (name === this.#lastName) return this.#lastNumber
    this.#lastNumber = this.#engine.numbers.get(name)
    this.#lastName = name
    return this.#lastNumber
  }
}

function ignore(): void {}

function noCallback(onResult: unknown, onError: unknown): PercoreError {
  const [name, value] = typeof onResult === 'function' ? ['onError', onError] : ['onResult', onResult]
  return new PercoreError('ERR_PERCORE_INVALID_OPTION', `${name} must be a function, not ${typeof value}. Use run for a promise, push for neither.`)
}

function notArrayLike(values: unknown): PercoreError {
  return new PercoreError('ERR_PERCORE_INVALID_OPTION', `runMany takes an array of values, not ${typeof values}. For other sources use map.`)
}
