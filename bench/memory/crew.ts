/**
 * Threads that start together: each gets ready, waits for all others, works, and says when it began and ended. Main thread of a measuring
 * child, except {@link startTogether}.
 *
 * The invariant: no thread begins before every thread is ready, and the time of the crew runs from the first beginning to the last end.
 */
import { Worker, parentPort, workerData } from 'node:worker_threads'

const READY = 0
const GO = 1

interface CrewData {
  readonly gate: Int32Array
  readonly data: unknown
}

interface Span {
  readonly startNs: bigint
  readonly endNs: bigint
}

/** Runs a module in one thread per item of `datas`; resolves with the seconds they took together. */
export async function runCrew(module: URL, datas: readonly unknown[]): Promise<number> {
  const gate = new Int32Array(new SharedArrayBuffer(8))
  const spans = await Promise.all(datas.map((data) => new Promise<Span>((resolve, reject) => {
    const worker = new Worker(module, { workerData: { gate, data } satisfies CrewData })
    worker.on('message', (message: Span | 'ready') => {
      if (message !== 'ready') resolve(message)
      else if (++gate[READY]! === datas.length) {
        Atomics.store(gate, GO, 1)
        Atomics.notify(gate, GO)
      }
    }).on('error', reject).on('exit', (code) => reject(new Error(`a thread of the bench ended early, with code ${code}`)))
  })))
  const starts = spans.map(({ startNs }) => startNs).sort((a, b) => Number(a - b))
  const ends = spans.map(({ endNs }) => endNs).sort((a, b) => Number(b - a))
  return Number((ends[0] ?? 0n) - (starts[0] ?? 0n)) / 1e9
}

/** What the crew's module was started with. Worker thread. */
export const crewData = <T>(): T => (workerData as CrewData).data as T

/** Waits for the others, then runs `work`, timed. Worker thread. */
export function startTogether(work: () => void): void {
  const { gate } = workerData as CrewData
  parentPort?.postMessage('ready')
  Atomics.wait(gate, GO, 0)
  const startNs = process.hrtime.bigint()
  work()
  parentPort?.postMessage({ startNs, endNs: process.hrtime.bigint() } satisfies Span)
}
