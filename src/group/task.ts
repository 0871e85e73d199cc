/**
 * How a task and its completion lie in a 64-byte descriptor of a lane. Written by one thread before it publishes, read by one.
 *
 * ```
 *  word 0   task: handler number | payload tag << 16      completion: status | payload tag << 16
 *  word 1   task index in the caller's slab
 *  word 2   its generation: a completion of an older one is ignored
 *  word 3 … payload: length, then 48 bytes inline or the address of a block (see codec)
 * ```
 * Int32s lie several in a descriptor, see packed.ts.
 */
export const descriptor = { head: 0, task: 1, generation: 2, payload: 3 } as const

/** How a task ended. */
export const status = { ok: 0, failed: 1 } as const

/** The words of a descriptor at the same index, each through a view of its own. */
export interface DescriptorViews {
  readonly heads: Int32Array
  readonly tasks: Int32Array
  readonly generations: Int32Array
}

/** Views of one length, so that V8 checks the index of a slot once for all of them. */
export function viewsOf(i32: Int32Array): DescriptorViews {
  const { head, task, generation } = descriptor
  const view = (word: number): Int32Array => i32.subarray(word, i32.length - generation + word)
  return { heads: view(head), tasks: view(task), generations: view(generation) }
}
