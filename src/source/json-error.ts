/**
 * Where a text stops being JSON. `JSON.parse` finds errors but does not say where in a way that all versions of V8 share, so
 * the column is found by a second look, on bad lines only. Pure; any thread.
 */

// oxlint-disable-next-line no-control-regex -- JSON forbids them raw in strings
const token = /[ \t\r\n]*("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]|$)/y
// oxlint-disable-next-line no-control-regex -- as above
const openString = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y
const space = /[ \t\r\n]*/y

/** What may come next. A close is allowed beside `value` and `key` only right after the bracket was opened. */
type Next = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or close' | 'end'

export interface JsonError {
  /** Index of the first character that cannot be there; the length of the text when it ends too early. */
  readonly index: number
  readonly message: string
}

/** Finds the first error of a text that `JSON.parse` refused. Costs about ten times a parse. */
export function locateJsonError(text: string): JsonError {
  const open: string[] = []
  let next: Next = 'value'
  for (let at = 0; ;) {
    token.lastIndex = at
    const found = token.exec(text)?.[1]
    const following: Next | undefined = found === undefined ? undefined : step(found, next, open)
    if (found === undefined || following === undefined) return errorAt(text, at)
    if (found === '') return { index: text.length, message: 'not valid JSON' }
    next = following
    at = token.lastIndex
  }
}

/** The state after a token, or undefined when the token cannot be there. */
function step(found: string, next: Next, open: string[]): Next | undefined {
  const afterValue = (): Next => (open.length === 0 ? 'end' : ', or close')
  const wantsValue = next === 'value' || next === 'value or ]'
  switch (found) {
    case '': return next === 'end' ? 'end' : undefined
    case '{':
    case '[':
      if (!wantsValue) return undefined
      open.push(found)
      return found === '{' ? 'key or }' : 'value or ]'
    case '}':
    case ']': {
      const opener = found === '}' ? '{' : '['
      if (open.at(-1) !== opener || (next !== ', or close' && next !== (found === '}' ? 'key or }' : 'value or ]'))) return undefined
      open.pop()
      return afterValue()
    }
    case ',': return next === ', or close' ? (open.at(-1) === '{' ? 'key' : 'value') : undefined
    case ':': return next === ':' ? 'value' : undefined
    default:
      if (next === 'key' || next === 'key or }') return found.startsWith('"') ? ':' : undefined
      return wantsValue ? afterValue() : undefined
  }
}

function errorAt(text: string, from: number): JsonError {
  space.lastIndex = from
  space.exec(text)
  let index = space.lastIndex
  // A string that breaks off is reported where it breaks, not where it begins.
  if (text[index] === '"') {
    openString.lastIndex = index
    openString.exec(text)
    if (text[openString.lastIndex] !== '"') index = openString.lastIndex
  }
  const found = text.codePointAt(index)
  if (found === undefined) return { index, message: 'not valid JSON: the line ends too early' }
  return { index, message: `not valid JSON: unexpected ${JSON.stringify(String.fromCodePoint(found))}` }
}
