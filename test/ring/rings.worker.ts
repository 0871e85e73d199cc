/**
 * One end of a ring under stress: pushes numbered records or takes and checks them, in random ways and numbers, and waits in a random way
 * whenever it can do nothing. All randomness comes from the seed; time decides only who waits.
 *
 * What was taken is counted in a table, a word for each record of each producer, so that nothing can be lost or come twice unseen.
 */
import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'
import { createPrng, type Prng } from '../../src/base/index.js'
import type { Ring, RingConsumer, RingHandle, RingProducer } from '../../src/ring/index.js'
import { laneAt, laneWordsOf, readLayout } from '../../src/ring/ring-layout.js'
import { kinds } from './kinds.js'

export interface EndData {
  readonly kind: string
  readonly handle: RingHandle
  readonly role: 'producer' | 'consumer'
  readonly index: number
  /** The index at which every lane began. */
  readonly first: number
  /** Records of each producer. */
  readonly items: number
  /** The table, and behind it the number of records taken. */
  readonly table: Int32Array
  readonly producers: number
  readonly seed: number
}

export const recordWords = 5
/** The most that a consumer has in its hands. */
export const burstMax = 16

/** What a record of this number looks like: each word tells on a torn one. */
const wordOf = (producer: number, item: number, word: number): number => word === 0 ? producer : Math.imul(item + 1, 2 * word + 1)

async function wait(end: RingConsumer | RingProducer, prng: Prng, mayRest: boolean): Promise<void> {
  const how = prng.below(4)
  if (how === 0) end.spin(prng.below(100) / 1000)
  else if (how === 1) end.block(prng.below(5))
  else if (how === 2) await end.ready(1 + prng.below(30))
  else end.block(mayRest ? undefined : 30)
}

async function produce(ring: Ring, { index, first, items, kind, handle }: EndData, prng: Prng): Promise<void> {
  const producer = ring.producer(index)
  const layout = readLayout(kind as 'spsc', handle)
  let item = (Atomics.load(producer.i32, laneAt(layout, index) + laneWordsOf.tail) - first) | 0 // a successor goes on behind the dead
  while (item < items) {
    const count = Math.min(1 + prng.below(ring.capacity * 2), items - item)
    const how = prng.below(3)
    let took = 0
    if (how === 0) {
      took = Math.min(producer.claim(count), count)
      for (let n = 0; n < took; n++) {
        for (let word = 0; word < recordWords; word++) producer.i32[producer.slot(n) + word] = wordOf(index, item + n, word)
      }
      if (took > 0) producer.publish(took)
    } else {
      const records = Int32Array.from({ length: count * recordWords }, (_, at) => wordOf(index, item + Math.floor(at / recordWords), at % recordWords))
      took = how === 1 ? producer.pushBulk(records, count) : producer.pushBurst(records, count)
    }
    item += took
    if (took === 0 && producer.depth() > 0) await wait(producer, prng, true)
  }
  producer.close()
}

async function consume(ring: Ring, { index, items, table, producers }: EndData, prng: Prng): Promise<void> {
  const consumer = ring.consumer(index)
  const last = new Int32Array(producers).fill(-1)
  const into = new Int32Array(burstMax * recordWords)
  const takenAt = producers * items
  while (Atomics.load(table, takenAt) < takenAt) {
    const count = 1 + prng.below(burstMax)
    const how = prng.below(3)
    let got = 0
    if (how === 0) {
      got = consumer.peek(count)
      for (let n = 0; n < got; n++) into.set(consumer.i32.subarray(consumer.slot(n), consumer.slot(n) + recordWords), n * recordWords)
      if (got > 0 && !consumer.release(got)) got = 0
    } else got = how === 1 ? consumer.popBulk(into, count) : consumer.popBurst(into, count)
    for (let n = 0; n < got; n++) {
      const record = into.subarray(n * recordWords, (n + 1) * recordWords)
      const producer = record[0]
      const item = Math.imul(record[1], -1431655765) - 1 // times the inverse of 3
      for (let word = 0; word < recordWords; word++) assert.equal(record[word], wordOf(producer, item, word), `item ${item} is whole`)
      assert.ok(item > last[producer], `in order: ${item} of producer ${producer} after ${last[producer]}`)
      last[producer] = item
      assert.equal(Atomics.add(table, producer * items + item, 1), 0, 'once')
    }
    if (got > 0) Atomics.add(table, takenAt, got)
    else await wait(consumer, prng, false)
  }
  consumer.close()
}

if (workerData !== null && parentPort !== null) {
  const data = workerData as EndData
  const ring = kinds.find(({ name }) => name === data.kind)?.attach(data.handle)
  assert.ok(ring)
  const prng = createPrng(data.seed, data.index + (data.role === 'consumer' ? 100 : 0))
  await (data.role === 'producer' ? produce(ring, data, prng) : consume(ring, data, prng))
}
