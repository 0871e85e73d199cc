/**
 * Raw `postMessage`: one message per task, one message per result, workers taken in turn. What a careful programmer writes by
 * hand: replies of one worker come in the order of its tasks, so no ids travel. Main thread of a measuring child.
 *
 * The invariant: the n-th message of a worker answers its n-th task.
 */
import { Worker } from 'node:worker_threads'
import { Fifo } from './fifo.js'
import type { PoolSubject } from './pool.js'

type Resolve = (value: unknown) => void

export const postMessage: PoolSubject = {
  subject: 'postMessage',
  async start({ workers, handler }) {
    const lanes = Array.from({ length: workers }, () => {
      const worker = new Worker(new URL('./post-message-worker.js', import.meta.url), { workerData: handler })
      const waiting = new Fifo<Resolve>()
      worker.on('message', (result: unknown) => waiting.shift()?.(result))
      return { worker, waiting }
    })
    let turn = 0
    return {
      run: (value) => new Promise((resolve) => {
        const lane = lanes[turn++ % workers]
        lane?.waiting.push(resolve)
        lane?.worker.postMessage(value)
      }),
      close: () => Promise.all(lanes.map((lane) => lane.worker.terminate())),
    }
  },
}
