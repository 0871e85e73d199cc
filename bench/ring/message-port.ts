/**
 * What everybody has: a `MessagePort`, a message for each record, or an array of records at a time. `measureMessagePort` in the main
 * thread of a measuring child; the file itself is the thread that receives.
 *
 * The invariant: a message is a flat array of numbers, which clones fastest; no more than a few thousand are under way.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

interface Receiver { readonly windowMessages: number }

/** Messages under way, at most; the receiver tells of each half of that. */
const windowMessages = 4096

/** Sends so many records of `words` numbers, `batch` in a message; returns the seconds until the last one was received. */
export async function measureMessagePort(count: number, words: number, batch: number): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { windowMessages } satisfies Receiver })
  await new Promise((resolve) => { worker.once('message', resolve) })
  await send(worker, Math.ceil(count / 4 / batch), words, batch)
  const messages = Math.ceil(count / batch)
  const start = performance.now()
  await send(worker, messages, words, batch)
  const seconds = (performance.now() - start) / 1000
  await worker.terminate()
  return seconds * (count / (messages * batch))
}

function send(worker: Worker, messages: number, words: number, batch: number): Promise<void> {
  return new Promise((resolve) => {
    let [sent, received] = [0, 0]
    const more = (): void => {
      for (; sent < messages && sent - received < windowMessages; sent++) {
        worker.postMessage(Array.from({ length: words * batch }, () => sent + 1))
      }
    }
    const told = (total: number): void => {
      received = total
      if (received < messages) return more()
      worker.off('message', told)
      resolve()
    }
    worker.on('message', told)
    worker.postMessage(messages)
    more()
  })
}

if (!isMainThread) {
  const { windowMessages } = workerData as Receiver
  let [expected, received, sum] = [0, 0, 0]
  parentPort?.on('message', (message: number | readonly number[]) => {
    if (typeof message === 'number') {
      expected = message
      received = 0
      return
    }
    for (const word of message) sum = (sum + word) | 0
    if (++received % (windowMessages / 2) === 0 || received === expected) parentPort?.postMessage(received)
  })
  parentPort?.postMessage('ready')
}
