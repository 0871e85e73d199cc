/**
 * What goes wrong, in piscina's words, since programs look for them, and with a code of percore's beside. Any thread.
 */
import type { ErrorCode } from '../base/index.js'

function coded<E extends Error>(error: E, code: ErrorCode): E {
  return Object.assign(error, { code })
}

/** An option that is no good; TypeError or RangeError. */
export function badOption(message: string, Kind: typeof TypeError | typeof RangeError = TypeError): Error {
  return coded(new Kind(message), 'ERR_PERCORE_INVALID_OPTION')
}

export const terminated = (): Error => coded(new Error('Terminating worker thread'), 'ERR_PERCORE_CLOSED')
export const noFilename = (): Error => coded(new Error('filename must be provided to run() or in options object'), 'ERR_PERCORE_INVALID_OPTION')
export const queueAtLimit = (): Error => coded(new Error('Task queue is at limit'), 'ERR_PERCORE_QUEUE_FULL')
export const noQueue = (): Error => coded(new Error('No task queue available and all Workers are busy'), 'ERR_PERCORE_QUEUE_FULL')
export const closeTimedOut = (): Error => coded(new Error('Close operation timed out'), 'ERR_PERCORE_TIMEOUT')
export const exited = (code: number): Error => coded(new Error(`worker exited with code: ${code}`), 'ERR_PERCORE_WORKER_DIED')

/** A task that was aborted; `cause` is the signal's reason. */
export class AbortError extends Error {
  override readonly name: string = 'AbortError'
  readonly code: ErrorCode = 'ERR_PERCORE_CANCELLED'

  constructor(reason: unknown) {
    super('The task has been aborted', { cause: reason })
  }
}
