/**
 * Errors taken apart into data and put together again on the other side: the built-in class, name, message, stack, code,
 * cause, the errors of an AggregateError, and the error's own enumerable properties. Any thread. Nothing here throws for any
 * error, however strange; what cannot be read is left out.
 */
import { type ErrorCode, PercoreError } from '../base/index.js'
import { describe } from './not-cloneable.js'

/** An error as plain data. Absent parts were absent. */
export interface ErrorRecord {
  readonly type: string
  readonly message: string
  /** Only where it is not the class's own. */
  readonly name?: string
  readonly stack?: string
  readonly code?: unknown
  readonly cause?: Nested
  readonly errors?: Nested[]
  readonly own?: [name: string, value: Nested][]
}

/** An error within an error is a record too; everything else is sent as it is. */
type Nested = { readonly error: ErrorRecord } | { readonly value: unknown }

/** A chain of causes longer than this is cut off. */
const depthMax = 16
/** So many errors within an error are taken along; errors may hold one another in any way. */
const nestedMax = 1000

/** How many more errors may be taken along. */
interface Allowance {
  left: number
}

type ErrorClass = new (message: string) => Error
const classes: ReadonlyMap<string, ErrorClass> = new Map<string, ErrorClass>(
  [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError].map((type) => [type.name, type]),
)

/** Properties with a place of their own in the record. */
const reserved: ReadonlySet<string> = new Set(['message', 'stack', 'cause', 'errors'])

export function isErrorObject(value: unknown): value is Error {
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]'
  } catch {
    return false
  }
}

/**
 * The record of an error. `clones` says whether a value can be sent; what cannot is left out of `own`, and named by an error in
 * its place elsewhere. The first try takes everything as cloneable, because nearly always it is.
 */
export function recordOf(error: Error, clones: (value: unknown) => boolean, depth = 0, allowance: Allowance = { left: nestedMax }): ErrorRecord {
  const type = typeOf(error)
  const message = textOf(error, 'message')
  const name = textOf(error, 'name')
  const stack = textOf(error, 'stack')
  const code = read(error, 'code')
  const own = ownOf(error, clones, depth, allowance)
  return {
    type,
    message: message ?? '',
    ...(name === undefined || name === type ? {} : { name }),
    ...(stack === undefined ? {} : { stack }),
    ...(code === undefined || !clones(code) ? {} : { code }),
    ...(has(error, 'cause') ? { cause: nested(read(error, 'cause'), clones, depth, allowance) } : {}),
    ...(type === 'AggregateError' ? { errors: listOf(error, clones, depth, allowance) } : {}),
    ...(own.length === 0 ? {} : { own }),
  }
}

function typeOf(error: Error): string {
  if (error instanceof PercoreError) return 'PercoreError'
  if (error instanceof AggregateError) return 'AggregateError'
  if (typeof DOMException === 'function' && error instanceof DOMException) return 'DOMException'
  for (const [name, type] of classes) if (name !== 'Error' && error instanceof type) return name
  if (error instanceof Error) return 'Error'
  const name = textOf(error, 'name') // of another realm, where the classes are other objects of the same names
  return name !== undefined && (classes.has(name) || name === 'AggregateError') ? name : 'Error'
}

function nested(value: unknown, clones: (value: unknown) => boolean, depth: number, allowance: Allowance): Nested {
  if (isErrorObject(value)) {
    if (depth < depthMax && allowance.left-- > 0) return { error: recordOf(value, clones, depth + 1, allowance) }
    return { error: { type: 'Error', message: `${textOf(value, 'message') ?? ''} (its own causes were cut off)` } }
  }
  if (clones(value)) return { value }
  return { error: { type: 'PercoreError', code: 'ERR_PERCORE_NOT_CLONEABLE', message: `${describe(value)}, which cannot be copied to another thread` } }
}

function ownOf(error: Error, clones: (value: unknown) => boolean, depth: number, allowance: Allowance): [string, Nested][] {
  const own: [string, Nested][] = []
  for (const name of keysOf(error)) {
    const value = reserved.has(name) ? undefined : read(error, name)
    if (value !== undefined && (isErrorObject(value) || clones(value))) own.push([name, nested(value, clones, depth, allowance)])
  }
  return own
}

function listOf(error: Error, clones: (value: unknown) => boolean, depth: number, allowance: Allowance): Nested[] {
  const errors = read(error, 'errors')
  if (!Array.isArray(errors)) return []
  const list: Nested[] = []
  for (const item of errors) {
    if (allowance.left <= 0 || list.length === nestedMax) {
      list.push({ error: { type: 'Error', message: `${errors.length - list.length} more errors were cut off` } })
      break
    }
    list.push(nested(item, clones, depth, allowance))
  }
  return list
}

function keysOf(error: Error): string[] {
  try {
    return Object.keys(error)
  } catch {
    return []
  }
}

function has(error: Error, name: string): boolean {
  try {
    return name in error
  } catch {
    return false
  }
}

function read(error: Error, name: string): unknown {
  try {
    return Reflect.get(error, name)
  } catch {
    return undefined
  }
}

function textOf(error: Error, name: string): string | undefined {
  const value = read(error, name)
  return typeof value === 'string' ? value : undefined
}

/** The error a record was taken from, with the stack of the thread it was thrown on. */
export function errorOf(record: ErrorRecord): Error {
  const error = instanceOf(record)
  if (record.name !== undefined && error.name !== record.name) define(error, 'name', record.name, false)
  for (const [name, value] of record.own ?? []) define(error, name, valueOf(value), true)
  if (record.code !== undefined && read(error, 'code') !== record.code) define(error, 'code', record.code, false)
  if (record.cause !== undefined) define(error, 'cause', valueOf(record.cause), false)
  define(error, 'stack', record.stack, false)
  return error
}

/** This thread's stack would be thrown away, and taking one is most of what an error costs. */
function instanceOf(record: ErrorRecord): Error {
  const limit = Error.stackTraceLimit
  try {
    Error.stackTraceLimit = 0
  } catch {
    return construct(record) // a hardened realm, in which built-ins are frozen
  }
  try {
    return construct(record)
  } finally {
    Error.stackTraceLimit = limit
  }
}

function construct(record: ErrorRecord): Error {
  const { type, message } = record
  if (type === 'PercoreError') return new PercoreError(record.code as ErrorCode, message)
  if (type === 'AggregateError') return new AggregateError((record.errors ?? []).map(valueOf), message)
  if (type === 'DOMException' && typeof DOMException === 'function') return new DOMException(message, record.name)
  return new (classes.get(type) ?? Error)(message)
}

function valueOf(nested: Nested): unknown {
  return 'error' in nested ? errorOf(nested.error) : nested.value
}

function define(error: Error, name: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, name, { value, enumerable, writable: true, configurable: true })
}
