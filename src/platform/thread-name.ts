/**
 * Names the calling thread, so that `top -H`, `perf` and a debugger show which worker it is. Any thread, for itself. Nothing but
 * the name changes.
 */
import { writeFileSync } from 'node:fs'
import { osThreadId } from './thread-id.js'

/** Linux keeps 15 bytes of a thread's name. */
const nameBytesMax = 15

/**
 * Names the calling thread `name suffix`; a name that is too long is cut, the suffix never. Returns why it could not, or undefined
 * when it did.
 */
export function nameThread(name: string, suffix: string): string | undefined {
  const thread = osThreadId()
  if (thread === undefined) return `threads cannot be named on ${process.platform}; it is supported on Linux with /proc.`
  try {
    writeFileSync(`/proc/self/task/${thread}/comm`, nameThatFits(name, suffix))
    return undefined
  } catch (error) {
    return `the thread could not be named '${name} ${suffix}': ${String(error)}.`
  }
}

function nameThatFits(name: string, suffix: string): Uint8Array {
  const tail = new TextEncoder().encode(` ${suffix}`)
  const bytes = new Uint8Array(nameBytesMax)
  const { written } = new TextEncoder().encodeInto(name, bytes.subarray(0, nameBytesMax - tail.length)) // never cuts a character
  bytes.set(tail, written)
  return bytes.subarray(0, written + tail.length)
}
