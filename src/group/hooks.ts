/**
 * What a worker does before its first task and after its last. Found on the worker's thread; the types are the user's.
 *
 * Invariant: `dispose` gets what `init` made, at most once, when no task of the worker is left. A worker that dies or is terminated
 * disposes of nothing.
 */
import { PercoreError } from '../base/index.js'
import type { Context } from './handlers.js'

/**
 * What a worker sets up and gives back: a connection, a model, a cache. Pass it to `defineHandlers`, or export it as `hooks` beside named
 * handlers. Both run on the worker's thread, once per thread: a worker that is replaced has a new one.
 *
 * @example
 * ```ts
 * // counting.ts
 * import { defineHandlers } from 'percore'
 *
 * export default defineHandlers({
 *   count: (word: string, ctx) => ctx.state.seen.add(word).size,
 * }, {
 *   init: async () => ({ seen: new Set<string>(['already']) }),
 *   dispose: (state) => state.seen.clear(),
 * })
 * ```
 *
 * @example
 * ```ts
 * import { ExecGroup } from 'percore'
 * import type handlers from './counting.js'
 *
 * const group = await ExecGroup.start<typeof handlers>(new URL('./counting.js', import.meta.url), { workers: 1 })
 * console.log(await group.run('count', 'once')) // 2
 * await group.close() // disposes
 * ```
 */
export interface WorkerHooks<S> {
  /** Makes the worker's `ctx.state`, before its first task. What it throws fails the start, with ERR_PERCORE_HANDLERS_LOAD. */
  init?(context: Context): S | Promise<S>
  /** Called when the group closes or does without this worker, and awaited for up to 2 s. What it throws becomes a process warning. */
  dispose?(state: S, context: Context<S>): void | Promise<void>
}

/** Where `defineHandlers` leaves them. Registered, so that two copies of percore understand each other. */
export const hooksKey: unique symbol = Symbol.for('percore.hooks')

/** The hooks of a loaded module: those of its handlers, or its export `hooks`. */
export function hooksOf(holder: object, module: Readonly<Record<string, unknown>>, from: string): WorkerHooks<unknown> {
  const hooks = (holder as { [hooksKey]?: unknown })[hooksKey] ?? module['hooks'] ?? {}
  const { init, dispose } = Object(hooks) as Record<string, unknown>
  for (const [name, hook] of Object.entries({ init, dispose })) {
    if (hook !== undefined && typeof hook !== 'function') {
      throw new PercoreError('ERR_PERCORE_HANDLERS_LOAD', `the hook '${name}' of ${from} must be a function, not ${typeof hook}.`)
    }
  }
  return hooks
}

/** Runs `init`; gives the worker's state. */
export async function initialise(hooks: WorkerHooks<unknown>, context: Context, from: string | undefined): Promise<unknown> {
  try {
    return await hooks.init?.(context)
  } catch (error) {
    throw new PercoreError('ERR_PERCORE_HANDLERS_LOAD', `the init hook of ${from} failed: ${String(error)}.`, { cause: error })
  }
}

/** Runs `dispose`; gives a sentence when it failed. */
export async function dispose(hooks: WorkerHooks<unknown>, context: Context): Promise<string | undefined> {
  try {
    await hooks.dispose?.(context.state, context)
    return undefined
  } catch (error) {
    return `the dispose hook of worker ${context.worker} failed: ${String(error)}.`
  }
}
