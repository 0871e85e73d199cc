/**
 * The one family of errors. Every error percore makes itself is a {@link PercoreError}: a sentence that names the
 * offending value and the next step, and a `code` that never changes between releases. Any thread.
 */

/** Every code percore can report, with when it happens. */
export const errorCodes = {
  ERR_PERCORE_INVALID_OPTION: 'an option or argument has a value that cannot be used',
  ERR_PERCORE_HANDLERS_LOAD: 'the handlers module could not be loaded',
  ERR_PERCORE_NO_SUCH_HANDLER: 'the handlers module has no handler of that name',
  ERR_PERCORE_NOT_ITERABLE: 'a handler called as a stream gave nothing that can be iterated',
  ERR_PERCORE_NOT_CLONEABLE: 'a value cannot be copied to another thread',
  ERR_PERCORE_NOT_TRANSFERABLE: 'something in the transfer list of a call or a result cannot be moved to another thread',
  ERR_PERCORE_QUEUE_FULL: 'more calls are waiting for a worker than maxQueue allows',
  ERR_PERCORE_DROPPED: 'the task was dropped because too many were waiting, as the group was told to',
  ERR_PERCORE_CLOSED: 'the group was closed or terminated',
  ERR_PERCORE_WORKER_DIED: 'the worker ended while it was running this task',
  ERR_PERCORE_WORKER_START: 'a worker could not be started or replaced',
  ERR_PERCORE_OUT_OF_MEMORY: 'the shared heap has no room left for this block',
  ERR_PERCORE_BAD_POINTER: 'an address was freed or read that is not a live block',
  ERR_PERCORE_INVARIANT: 'something that must never happen did; the thread stops',
  ERR_PERCORE_INPUT: 'the input could not be read',
  ERR_PERCORE_OUTPUT: 'the output could not be written',
  ERR_PERCORE_EXEC_FULL: 'an Exec has as many live tasks as it may',
  ERR_PERCORE_TASK_OVER: 'a task was to be joined after it was over',
  ERR_PERCORE_CANCELLED: 'a task or a wait was cancelled',
  ERR_PERCORE_TIMEOUT: 'something took longer than it was given',
  ERR_PERCORE_RING_TAKEN: 'every place of that sort at the ring is taken, or that one is',
  ERR_PERCORE_ROW: 'a row could not be processed',
} as const

/** The stable name of a kind of failure. */
export type ErrorCode = keyof typeof errorCodes

/**
 * An error made by percore, on whichever thread met it. Test `error.code`, never the message: {@link errorCodes} says when each
 * happens. What a handler throws is not one of these: it reaches its caller as it was thrown.
 *
 * @example
 * ```ts
 * import { ExecGroup, PercoreError } from 'percore'
 *
 * try {
 *   await ExecGroup.start('./no-such-module.js')
 * } catch (error) {
 *   if (error instanceof PercoreError) console.log(error.code) // ERR_PERCORE_HANDLERS_LOAD
 * }
 * ```
 */
export class PercoreError extends Error {
  override readonly name: string = 'PercoreError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A broken invariant: the state can no longer be trusted, so the thread stops loudly. Never for bad input. */
export function invariant(holds: boolean, what: string): asserts holds {
  if (!holds) throw new PercoreError('ERR_PERCORE_INVARIANT', `broken invariant: ${what}. Please report this.`)
}
