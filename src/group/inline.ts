/**
 * Functions that travel as text: `sourceOf` runs on the group's thread, `createInline` makes the handler that compiles and runs them on a
 * worker. A function brings nothing of its surroundings along, so the text is all there is to send.
 *
 * The source travels with every call, some 100 ns per 100 characters; each worker compiles it once.
 */
import { PercoreError } from '../base/index.js'
import type { Context } from './handlers.js'

/** What travels: the text, and the argument if there is one. */
export type InlineCall = readonly [source: string, value?: unknown]

/** Compiled functions that a worker keeps; a program that makes up texts without end must not fill its memory. */
const keptMax = 1024

/** The text of a function. Throws ERR_PERCORE_INVALID_OPTION for what is none, or has none. */
export function sourceOf(fn: unknown): string {
  if (typeof fn !== 'function') {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `runFunction takes a function, not ${typeof fn}. To run a handler by name, call run.`)
  }
  const source = Function.prototype.toString.call(fn)
  if (/\{\s*\[native code\]\s*\}$/.test(source)) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `the function '${fn.name}' is bound or built in, so it has no text to send. Wrap it: (value) => … .`)
  }
  return source
}

/** The handler that runs them. */
export function createInline(): (call: InlineCall, context: Context) => unknown {
  const kept = new Map<string, (value: unknown, context: Context) => unknown>()
  return ([source, value], context) => {
    let fn = kept.get(source)
    if (fn === undefined) {
      if (kept.size === keptMax) kept.clear()
      kept.set(source, (fn = compile(source)))
    }
    return fn(value, context)
  }
}

/** The text is that of an expression, or of a method, which only stands in an object. */
function compile(source: string): (value: unknown, context: Context) => unknown {
  try {
    return evaluate(`(${source}\n)`) as ReturnType<typeof compile>
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const [method] = Object.values(evaluate(`({${source}\n})`) as Record<string, ReturnType<typeof compile>>)
    return method
  }
}

/** Strict, as the module that the text most likely comes from; sees only globals. */
function evaluate(expression: string): unknown {
  return new Function(`'use strict';return ${expression}\n//# sourceURL=percore:runFunction`)()
}
