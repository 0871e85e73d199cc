/**
 * How a task and its completion lie in a 64-byte descriptor of a lane. Written by one thread before it publishes, read by one.
 *
 * ```
 *  word 0   task: handler number | payload tag << 16      completion: status | payload tag << 16
 *  word 1   task index in the caller's slab
 *  word 2   its generation: a completion of an older one is ignored
 *  word 3 … payload: length, then 48 bytes inline or the address of a block (see codec)
 * ```
 */
export const descriptor = { head: 0, task: 1, generation: 2, payload: 3 } as const

/** How a task ended. */
export const status = { ok: 0, failed: 1 } as const
