/**
 * Loads the handlers module, on the worker that will run it and never on the group's thread. Every way to get it wrong ends in one
 * ERR_PERCORE_HANDLERS_LOAD that says what to do.
 */
import { PercoreError } from '../base/index.js'
import { type HandlerTable, handlersOf } from './handlers.js'

/** The handlers of the module at that URL; none without one. */
export async function loadHandlers(module: string | undefined): Promise<HandlerTable> {
  if (module === undefined) return { names: [], handlers: [], hooks: {} }
  try {
    return handlersOf((await import(module)) as Record<string, unknown>, module)
  } catch (error) {
    if (error instanceof PercoreError) throw error
    throw new PercoreError('ERR_PERCORE_HANDLERS_LOAD', `cannot load handlers from ${module}: ${String(error)}.${adviceOn(error, module)}`, { cause: error })
  }
}

function adviceOn(error: unknown, module: string): string {
  const code = (error as { code?: unknown } | null)?.code
  if (!/\.[cm]?tsx?$/.test(module)) return ''
  switch (code) {
    case 'ERR_UNKNOWN_FILE_EXTENSION':
      return ` Node ${process.versions.node} cannot load TypeScript here: compile it to .js, use Node 22.18 or later, or pass execArgv with a loader.`
    case 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX':
      return ' Node only erases types: write no enums, namespaces or parameter properties, or compile it to .js.'
    case 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING':
      return ' Node loads no TypeScript from node_modules: compile it to .js.'
  }
  return ''
}
