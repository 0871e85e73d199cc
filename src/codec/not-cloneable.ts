/**
 * Says what in a refused value is to blame, and where. Any thread; runs only after a failure, so it may be slow: it tries
 * every part of the value again, and goes into the first that fails.
 */
import { PercoreError } from '../base/index.js'
import { SharedBlock } from './shared-block.js'

interface Culprit {
  readonly path: string
  readonly value: unknown
}

const depthMax = 64

/**
 * The error for `value`, which `tryClone` (it throws for values that cannot be cloned) has refused with `cause`.
 */
export function notCloneable(value: unknown, cause: unknown, tryClone: (value: unknown) => void): PercoreError {
  const { path, value: culprit } = find({ path: 'value', value }, tryClone, 0)
  const reason = cause instanceof Error && !/could not be cloned/.test(cause.message) ? ` (${cause.message})` : ''
  return new PercoreError(
    'ERR_PERCORE_NOT_CLONEABLE',
    `${path} is ${describe(culprit)}, which cannot be copied to another thread${reason}. ${advice(culprit)}`,
    { cause },
  )
}

function find(suspect: Culprit, tryClone: (value: unknown) => void, depth: number): Culprit {
  if (depth === depthMax || suspect.value instanceof SharedBlock) return suspect
  for (const part of partsOf(suspect)) {
    try {
      tryClone(part.value)
    } catch {
      return find(part, tryClone, depth + 1)
    }
  }
  return suspect
}

/** Never throws: hostile getters and proxies end the list. */
function* partsOf({ path, value }: Culprit): Generator<Culprit> {
  if (typeof value !== 'object' || value === null) return
  try {
    if (value instanceof Map) {
      let index = 0
      for (const [key, item] of value as Map<unknown, unknown>) {
        yield { path: `the key ${brief(key)} of ${path}`, value: key }
        yield { path: `${path}.get(${brief(key, index++)})`, value: item }
      }
    } else if (value instanceof Set) {
      let index = 0
      for (const item of value as Set<unknown>) yield { path: `[...${path}][${index++}]`, value: item }
    }
    for (const key of Object.keys(value)) yield { path: path + accessor(key, Array.isArray(value)), value: Reflect.get(value, key) }
    if (value instanceof Error) yield { path: `${path}.cause`, value: value.cause }
  } catch {
    // What cannot be read is the culprit itself.
  }
}

function accessor(key: string, isArray: boolean): string {
  if (isArray && /^\d+$/.test(key)) return `[${key}]`
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

function brief(key: unknown, index = 0): string {
  if (typeof key === 'string') return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key)
  return typeof key === 'number' ? String(key) : `#${index}`
}

/** A few words for a value, such as `a function (onDone)` or `a WeakMap`. Never throws. */
export function describe(value: unknown): string {
  try {
    if (typeof value === 'function') return value.name === '' ? 'a function' : `a function (${value.name})`
    if (typeof value === 'symbol') return `a symbol (${String(value)})`
    if (typeof value !== 'object' || value === null) return `a ${typeof value}`
    const name = value.constructor?.name ?? ''
    if (name === '' || name === 'Object') return 'an object'
    return /^[AEIO]/.test(name) ? `an ${name}` : `a ${name}`
  } catch {
    return 'an object'
  }
}

function advice(value: unknown): string {
  if (typeof value === 'function') return 'Send the data it needs, and call a handler by its name.'
  if (value instanceof SharedBlock) return 'Pass a SharedBlock as the whole value, not inside another.'
  if (value instanceof Promise) return 'Await it first.'
  if (typeof SharedArrayBuffer !== 'undefined' && value instanceof SharedArrayBuffer) return 'Hand shared memory over once, in workerData.'
  return 'Send plain data instead: objects, arrays, typed arrays, Map, Set, Date and the like.'
}
