/**
 * How much the calling thread gives way to others. Any thread, for itself: Linux keeps a niceness per thread, other systems one
 * per process, and then nothing is changed.
 */
import { setPriority } from 'node:os'
import { osThreadId } from './thread-id.js'

/** The most favoured; below 0 needs a privilege. */
export const niceMin: number = -20
/** The one that gives way to all others. */
export const niceMax: number = 19

/** Sets the calling thread's niceness, from {@link niceMin} to {@link niceMax}. Returns why it could not, or undefined when it did. */
export function setNice(nice: number): string | undefined {
  const thread = osThreadId()
  if (thread === undefined) return `a thread's niceness cannot be set on ${process.platform}; it is supported on Linux with /proc.`
  try {
    setPriority(thread, nice)
    return undefined
  } catch (error) {
    return `the niceness ${nice} was refused: ${String(error)}. Below 0 it needs CAP_SYS_NICE.`
  }
}
