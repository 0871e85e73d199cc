/**
 * The operating system's number of the calling thread: what pinning, naming and niceness are told. Any thread. It is not
 * Node's `threadId`, and never changes while the thread lives.
 */
import { existsSync, readlinkSync } from 'node:fs'

/** The calling thread's number, or undefined where the host does not tell (it is Linux's `/proc` that does). */
export function osThreadId(): number | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const id = Number(/\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self'))?.[1])
    return Number.isSafeInteger(id) ? id : undefined
  } catch {
    return undefined // no /proc here
  }
}

/** Whether a thread of this process with that number still exists; true where the host does not tell. Any thread. */
export function isThreadAlive(id: number): boolean {
  return process.platform !== 'linux' || existsSync(`/proc/self/task/${id}`) || !existsSync('/proc/self/task')
}
