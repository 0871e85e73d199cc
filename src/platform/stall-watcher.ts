/**
 * The thread that looks at the main thread for `watchStalls`. See stalls.ts.
 *
 * Invariant: it lets the main thread go on after each pause that it asked for, and after no other: a pause that was there before is a debugger's.
 */
import { type Debugger, Session } from 'node:inspector'
import { parentPort, workerData } from 'node:worker_threads'
import { at, type WatcherData } from './stalls.js'

const { buffer, afterMs } = workerData as WatcherData
const words = new Int32Array(buffer)
const text = new Uint8Array(buffer, at.text)
const encoder = new TextEncoder()

let last = 0
let sinceMs = 0
let looking = false

function check(): void {
  const beat = Atomics.load(words, at.beat)
  const nowMs = performance.now()
  if (beat !== last) {
    last = beat
    sinceMs = nowMs
  } else if ((beat & 1) === 1 && !looking && words[at.seen] !== beat && nowMs - sinceMs >= afterMs) look(beat)
}

function look(beat: number): void {
  looking = true
  const session = new Session()
  session.connectToMainThread()
  const leave = (): void => {
    session.post('Debugger.disable', () => {
      session.disconnect()
      looking = false
    })
  }
  const urls = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params }) => { urls.set(params.scriptId, params.url) })
  let isPaused = false
  let asked = false
  session.on('Debugger.paused', ({ params }) => {
    isPaused = true
    if (!asked) return
    if (Atomics.load(words, at.beat) === beat) keep(beat, params.callFrames, urls)
    session.post('Debugger.resume')
    leave()
  })
  session.post('Debugger.enable', () => {
    if (isPaused) return leave()
    asked = true
    session.post('Debugger.pause')
  })
}

function keep(beat: number, frames: readonly Debugger.CallFrame[], urls: ReadonlyMap<string, string>): void {
  const lines = frames.map(({ functionName, location: { scriptId, lineNumber, columnNumber = 0 } }) => `    at ${functionName || '<anonymous>'} (${urls.get(scriptId) ?? ''}:${lineNumber + 1}:${columnNumber + 1})`)
  words[at.length] = encoder.encodeInto(lines.join('\n'), text).written
  Atomics.store(words, at.seen, beat)
}

setInterval(check, Math.max(1, afterMs / 2))
parentPort?.postMessage('ready')
