/** The exit codes, and which error ends with which. Main thread. */
import { type ErrorCode, PercoreError } from '../base/index.js'

export const exitCodes = {
  done: 0,
  rowFailed: 1,
  usage: 2,
  io: 3,
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

const codesOfErrors: Partial<Record<ErrorCode, ExitCode>> = {
  ERR_PERCORE_INVALID_OPTION: exitCodes.usage,
  ERR_PERCORE_HANDLERS_LOAD: exitCodes.usage,
  ERR_PERCORE_NO_SUCH_HANDLER: exitCodes.usage,
  ERR_PERCORE_INPUT: exitCodes.io,
  ERR_PERCORE_OUTPUT: exitCodes.io,
}

export function exitCodeOf(error: PercoreError): ExitCode {
  return codesOfErrors[error.code] ?? exitCodes.rowFailed
}

/** Everything that is not a result goes to standard error, marked as percore's. */
export function say(text: string): void {
  process.stderr.write(`percore: ${text}\n`)
}

/** Says what went wrong, and returns the exit code. An error that percore did not make is a bug, and shows its stack. */
export function report(error: unknown): ExitCode {
  if (error instanceof PercoreError) {
    say(error.message)
    return exitCodeOf(error)
  }
  say(`unexpected: ${error instanceof Error ? error.stack ?? error.message : String(error)}`)
  return exitCodes.rowFailed
}
