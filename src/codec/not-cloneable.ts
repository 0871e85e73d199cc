/**
 * Says what in a refused value is to blame, and where. Any thread; runs only after a failure, so it may be slow: it tries
 * every part of the value again, and goes into the first that fails.
 */
import { PercoreError } from '../base/index.js'
import { isProxy } from './host.js'
import { isDetached, isMoved } from './moved.js'
import { SharedBlock } from './shared-block.js'

interface Culprit {
  readonly path: string
  readonly value: unknown
  /** What reading it threw, when that is what is wrong. */
  readonly thrown?: unknown
}

const depthMax = 64
const pathLengthMax = 200

/**
 * The error for `value`, which `tryClone` (it throws for values that cannot be cloned) has refused with `cause`.
 */
export function notCloneable(value: unknown, cause: unknown, tryClone: (value: unknown) => void): PercoreError {
  if (cause instanceof RangeError && /call stack/.test(cause.message)) {
    const message = 'value is nested too deeply to be copied to another thread, some thousands of levels. Send it flat, as a list of its parts.'
    return new PercoreError('ERR_PERCORE_NOT_CLONEABLE', message, { cause })
  }
  const culprit = find({ path: 'value', value }, tryClone, 0)
  const path = culprit.path.length <= pathLengthMax ? culprit.path : `${culprit.path.slice(0, pathLengthMax)}…`
  if ('thrown' in culprit) {
    const message = `${path} cannot be read (${reasonOf(culprit.thrown)}), so it cannot be copied to another thread. Leave it out.`
    return new PercoreError('ERR_PERCORE_NOT_CLONEABLE', message, { cause })
  }
  const reason = cause instanceof Error && !/could not be cloned/.test(cause.message) ? ` (${cause.message})` : ''
  return new PercoreError(
    'ERR_PERCORE_NOT_CLONEABLE',
    `${path} is ${describe(culprit.value)}, which cannot be copied to another thread${reason}. ${advice(culprit.value)}`,
    { cause },
  )
}

function find(suspect: Culprit, tryClone: (value: unknown) => void, depth: number): Culprit {
  if (depth === depthMax || 'thrown' in suspect || suspect.value instanceof SharedBlock || isMoved(suspect.value)) return suspect
  for (const part of partsOf(suspect)) {
    if ('thrown' in part) return part
    try {
      tryClone(part.value)
    } catch {
      return find(part, tryClone, depth + 1)
    }
  }
  return suspect
}

/** Never throws: hostile proxies end the list. */
function* partsOf({ path, value }: Culprit): Generator<Culprit> {
  if (typeof value !== 'object' || value === null || isProxy(value)) return
  try {
    if (value instanceof Map) {
      let index = 0
      for (const [key, item] of value as Map<unknown, unknown>) {
        yield { path: `the key ${brief(key, index)} of ${path}`, value: key }
        yield { path: `${path}.get(${brief(key, index++)})`, value: item }
      }
    } else if (value instanceof Set) {
      let index = 0
      for (const item of value as Set<unknown>) yield { path: `[...${path}][${index++}]`, value: item }
    }
    for (const key of Object.keys(value)) yield partOf(value, key, path + accessor(key, Array.isArray(value)))
    if (value instanceof Error) yield partOf(value, 'cause', `${path}.cause`)
  } catch {
    // What cannot be read is the culprit itself.
  }
}

function partOf(value: object, key: string, path: string): Culprit {
  try {
    return { path, value: Reflect.get(value, key) }
  } catch (thrown) {
    return { path, value: undefined, thrown }
  }
}

function reasonOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown)
  } catch {
    return 'no reason given'
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
    if (isProxy(value)) return 'a Proxy'
    const name = nameOf(value)
    if (name === '' || name === 'Object') return 'an object'
    return /^[AEIO]/.test(name) ? `an ${name}` : `a ${name}`
  } catch {
    return 'an object'
  }
}

/** Generators and iterators have no constructor of their own, but a tag. */
function nameOf(value: object): string {
  const name: unknown = value.constructor?.name
  if (typeof name === 'string' && name !== '' && name !== 'Object' && name !== 'Iterator') return name
  return Object.prototype.toString.call(value).slice(8, -1)
}

function advice(value: unknown): string {
  if (typeof value === 'function') return 'Send the data it needs, and call a handler by its name.'
  if (value instanceof SharedBlock) return 'Pass a SharedBlock as the whole value, not inside another.'
  if (isMoved(value)) return 'Mark the whole value, not a part of it: move(value, [what moves]).'
  if (value instanceof Promise) return 'Await it first.'
  if (typeof value === 'object' && value !== null && isProxy(value)) return 'Send the object behind it, or a copy: { ...proxy }.'
  if (isDetached(value)) return 'Its bytes were transferred elsewhere. Send it before, or send a copy.'
  if (isShared(value)) return `${ArrayBuffer.isView(value) ? 'Send a copy, made with slice(), or hand' : 'Hand'} shared memory over once, in workerData.`
  return 'Send plain data instead: objects, arrays, typed arrays, Map, Set, Date and the like.'
}

function isShared(value: unknown): boolean {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value
  return typeof SharedArrayBuffer !== 'undefined' && buffer instanceof SharedArrayBuffer
}
