/**
 * The entry of each of the explorer's threads: takes its seat at the turnstile and plays its part of one schedule after another.
 */
import { workerData } from 'node:worker_threads'
import { wordsOf } from '../../src/base/index.js'
import { at, director, errorByteAt, errorBytesMax, of, outcome, status, threadAt } from './control.js'
import { Races } from './races.js'
import type { Scenario } from './scenario.js'
import { aborted, awaitTurn, giveTurn, killed, Turnstile } from './turnstile.js'

export interface ThreadData {
  readonly module: string
  readonly seat: number
  readonly control: SharedArrayBuffer
  readonly memory: SharedArrayBuffer
  readonly clocks: SharedArrayBuffer
}

const { module, seat, control, memory, clocks } = workerData as ThreadData
const { scenarios } = await import(module) as { scenarios: Record<string, Scenario> }
const all = Object.values(scenarios)
const c = new Int32Array(control)
const stage = new Turnstile(c, seat, wordsOf(memory), new Races(new Int32Array(clocks), seat))
stage.install()

for (;;) {
  awaitTurn(c, seat)
  play()
}

function play(): void {
  try {
    if (c[at.aborting] !== 0) throw aborted
    all[c[at.scenario]]?.threads[seat]?.(stage)
    stage.end(status.ended)
  } catch (reason) {
    if (reason === killed) return stage.end(status.killed)
    if (reason !== aborted) report(reason)
    c[threadAt(seat) + of.status] = status.ended
    giveTurn(c, director)
  }
}

function report(reason: unknown): void {
  const what = reason instanceof Error ? reason.stack ?? reason.message : String(reason)
  const text = new TextEncoder().encode(what).subarray(0, errorBytesMax)
  new Uint8Array(control).set(text, errorByteAt(seat))
  c[threadAt(seat) + of.error] = text.length
  c[at.outcome] = outcome.threw
}
