/**
 * A file of the rows that failed, in input order: one JSON object per line with the number of the line, the error, and the
 * line as it was, so that it can be repaired and run again. Main thread.
 *
 * ```text
 * {"line":17,"column":5,"error":{"name":"SyntaxError","message":"not valid JSON: …","code":"ERR_PERCORE_ROW"},"raw":"{\"a\":}"}
 * ```
 */
import type { RowFailure } from './failure.js'
import type { Output } from './output.js'

export interface DeadLetters {
  /** @throws {PercoreError} `ERR_PERCORE_OUTPUT` */
  add(failures: readonly RowFailure[]): Promise<void>
}

export function createDeadLetters(output: Pick<Output, 'write'>): DeadLetters {
  return {
    async add(failures) {
      const text = failures.map(({ line, column, name, message, code, raw, rawBase64, truncated }) =>
        `${JSON.stringify({ line, column, error: { name, message, code }, raw, rawBase64, truncated })}\n`)
      if (text.length > 0) await output.write([Buffer.from(text.join(''))])
    },
  }
}
