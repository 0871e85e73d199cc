/**
 * What a line means: how it becomes the value a handler gets, and how a result becomes a line. One small object per
 * format; pure; any thread. A format never sees line ends, blank lines or text that is not valid UTF-8.
 */
import { PercoreError } from '../base/index.js'

export interface Format {
  readonly name: string
  /** Throws a `SyntaxError` when the line is not of this format. */
  parse(line: string): unknown
  /** A result as text without a line end. `null` and `undefined` never come here. */
  serialise(result: unknown): string
}

const ndjson: Format = {
  name: 'ndjson',
  parse: JSON.parse,
  serialise(result) {
    const text = JSON.stringify(result) as string | undefined
    if (text === undefined) throw new PercoreError('ERR_PERCORE_ROW', `the handler returned a ${typeof result}, which JSON cannot hold`)
    return text
  },
}

const lines: Format = {
  name: 'lines',
  parse: (line) => (line.endsWith('\r') ? line.slice(0, -1) : line),
  serialise: String,
}

export type FormatName = 'ndjson' | 'lines'

/** Every format, by name. */
export const formats: Readonly<Record<FormatName, Format>> = { ndjson, lines }
