/**
 * What a user writes: handlers, and the context they are given. Types for both sides, and the table a worker builds from
 * a module. Handlers are numbered by the order of their names, so that every thread agrees without talking.
 */
import { PercoreError } from '../base/index.js'
import type { Moved, SharedBlock } from '../codec/index.js'
import type { Exec } from '../exec/index.js'
import { hooksKey, hooksOf, type WorkerHooks } from './hooks.js'
import type { WasmMemory } from './wasm-memory.js'

/**
 * What a handler is given beside its value. Valid on the worker's thread only. `S` is what the worker's `init` hook made, see {@link WorkerHooks}.
 *
 * @example
 * ```ts
 * import { defineHandlers } from 'percore'
 *
 * export default defineHandlers({
 *   ramp(length: number, ctx) {
 *     const block = ctx.alloc(length)
 *     for (let i = 0; i < length; i++) block.bytes[i] = i
 *     return block // moves to the caller, who frees it
 *   },
 * })
 * ```
 */
export interface Context<S = unknown> {
  /** Which worker of the group runs this task: 0 … workers − 1. A replaced worker keeps its number. */
  readonly worker: number
  /** The `workerData` option of the group, cloned once per worker. */
  readonly workerData: unknown
  /** What the worker's `init` hook returned: one per worker, made before its first task. */
  readonly state: S
  /**
   * Aborted when the caller no longer wants this task: its `signal` was aborted, or its `timeoutMs` has passed. Pass it on to what you await;
   * in a loop ask it now and then, which reads shared memory (some 50 ns) and works although no event gets in.
   */
  readonly signal: AbortSignal
  /**
   * The worker's executor: `yield* ctx.exec.sleep(5)` in a generator handler, or spawn tasks of your own. It has its turn between tasks, some
   * 100 µs at a time. See `percore/exec`.
   */
  readonly exec: Exec
  /** The group this worker is of, to call it from inside a handler. */
  readonly group: WorkerGroup
  /**
   * The group's memory, for WebAssembly: import it into a module that `init` instantiates, and pass it a block's `byteOffset` and `byteLength`. All blocks of the group lie in it, and so
   * does all else that the group shares: a module must write nowhere but into blocks that its handler owns, so it may have no data and no stack of its own there.
   * Throws ERR_PERCORE_INVALID_OPTION unless the group was started with `wasmMemory`. See docs/webassembly.md for an example.
   */
  readonly memory: WasmMemory
  /** A block of shared memory to fill and return: it moves to the caller without being copied. Throws ERR_PERCORE_OUT_OF_MEMORY. */
  alloc(bytes: number): SharedBlock
  /**
   * Tells the `onReport` of the call how far this task is. True when it was sent: false when nobody listens, or the caller is 64 reports
   * behind. Throws ERR_PERCORE_NOT_CLONEABLE and ERR_PERCORE_OUT_OF_MEMORY.
   */
  report(progress: unknown): boolean
}

/**
 * The group as its workers see it. Use it for work that a handler finds on its way and need not do itself, and for what only the group's thread
 * has. Calls travel through shared memory and wait for nobody: handlers may call each other in circles, however full the group is. They are
 * given to the worker with the fewest such calls, which may be the caller's own, and are not counted in `depth` or `maxQueue`.
 *
 * What `move` marked, value or result, moves from worker to worker. Both reject with what the handler throws, ERR_PERCORE_NO_SUCH_HANDLER, ERR_PERCORE_NOT_CLONEABLE,
 * ERR_PERCORE_NOT_TRANSFERABLE, ERR_PERCORE_QUEUE_FULL (a million wait for room),
 * ERR_PERCORE_WORKER_DIED. A handler that blocks its thread instead of awaiting them never gets an answer; neither does one called with
 * `runSync`, as the group's thread then does not pass calls on.
 *
 * @example
 * ```ts
 * // summing.ts
 * import { defineHandlers } from 'percore'
 *
 * export default defineHandlers({
 *   async sum(to: number, ctx): Promise<number> {
 *     if (to < 10) return to * (to + 1) / 2 + (await ctx.group.main('offset') as number)
 *     const half = Math.floor(to / 2)
 *     const [low, high] = await Promise.all([ctx.group.run('sum', half), ctx.group.run('sum', to - half)]) as number[]
 *     return low + high + half * (to - half)
 *   },
 * })
 * ```
 *
 * @example
 * ```ts
 * import { ExecGroup } from 'percore'
 * import type handlers from './summing.js'
 *
 * const url = new URL('./summing.js', import.meta.url)
 * const group = await ExecGroup.start<typeof handlers>(url, { workers: 2, main: { offset: () => 0 } })
 * console.log(await group.run('sum', 1000)) // 500500
 * await group.close()
 * ```
 */
export interface WorkerGroup {
  /** Runs a handler on some worker of the group; the promise of its result. */
  run(name: string, value?: unknown): Promise<unknown>
  /** Runs a function of the group's option `main` on the thread that started the group. */
  main(name: string, value?: unknown): Promise<unknown>
}

/**
 * A function that runs on a worker: one value in, one result (or a promise of one) out. What it throws, its caller gets. A generator
 * function is a coroutine: each `yield` lets others run, a yielded promise is awaited; `run` gives what it returns, `stream` what it yields.
 */
export type Handler = (value: never, context: Context<never>) => unknown

/** A module's handlers by name. */
export type Handlers = { readonly [name: string]: Handler }

/** What is known of a module's handlers when the caller gives no type: nothing. */
export type UntypedHandlers = { readonly [name: string]: (value?: unknown, context?: Context<never>) => unknown }

/** The names of a module's handlers. */
export type HandlerName<H> = keyof H & string

/** What to pass to a handler: nothing when it takes nothing. */
export type HandlerArguments<F> = F extends (...args: infer A) => unknown
  ? A extends readonly []
    ? [value?: undefined]
    : undefined extends A[0] ? [value?: A[0] | Moved<A[0]>] : [value: A[0] | Moved<A[0]>]
  : never

/** What to pass to a call of a handler: its value, then options; `undefined` in its place when it takes none. */
export type HandlerCall<F, O> = HandlerArguments<F> extends readonly [value: infer V]
  ? [value: V, options?: O]
  : [value?: HandlerArguments<F>[0], options?: O]

/** What arrives of what a handler gives: settled, and without the mark of `move`. */
export type Arrived<R> = Awaited<R> extends infer T ? (T extends Moved<infer M> ? M : T) : never

/** What a handler's caller gets; of a generator what it returns. */
export type HandlerResult<F> = F extends (...args: never[]) => infer R
  ? R extends Generator<unknown, infer T, never> | AsyncGenerator<unknown, infer T, never> ? Arrived<T> : Arrived<R>
  : never

/** What the reader of a handler's stream gets: what it yields, or the items of what it returns. */
export type StreamItem<F> = F extends (...args: never[]) => infer R
  ? Awaited<R> extends AsyncIterable<infer Y> | Iterable<infer Y> ? Arrived<Y> : never
  : never

/** What the stream ends with: what the generator returns. */
export type StreamReturn<F> = F extends (...args: never[]) => infer R
  ? R extends Generator<unknown, infer T, never> | AsyncGenerator<unknown, infer T, never> ? Arrived<T> : undefined
  : never

/** The value a handler takes. */
export type HandlerValue<F> = HandlerArguments<F>[0]

/**
 * Names a module's handlers and keeps their types, so that `ExecGroup.start<typeof handlers>` checks every call. Use it in a module of
 * its own: each worker loads that module once, so what stands beside the handlers is prepared once per worker. What must be awaited or
 * given back belongs into {@link WorkerHooks}. Any thread; it returns the handlers it is given. (The examples of percore's other doc comments use this module.)
 *
 * @throws PercoreError ERR_PERCORE_INVALID_OPTION for a handler that is no function
 *
 * @example
 * ```ts
 * // handlers.ts
 * import { defineHandlers, type SharedBlock } from 'percore'
 *
 * export default defineHandlers({
 *   double: (n: number) => n * 2,
 *   async greet(name: string, ctx) { return `Hello ${name}, from worker ${ctx.worker}` },
 *   invert(image: SharedBlock) {
 *     image.bytes.forEach((value, i, bytes) => { bytes[i] = 255 - value })
 *     return image
 *   },
 * })
 * ```
 */
export function defineHandlers<H extends { readonly [name: string]: (value: never, context: Context<S>) => unknown }, S = unknown>(
  handlers: H,
  hooks?: WorkerHooks<S>,
): H {
  for (const [name, handler] of Object.entries(handlers)) {
    if (typeof handler !== 'function') throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `the handler '${name}' must be a function, not ${handler === null ? 'null' : typeof handler}.`)
  }
  if (hooks !== undefined) Object.defineProperty(handlers, hooksKey, { value: hooks })
  return handlers
}

/** The most handlers a module may have: 16 bits name a handler and the way it is called. */
export const handlersMax = 16_384

/** A module's handlers, in the order of their numbers. */
export interface HandlerTable {
  readonly names: readonly string[]
  readonly handlers: readonly Handler[]
  readonly hooks: WorkerHooks<unknown>
}

/**
 * The handlers of a loaded module: its default export when that is an object, else its named exports that are functions.
 * Throws ERR_PERCORE_HANDLERS_LOAD when there are none, or when one cannot be run.
 */
export function handlersOf(module: Readonly<Record<string, unknown>>, from: string): HandlerTable {
  const fallback = module['default']
  const holder = typeof fallback === 'object' && fallback !== null ? (fallback as Record<string, unknown>) : module
  const names = Object.keys(holder).filter((name) => typeof holder[name] === 'function').toSorted()
  if (names.length === 0 || names.length > handlersMax) {
    throw new PercoreError(
      'ERR_PERCORE_HANDLERS_LOAD',
      `${from} has ${names.length} handlers. Export functions, or export default defineHandlers({ name: (value, ctx) => result }).`,
    )
  }
  return { names, handlers: names.map((name) => holder[name] as Handler), hooks: hooksOf(holder, module, from) }
}
