/**
 * What runs on a pool's workers: a module of handlers for ExecGroup that loads the program's own ones, as piscina does. Runs on workers only.
 *
 * Invariant: the program's modules are loaded after `workerData`, `isWorkerThread` and `parentPort` are what they are under piscina.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { pathToFileURL } from 'node:url'
import { types } from 'node:util'
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { Moved } from '../codec/index.js'
import type { Context, WorkerHooks } from '../group/index.js'
import { becomeWorker } from './state.js'
import { isMovable, transferOf, valueSymbol } from './symbols.js'

/** What the pool gives a worker. `filename` and `name` are what `run` calls unless it is told otherwise. */
export interface HostBrief {
  readonly data: unknown
  readonly filename: string | null
  readonly name: string
}

/** The first message of the pool to its worker: the port that becomes its `parentPort`. */
export interface HostPort {
  readonly messages: MessagePort
}

type Handler = (value: unknown) => unknown

const require = createRequire(import.meta.url)
const handlers = new Map<string, Handler>()
let brief: HostBrief
let usual: Handler | undefined

/** What a module exports under a name; `default` of a CommonJS module is what it exports as a whole. Some export a promise. */
function exportOf(module: unknown, name: string): unknown {
  const exports = Object(module) as Record<string, unknown>
  const isEsm = exports['__esModule'] === true || types.isModuleNamespaceObject(module)
  return name === 'default' && !isEsm ? module : exports[name]
}

/** CommonJS first, as names are then found that the engine's analysis of a CommonJS module misses. */
async function load(filename: string, name: string): Promise<Handler | undefined> {
  let found: unknown
  try {
    if (!filename.endsWith('.mjs')) found = await exportOf(require(filename), name)
  } catch {
    // What `import` says of it is what counts.
  }
  if (typeof found !== 'function') found = await ((await import(pathToFileURL(filename).href)) as Record<string, unknown>)[name]
  return typeof found === 'function' ? (found as Handler) : undefined
}

async function handlerOf(filename: string, name: string): Promise<Handler | undefined> {
  const key = `${filename}/${name}`
  const known = handlers.get(key)
  if (known !== undefined) return known
  const handler = await load(filename, name)
  if (handler !== undefined) handlers.set(key, handler)
  return handler
}

/** Results that are marked are moved; everything else goes as it is. */
function passOn(result: unknown): unknown {
  if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function') return Promise.resolve(result).then(passOn)
  return isMovable(result) ? new Moved(result[valueSymbol], transferOf(result)) : result
}

export const hooks: WorkerHooks<unknown> = {
  async init(context: Context) {
    brief = context.workerData as HostBrief
    const threads = require('node:worker_threads') as { parentPort: MessagePort, workerData: unknown }
    let port: HostPort | undefined
    while (port === undefined) {
      const received = receiveMessageOnPort(threads.parentPort) as { readonly message: HostPort | 0 } | undefined
      if (received === undefined) throw new Error('the pool sent its port before the thread began, and it is not there')
      if (received.message !== 0) port = received.message
    }
    becomeWorker(brief.data)
    threads.parentPort = port.messages
    threads.workerData = brief.data
    syncBuiltinESMExports()
    if (brief.filename !== null) usual = await handlerOf(brief.filename, brief.name)
  },
}

/** The pool's own handler. */
export function run(value: unknown): unknown {
  if (usual === undefined) throw noHandler(brief.filename)
  return passOn(usual(value))
}

/** Any handler, and its value. */
export async function runNamed([filename, name, value]: readonly [string, string, unknown]): Promise<unknown> {
  const handler = await handlerOf(filename, name)
  if (handler === undefined) throw noHandler(filename)
  return passOn(handler(value))
}

function noHandler(filename: string | null): Error {
  return new Error(`No handler function exported from ${filename}`)
}
