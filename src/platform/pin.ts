/**
 * Ties the calling thread to a CPU, so that its caches stay warm and the scheduler moves nobody. Any thread, for itself; threads
 * it starts later are tied to the same CPU. No native code: `taskset` of util-linux does it, which costs some 10 ms, once.
 */
import { spawnSync } from 'node:child_process'
import { osThreadId } from './thread-id.js'

/** Longer than taskset ever takes; a start must not hang on it. */
const tasksetMsMax = 5000

/** Ties the calling thread to that CPU. Returns why it could not, or undefined when it did. */
export function pinThread(cpu: number): string | undefined {
  const thread = osThreadId()
  if (thread === undefined) return `threads cannot be pinned on ${process.platform}; it is supported on Linux with /proc and taskset.`
  const { error, status, stderr } = spawnSync('taskset', ['-cp', String(cpu), String(thread)], { encoding: 'utf8', timeout: tasksetMsMax })
  if (error !== undefined) return `the thread could not be pinned to CPU ${cpu}: ${error.message}. Install taskset (package util-linux).`
  if (status !== 0) return `the thread could not be pinned to CPU ${cpu}: ${stderr.trim()}.`
  return undefined
}
