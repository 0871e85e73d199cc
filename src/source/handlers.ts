/**
 * The user's handlers module, loaded in the worker that will run it and never on the main thread. Every way to get it wrong
 * ends in one error that says what to do.
 */
import { fileURLToPath } from 'node:url'
import { PercoreError } from '../base/index.js'
import { type Handler, handlersOf } from '../group/index.js'

/**
 * Imports the module and returns the handler called `name`; without a name, the only handler there is.
 *
 * @throws {PercoreError} `ERR_PERCORE_HANDLERS_LOAD` when the module cannot be imported or exports no handlers,
 * `ERR_PERCORE_NO_SUCH_HANDLER` when none has that name
 */
export async function loadHandler(moduleUrl: string, name: string | undefined): Promise<Handler> {
  const path = fileURLToPath(moduleUrl)
  const module = await import(moduleUrl).catch((error: unknown) => {
    throw new PercoreError('ERR_PERCORE_HANDLERS_LOAD', `cannot load handlers from ${path}: ${reason(error)}`, { cause: error })
  }) as Record<string, unknown>

  const { names, handlers } = handlersOf(module, path)
  const chosen = name ?? (names.length === 1 ? names[0] : undefined)
  const handler = handlers[names.indexOf(chosen ?? '')]
  if (handler === undefined) {
    const problem = name === undefined ? `${path} has several handlers: choose one with --handler` : `${path} has no handler '${name}'`
    throw new PercoreError('ERR_PERCORE_NO_SUCH_HANDLER', `${problem}. There are: ${names.join(', ')}.`)
  }
  return handler
}

function reason(error: unknown): string {
  const { code, stack } = error as { code?: unknown, stack?: string }
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'ERR_UNSUPPORTED_DIR_IMPORT') {
    return (error as Error).message.replace(` imported from ${fileURLToPath(import.meta.url)}`, '') // of whom nobody has heard
  }
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
    return `Node ${process.versions.node} cannot load this kind of file. Compile TypeScript to .js first, or use Node 22.18 or later.`
  }
  return stack ?? String(error)
}
