/** The thread of `producer-consumer` that frees what the other allocated. Worker thread. */
import { parentPort, workerData } from 'node:worker_threads'
import { attachHeap } from '../../src/memory/index.js'
import { freeTableAloneIn, freeTableIn } from './loops.js'
import { takeCore } from './own-core.js'
import { consumeIn } from './pointer-ring.js'
import type { ConsumerThread } from './producer-consumer.js'

const { handle, ring, count, warmups, batch, rounds, alone } = workerData as ConsumerThread
takeCore(1)
const heap = attachHeap(handle)
const words = new Int32Array(handle.buffer)
parentPort?.postMessage('ready')

if (rounds === 0) {
  const consume = consumeIn(heap, words, ring, batch)
  for (const some of warmups) consume(some)
  consume(count)
  heap.flush()
} else {
  const freeAll = alone ? freeTableAloneIn(heap, ring) : freeTableIn(heap, ring)
  let elapsedMs = 0
  for (let round = 0; round < rounds; round++) {
    Atomics.wait(ring, count, 0)
    const start = performance.now()
    freeAll(count)
    heap.flush()
    if (round >= rounds / 2) elapsedMs += performance.now() - start
    Atomics.store(ring, count, 0)
    Atomics.notify(ring, count)
  }
  parentPort?.postMessage(elapsedMs * 1e6 / (Math.floor(rounds / 2) * count))
}
