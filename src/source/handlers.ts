/**
 * The user's handlers module, loaded in the worker that will run it and never on the main thread. Every way to get it wrong
 * ends in one error that says what to do.
 */
import { existsSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PercoreError } from '../base/index.js'
import type { RowHandler } from './rows.js'

/**
 * Imports `moduleUrl` and returns the handler called `name`: a function of the default export, else a named export. Without a
 * name, the only handler there is.
 *
 * @throws {PercoreError} `ERR_PERCORE_HANDLERS_LOAD` when the module cannot be imported, `ERR_PERCORE_NO_SUCH_HANDLER` when it
 * has no such handler
 */
export async function loadHandler<Context>(moduleUrl: string, name: string | undefined): Promise<RowHandler<Context>> {
  const path = fileURLToPath(moduleUrl)
  if (!existsSync(path)) throw new PercoreError('ERR_PERCORE_HANDLERS_LOAD', `there is no handlers module ${path}`)
  if (statSync(path).isDirectory()) {
    throw new PercoreError('ERR_PERCORE_HANDLERS_LOAD', `${path} is a directory: name the handlers module in it`)
  }
  if (/\.[mc]?ts$/.test(path) && !(process.features as { typescript?: unknown }).typescript) {
    throw new PercoreError(
      'ERR_PERCORE_HANDLERS_LOAD',
      `Node ${process.versions.node} cannot load TypeScript (${path}): compile it to .js first, or use Node 22.18 or newer`,
    )
  }
  let module: Record<string, unknown>
  try {
    module = await import(moduleUrl) as Record<string, unknown>
  } catch (error) {
    const text = error instanceof Error ? error.stack ?? String(error) : String(error)
    throw new PercoreError('ERR_PERCORE_HANDLERS_LOAD', `the handlers module ${path} does not load:\n${text}`, { cause: error })
  }
  return pick<Context>(handlersOf(module), name, path)
}

function handlersOf(module: Record<string, unknown>): Map<string, RowHandler<never>> {
  const named = Object.entries(module)
  const fromDefault = typeof module['default'] === 'object' && module['default'] !== null ? Object.entries(module['default']) : []
  return new Map([...named, ...fromDefault].filter((entry): entry is [string, RowHandler<never>] => typeof entry[1] === 'function'))
}

function pick<Context>(handlers: Map<string, RowHandler<never>>, name: string | undefined, path: string): RowHandler<Context> {
  const names = [...handlers.keys()].toSorted()
  const chosen = name ?? (names.length === 1 ? names[0] : undefined)
  const handler = chosen === undefined ? undefined : handlers.get(chosen)
  if (handler === undefined) {
    const wish = name === undefined ? `say which handler of ${path} to run with --handler` : `${path} has no handler "${name}"`
    throw new PercoreError('ERR_PERCORE_NO_SUCH_HANDLER', `${wish}; ${names.length === 0 ? 'it exports no function' : `it has: ${names.join(', ')}`}`)
  }
  if (/^(?:Async)?GeneratorFunction$/.test(handler.constructor.name)) {
    throw new PercoreError('ERR_PERCORE_NO_SUCH_HANDLER', `the handler "${chosen}" is a generator; rows need a function, sync or async`)
  }
  return handler as RowHandler<Context>
}
