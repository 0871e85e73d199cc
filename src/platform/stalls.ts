/**
 * Sees from outside where the main thread is stuck, which it cannot be asked itself. A thread of its own looks at a beat that the main thread
 * keeps; when one lasts too long, it pauses the main thread through the inspector, reads its stack, and lets it go on.
 *
 * Invariant: a stack is kept only if the beat was the same before the pause and in it; so it is that of the run it is given for.
 *
 * ```
 *  word 0  the beat: odd while something runs; written by the main thread, plainly
 *  word 1  the beat whose stack is in the text; word 2 its bytes; written by the watcher while the main thread is paused
 *  byte 16 the text
 * ```
 *
 * Costs the main thread two plain stores per run; the watcher wakes four times in the time that counts as a stall.
 */
import { isMainThread, Worker } from 'node:worker_threads'
import { PercoreError } from '../base/index.js'

export const at = { beat: 0, seen: 1, length: 2, text: 16 } as const
const textBytesMax = 16_384
const afterMsDefault = 50
const decoder = new TextDecoder()

/** What the watcher is started with. */
export interface WatcherData { readonly buffer: SharedArrayBuffer; readonly afterMs: number }

/** Made by {@link watchStalls}; fits `ExecOptions.watch`. */
export interface StallWatcher {
  /** A run begins, on the main thread. */
  begin(): void
  /** It has ended. */
  end(): void
  /** The stack in which the run that ended last was found, innermost call first; undefined if it was too short to be looked at. */
  stack(): string | undefined
  /** Why it cannot look, in a sentence; undefined if it can. */
  readonly reason: string | undefined
  /** Settles when it is ready to look. */
  readonly ready: Promise<void>
  /** Ends the watcher. It keeps no process alive. */
  close(): Promise<void>
}

/**
 * Watches the main thread, to tell `onStall` of an `Exec` the stack of a task while it is stuck: give it to the `Exec` as `watch`. `stallMs` as
 * there: a run is looked at when half of it is over. For development, and for services that can spare a thread (some 10 MB) to know. A look stops
 * the main thread for about 7 ms (the first for 45), once per stall, and none is made while a debugger has paused it. Works on the main thread only, since
 * that is all the inspector gives to others; elsewhere `reason` says so, and stacks are undefined.
 *
 * @example
 * ```ts
 * import { watchStalls } from 'percore'
 * import { Exec } from 'percore/exec'
 *
 * const watch = watchStalls({ stallMs: 50 })
 * await watch.ready
 * const exec = new Exec({ watch, stallMs: 50, onStall: ({ ms, stack }) => console.log(ms > 50, stack?.includes('busy')) })
 * exec.spawn(function busy() {
 *   for (const end = performance.now() + 200; performance.now() < end;);
 * })
 * await exec.run() // true true
 * await watch.close()
 * ```
 */
export function watchStalls({ stallMs = afterMsDefault }: { readonly stallMs?: number } = {}): StallWatcher {
  if (!(stallMs > 0)) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `stallMs must be above 0, not ${stallMs}.`)
  const buffer = new SharedArrayBuffer(at.text + textBytesMax)
  const words = new Int32Array(buffer)
  const watcher = isMainThread
    ? new Worker(new URL('./stall-watcher.js', import.meta.url), { workerData: { buffer, afterMs: stallMs / 2 } satisfies WatcherData, execArgv: [] })
    : undefined
  let reason = isMainThread ? undefined : 'only the main thread can be watched: the inspector gives no other thread to a watcher.'
  let beat = 0
  watcher?.unref()
  const ready = new Promise<void>((resolve) => {
    if (watcher === undefined) return resolve()
    watcher.once('message', () => resolve())
    watcher.once('error', (error) => {
      reason = `the watcher of stalls failed: ${error.message}.`
      resolve()
    })
  })
  return {
    begin: () => { words[at.beat] = beat = (beat + 1) | 0 },
    end: () => { words[at.beat] = beat = (beat + 1) | 0 },
    stack: () => Atomics.load(words, at.seen) === ((beat - 1) | 0) && beat !== 0
      ? decoder.decode(new Uint8Array(buffer, at.text, words[at.length]).slice())
      : undefined,
    get reason() { return reason },
    ready,
    close: async () => { await watcher?.terminate() },
  }
}
