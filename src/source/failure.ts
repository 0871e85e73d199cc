/**
 * A row that could not be processed: what went wrong, where, and what the row looked like. Made by the worker that met
 * it, with a line number relative to its block; the main thread adds the lines before it. Plain data; any thread.
 */
import type { ErrorCode } from '../base/index.js'
import { excerptChars } from './limits.js'

export interface RowFailure {
  /** Counts from 1; within the block while it travels, within the input once it is reported. */
  readonly line: number
  /** The last line, when a whole block failed at once. */
  readonly lastLine?: number
  /** Counts from 1, in characters; only where it is known. */
  readonly column?: number
  /** The class of the error, such as `SyntaxError`. */
  readonly name: string
  readonly message: string
  /** The `code` of the error, or one of percore's own. */
  readonly code: string
  /** Where the error was thrown, `file:line:column`. */
  readonly thrownAt?: string
  /** The part of the line around the column. */
  readonly excerpt?: Excerpt
  /** The line itself, kept only for a dead-letter file. */
  readonly raw?: string
  /** The exact bytes, when the line is not valid UTF-8. */
  readonly rawBase64?: string
  /** Set when `raw` is only the beginning. */
  readonly truncated?: true
}

export interface Excerpt {
  readonly text: string
  /** Index in `text` of the column. */
  readonly mark: number
}

const rowCode: ErrorCode = 'ERR_PERCORE_ROW'
const ownFolder = new URL('.', import.meta.url).href

/** Describes whatever a handler threw: an error of any kind, or something that is no error at all. */
export function describe(thrown: unknown): Pick<RowFailure, 'name' | 'message' | 'code' | 'thrownAt'> {
  if (!(thrown instanceof Error)) return { name: 'Error', message: `threw ${String(thrown)}`, code: rowCode }
  const code = (thrown as { code?: unknown }).code
  // Where percore made an error of its own helps nobody.
  const thrownAt = thrown.name === 'PercoreError' ? undefined : /\n {4}at (?:.*\()?(.*?:\d+:\d+)\)?(?:\n|$)/.exec(thrown.stack ?? '')?.[1]
  return {
    name: thrown.name,
    message: thrown.message,
    code: typeof code === 'string' || typeof code === 'number' ? String(code) : rowCode,
    ...(thrownAt !== undefined && !thrownAt.startsWith('node:') && !thrownAt.startsWith(ownFolder) && { thrownAt }),
  }
}

/** What an error message shows of a line: at most {@link excerptChars} characters, the column among them, safe for a terminal. */
export function excerptOf(line: string, column = 1): Excerpt {
  const from = Math.max(0, Math.min(column - 1 - excerptChars / 2, line.length - excerptChars))
  const shown = line.slice(from, from + excerptChars).replaceAll(/\p{Cc}/gu, '·')
  const head = from > 0 ? '…' : ''
  return { text: `${head}${shown}${from + shown.length < line.length ? '…' : ''}`, mark: head.length + column - 1 - from }
}

/** One line for people: `line 17, column 5: not valid JSON: unexpected "}"`. */
export function failureText(failure: RowFailure): string {
  const lines = failure.lastLine === undefined ? `line ${failure.line}` : `lines ${failure.line}–${failure.lastLine}`
  const where = failure.column === undefined ? lines : `${lines}, column ${failure.column}`
  const own = failure.name === 'PercoreError' || (failure.code === rowCode && failure.name === 'SyntaxError')
  const what = own ? failure.message : `${failure.name}: ${failure.message}`
  return `${where}: ${what}${failure.thrownAt === undefined ? '' : ` (${failure.thrownAt})`}`
}
