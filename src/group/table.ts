/**
 * How everything that a worker can be asked for is numbered, so that both sides agree without talking, and the worker's table of it. The
 * loop runs whatever stands at a number; it knows none of these ways.
 *
 * ```
 *  0 … n − 1     the handlers, by the order of their names: run to the end
 *  n … 2n − 1    the same, opened as streams
 *  2n …          see builtin
 * ```
 */
import { type Coroutines, isGenerator } from './coroutines.js'
import { createInline } from './inline.js'
import type { Context, Handler } from './handlers.js'
import type { StreamSources } from './stream-source.js'

/** What a worker can be asked for beside its handlers, behind 2n. */
export const builtin = { inline: 0, pull: 1, cancel: 2 } as const

/** The number of a handler when it is opened as a stream, among `count` handlers. */
export function streamNumber(handler: number, count: number): number {
  return count + handler
}

export function builtinNumber(which: number, count: number): number {
  return 2 * count + which
}

/** The names by number, for whoever is shown a number. */
export function namesByNumber(names: readonly string[]): readonly string[] {
  return [...names, ...names]
}

export interface TableParts {
  readonly handlers: readonly Handler[]
  readonly coroutines: Coroutines
  readonly streams: StreamSources
  /** A context for the task that is being started. */
  readonly ownContext: () => Context<never>
}

export function tableOf(parts: TableParts): Handler[] {
  const { coroutines, streams } = parts
  const handlers = parts.handlers.map((handler) => withContext(handler, parts.ownContext))
  const inline = withContext(createInline() as Handler, parts.ownContext)
  return [
    ...handlers.map((handler, number) => (isGeneratorFunction(parts.handlers[number]) ? coroutines.wrap(handler) : handler)),
    ...handlers.map((handler) => streams.opening(handler)),
    ((value: never, context) => {
      const result = inline(value, context)
      return isGenerator(result) ? coroutines.run(result) : result
    }) satisfies Handler,
    streams.pull as Handler,
    streams.cancel as Handler,
  ]
}

/** A handler that looks at its context gets one of its own; the others share the worker's, which costs nothing. */
function withContext(handler: Handler, ownContext: () => Context<never>): Handler {
  return mayUseContext(handler) ? (value) => handler(value, ownContext()) : handler
}

function mayUseContext(handler: Handler): boolean {
  return handler.length > 1 || /\barguments\b|\.\.\.|\[native code\]/.test(Function.prototype.toString.call(handler))
}

function isGeneratorFunction(handler: Handler): boolean {
  return Object.prototype.toString.call(handler).includes('GeneratorFunction')
}
