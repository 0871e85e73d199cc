import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel, Worker } from 'node:worker_threads'
import { createPrng } from '../../src/base/index.js'
import { alarm, doorbellWords, initLane, laneWords, recoverConsumed, recoverProduced } from '../../src/ring/index.js'
import { first, layout, type MortalData } from './mortal.worker.js'
import type { StreamData } from './stream.worker.js'

const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)

for (const [capacity, items] of [[1, 30_000], [8, 200_000], [1024, 3_000_000]] as const) {
  test(`two threads stream ${items} items each way through lanes of ${capacity}, sleeping every way there is`, async (t) => {
    t.diagnostic(`PERCORE_SEED=${seed}`)
    const lane = laneWords(capacity)
    const lanesAt = 2 * doorbellWords
    const buffer = new SharedArrayBuffer((lanesAt + 2 * lane) * 4)
    const i32 = new Int32Array(buffer)
    initLane(i32, lanesAt, -1000)
    initLane(i32, lanesAt + lane, 0x7fffffff - 1000)
    const { port1, port2 } = new MessageChannel()
    const ends = [port1, port2].map((port, thread) => {
      const workerData: StreamData = {
        buffer, capacity, items, seed, thread, port,
        outAt: lanesAt + thread * lane, inAt: lanesAt + (1 - thread) * lane,
        ownBell: thread * doorbellWords, peerBell: (1 - thread) * doorbellWords,
      }
      const worker = new Worker(new URL('./stream.worker.js', import.meta.url), { workerData, transferList: [port] })
      return new Promise<{ sent: number; got: number; parks: number }>((resolve, reject) => {
        worker.once('message', resolve).once('error', reject).once('exit', (code) => reject(new Error(`exit ${code}`)))
      })
    })
    for (const { sent, got, parks } of await Promise.all(ends)) {
      t.diagnostic(`${parks} sleeps`)
      assert.deepEqual({ sent, got }, { sent: items, got: items })
    }
  })
}

test('consumers and producers killed at any moment lose nothing that was accepted, and nothing comes twice', async (t) => {
  t.diagnostic(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  const capacity = 64
  const kills = { producer: 0, consumer: 0 }
  const buffer = new SharedArrayBuffer((layout.lane + laneWords(capacity)) * 4)
  const i32 = new Int32Array(buffer)
  initLane(i32, layout.lane, first)

  const failures: unknown[] = []
  const start = (role: MortalData['role']): { worker: Worker; ended: Promise<unknown> } => {
    const workerData: MortalData = { buffer, role, capacity, seed: prng.next() }
    const worker = new Worker(new URL('./mortal.worker.js', import.meta.url), { workerData })
    worker.on('error', (error) => failures.push(error))
    return { worker, ended: new Promise((resolve) => worker.once('exit', resolve)) }
  }
  const noMessage = (): void => {}
  /** Waits until the consumer has got some items further, however long that takes. */
  const progress = async (items: number): Promise<void> => {
    const goal = (i32[layout.last] ?? 0) + items
    while ((i32[layout.last] ?? 0) < goal && failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }

  const threads = { producer: start('producer'), consumer: start('consumer') }
  for (let round = 0; round < 24 && failures.length === 0; round++) {
    await progress(1 + prng.below(30_000))
    const role = prng.below(2) === 0 ? 'producer' : 'consumer'
    kills[role]++
    await threads[role].worker.terminate()
    await threads[role].ended
    if (role === 'consumer') {
      recoverConsumed(i32, layout.lane)
      alarm(i32, layout.producerBell, noMessage)
    } else {
      recoverProduced(i32, layout.lane)
      alarm(i32, layout.consumerBell, noMessage)
    }
    threads[role] = start(role)
  }
  await progress(1)
  Atomics.store(i32, layout.stop, 1)
  alarm(i32, layout.producerBell, noMessage)
  await threads.producer.ended
  Atomics.store(i32, layout.stop, 2)
  alarm(i32, layout.consumerBell, noMessage)
  await threads.consumer.ended

  assert.deepEqual(failures, [])
  const accepted = ((i32[layout.lane] ?? 0) - first) | 0
  const gaps = i32[layout.gaps] ?? 0
  t.diagnostic(`${accepted} items, ${kills.producer} producers and ${kills.consumer} consumers killed, ${gaps} items died with them`)
  assert.equal(i32[layout.last], accepted, 'everything accepted has arrived')
  assert.ok(gaps <= kills.consumer, 'but at most the one that a consumer was running when it was killed')
})
