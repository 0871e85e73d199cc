/**
 * Raw `postMessage` of arrays: the tasks of one turn travel to a worker as one array, and the results come back as one array.
 * The best that can be had from `postMessage`. Sent by `setImmediate`: sent by a microtask, every array that comes back would be
 * cut in as many pieces as there are workers, down to single tasks. Main thread of a measuring child.
 *
 * The invariant: the n-th value that comes back from a worker answers its n-th task.
 */
import { Worker } from 'node:worker_threads'
import { Fifo } from './fifo.js'
import type { PoolSubject } from './pool.js'

type Resolve = (value: unknown) => void

export const postMessageArrays: PoolSubject = {
  subject: 'postMessage-arrays',
  async start({ workers, handler }) {
    const lanes = Array.from({ length: workers }, () => {
      const worker = new Worker(new URL('./post-message-arrays-worker.js', import.meta.url), { workerData: handler })
      const waiting = new Fifo<Resolve>()
      worker.on('message', (results: unknown[]) => { for (const result of results) waiting.shift()?.(result) })
      return { worker, waiting, pending: [] as unknown[] }
    })
    let turn = 0
    let scheduled = false
    const flush = (): void => {
      scheduled = false
      for (const lane of lanes) {
        if (lane.pending.length === 0) continue
        lane.worker.postMessage(lane.pending)
        lane.pending = []
      }
    }
    return {
      run: (value) => new Promise((resolve) => {
        const lane = lanes[turn++ % workers]
        lane?.waiting.push(resolve)
        lane?.pending.push(value)
        if (scheduled) return
        scheduled = true
        setImmediate(flush)
      }),
      close: () => Promise.all(lanes.map((lane) => lane.worker.terminate())),
    }
  },
}
