/** Waiting at a ring: every way of it ends when there is something, when the time is up, and when the one who should have told has died. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { Ring } from '../../src/ring/index.js'
import { laneWordsOf, readLayout } from '../../src/ring/ring-layout.js'
import { type Kind, kinds } from './kinds.js'

const module = JSON.stringify(new URL('../../src/ring/index.js', import.meta.url).href)
const className = { spsc: 'SpscRing', mpsc: 'MpscRing', mpmc: 'MpmcRing' }

/**
 * Runs a body on another thread, where `ring`, `say` and all of percore/ring are; resolves with what it said, when it has ended by
 * itself.
 */
async function elsewhere(kind: Kind, ring: Ring, body: string, meanwhile: () => void | Promise<void> = () => {}): Promise<unknown[]> {
  const worker = new Worker(`
    const { parentPort, workerData } = require('node:worker_threads')
    const say = (what) => parentPort.postMessage(what)
    void import(${module}).then(async (rings) => {
      const ring = rings.${className[kind.name]}.attach(workerData)
      ${body}
    })
  `, { eval: true, workerData: ring.handle })
  const said: unknown[] = []
  const ended = new Promise((resolve, reject) => {
    worker.on('message', (what) => said.push(what)).once('error', reject).once('exit', resolve)
  })
  await new Promise((resolve) => worker.once('message', resolve))
  await meanwhile()
  await ended
  return said
}

/** What a producer does that dies between moving the tail and waking anybody: and before it dies it has taken the flags of the sleepers. */
function pushAndDie(kind: Kind, ring: Ring): void {
  const { itemsAt, lanesAt } = readLayout(kind.name, ring.handle)
  const i32 = new Int32Array(ring.handle.buffer)
  Atomics.store(i32, itemsAt, 0)
  Atomics.add(i32, lanesAt + laneWordsOf.tail, 1)
}

async function untilAsleep(kind: Kind, ring: Ring): Promise<void> {
  const i32 = new Int32Array(ring.handle.buffer)
  const { itemsAt } = readLayout(kind.name, ring.handle)
  while ((Atomics.load(i32, itemsAt) & 3) === 0) await new Promise((resolve) => setTimeout(resolve, 1))
}

for (const kind of kinds) void describe(`at a ring of kind ${kind.name}`, () => {
  const open = (): Ring => kind.create({ capacity: 2, recordWords: 1 })

  test('no wait takes longer than it was told, and none waits for what is there', async () => {
    const ring = open()
    const [producer, consumer] = [ring.producer(), ring.consumer()]
    assert.deepEqual([consumer.spin(1), consumer.block(1), consumer.block(0), await consumer.ready(1)], [false, false, false, false])
    assert.deepEqual([producer.spin(0), producer.block(), await producer.ready()], [true, true, true])
    producer.push([1])
    assert.deepEqual([consumer.spin(0), consumer.block(), await consumer.ready()], [true, true, true])
    assert.deepEqual([consumer.spin(1, 2), consumer.block(1, 2), await consumer.ready(1, 2)], [false, false, false])
    producer.push([2])
    assert.deepEqual([consumer.spin(0, 2), consumer.block(0, 2), await consumer.ready(0, 2)], [true, true, true])
    assert.deepEqual([producer.spin(1), producer.block(1), await producer.ready(1)], [false, false, false])
  })

  test('a consumer in its event loop is woken by a push, a producer by a pop', async () => {
    const ring = open()
    const [producer, consumer] = [ring.producer(), ring.consumer()]
    const waits = [consumer.ready(), consumer.ready(Infinity, 2)]
    producer.push([1])
    assert.equal(await waits[0], true)
    producer.push([2])
    assert.equal(await waits[1], true)
    const room = producer.ready()
    consumer.pop(new Int32Array(1))
    assert.equal(await room, true)
  })

  test('a wait in the event loop ends with the place', async () => {
    const consumer = open().consumer()
    const wait = consumer.ready()
    consumer.close()
    assert.equal(await wait, false)
  })

  test('a blocked thread is woken, and a thread that only holds places can end', async () => {
    const ring = open()
    const producer = ring.producer()
    const said = await elsewhere(kind, ring, `
      const consumer = ring.consumer()
      say('here')
      say(consumer.block())
      say(await consumer.ready(1, 2))
    `, async () => {
      await untilAsleep(kind, ring)
      producer.push([1])
    })
    assert.deepEqual(said, ['here', true, false])
  })

  for (const [how, body] of [['blocked', 'consumer.block()'], ['in its event loop', 'await consumer.ready()']] as const) {
    test(`a consumer ${how} finds out by itself when whoever should have woken it has died`, async () => {
      const ring = open()
      const said = await elsewhere(kind, ring, `
        const consumer = ring.consumer()
        say('here')
        say(${body})
        say(consumer.pop(new Int32Array(1)))
      `, async () => {
        await untilAsleep(kind, ring)
        pushAndDie(kind, ring)
      })
      assert.deepEqual(said, ['here', true, true])
    })
  }

  test('an alarm makes every sleeper look again', async () => {
    const ring = open()
    const said = await elsewhere(kind, ring, `
      const consumer = ring.consumer()
      say('here')
      say(await consumer.ready())
    `, async () => {
      await untilAsleep(kind, ring)
      pushAndDie(kind, ring)
      ring.alarm()
    })
    assert.deepEqual(said, ['here', true])
  })
})
