import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { PercoreError, shared } from '../../src/base/index.js'
import { RemoteInbox, Waker, wakeRemote } from '../../src/exec/index.js'
import { doorbellWords, initLane, LaneConsumer, LaneProducer, laneWords, Sleeper } from '../../src/ring/index.js'
import { startExec } from './clock.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected
/** Where every lane of these tests begins: three below the wrap of u32. */
const first = -3

function laneOf(capacity: number): { producer: LaneProducer; consumer: LaneConsumer } {
  const i32 = new Int32Array(new SharedArrayBuffer(4 * laneWords(capacity)))
  initLane(i32, 0, first)
  return { producer: new LaneProducer(i32, 0, capacity), consumer: new LaneConsumer(i32, 0, capacity) }
}

test('a waker wakes who waits, remembers being woken before, and once is as good as twice', () => {
  const { exec } = startExec()
  const waker = new Waker<string>()
  const seen: string[] = []
  exec.spawn(function* () {
    for (;;) seen.push(yield* waker)
  })
  waker.wake('a')
  waker.wake('b')
  exec.runUntilIdle()
  assert.deepEqual(seen, ['b'])
  waker.wake('c')
  exec.runUntilIdle()
  assert.deepEqual(seen, ['b', 'c'])
})

test('a waker is not lost on a coroutine that is cancelled in the moment it is woken', () => {
  const { exec } = startExec()
  const waker = new Waker<string>()
  const task = exec.spawn(function* () { yield* waker })
  exec.runUntilIdle()
  waker.wake('kept')
  exec.cancel(task)
  const seen: string[] = []
  exec.spawn(function* () { seen.push(yield* waker) })
  exec.runUntilIdle()
  assert.deepEqual(seen, ['kept'])
})

test('a wake-up that a cancelled coroutine no longer takes goes to the one that waits by then, and is not kept for later', () => {
  const { exec } = startExec()
  const waker = new Waker<string>()
  const seen: string[] = []
  const first = exec.spawn(function* () { yield* waker })
  exec.runUntilIdle()
  exec.spawn(function* () {
    exec.cancel(first)
    seen.push(yield* waker)
    seen.push(yield* waker)
  })
  waker.wake('handed on')
  exec.runUntilIdle()
  assert.deepEqual(seen, ['handed on'])
  waker.wake('next')
  exec.runUntilIdle()
  assert.deepEqual(seen, ['handed on', 'next'])
})

test('two cannot wait for the same waker', async () => {
  const waker = new Waker()
  void waker.then(() => undefined)
  await assert.rejects(async () => waker, code('ERR_PERCORE_INVALID_OPTION'))
  waker.wake()
})

test('neither a waker, a remote waker nor a join handle can be sent to another thread', () => {
  const { exec } = startExec()
  const inbox = new RemoteInbox(laneOf(2).consumer)
  const { port1 } = new MessageChannel()
  for (const local of [new Waker(), { nested: new Waker() }]) {
    assert.throws(() => structuredClone(local), { name: 'DataCloneError' })
    assert.throws(() => port1.postMessage(local), { name: 'DataCloneError' })
    assert.throws(() => new Worker('', { eval: true, workerData: local }), { name: 'DataCloneError' })
  }
  // These can be copied, but what arrives is data without methods: nothing can be woken with it, nor cancelled.
  for (const handle of [inbox.waker(), exec.fork(() => 1)]) {
    let copy: Record<string, unknown> = {}
    try {
      copy = structuredClone(handle) as unknown as Record<string, unknown>
    } catch {
      continue
    }
    for (const name of ['wake', 'cancel', 'then', 'close', 'wait', 'detach']) assert.equal(copy[name], undefined, name)
  }
  port1.close()
  assert.deepEqual(structuredClone(inbox.waker().token), { slot: 1, generation: 0 }, 'a token can be sent: it is only numbers')
})

test('a stale token wakes nobody, whoever has its slot now', () => {
  const { exec } = startExec()
  const { producer, consumer } = laneOf(8)
  const inbox = new RemoteInbox(consumer)
  exec.inbox = inbox
  const old = inbox.waker()
  old.close()
  old.close()
  const now = inbox.waker()
  assert.equal(now.token.slot, old.token.slot)
  const seen: number[] = []
  exec.spawn(function* () { seen.push(yield* now) })
  for (const generation of [old.token.generation, -1, 99]) wakeRemote(producer, { slot: now.token.slot, generation }, 1)
  wakeRemote(producer, { slot: 12_345, generation: 0 }, 1)
  wakeRemote(producer, { slot: -1, generation: 0 }, 1)
  producer.publish()
  exec.runUntilIdle()
  assert.deepEqual(seen, [])
  assert.equal(inbox.stale, 5)
  wakeRemote(producer, now.token, 7)
  producer.publish()
  exec.runUntilIdle()
  assert.deepEqual(seen, [7])
})

test('a coroutine that was woken is not woken by the wake-up meant for the one that had its slot before', () => {
  const { exec } = startExec({ tasksMax: 1 })
  const { slab } = exec.core
  exec.spawn(function* () { yield* exec.sleep(1000) })
  exec.runUntilIdle()
  const generation = slab.generation[0] ?? 0
  exec.cancel(slab.taskAt(0))
  exec.runUntilIdle()
  let ran = 0
  exec.spawn(function* () {
    for (;;) {
      ran++
      yield* exec.sleep(1000)
    }
  })
  exec.runUntilIdle()
  exec.core.wake(0, generation)
  exec.runUntilIdle()
  assert.equal(ran, 1)
  assert.equal(exec.core.staleWakes, 1)
})

test('a wake-up of a full lane says so, and what is no wake-up goes to onMessage', () => {
  const { producer, consumer } = laneOf(2)
  const messages: number[] = []
  const inbox = new RemoteInbox(consumer, (slot) => messages.push(consumer.i32[slot + 5] ?? 0))
  const slot = producer.claim()
  producer.i32[slot] = 3
  producer.i32[slot + 5] = 77
  producer.commit()
  const { token } = inbox.waker()
  assert.equal(wakeRemote(producer, token), true)
  assert.equal(wakeRemote(producer, token), false)
  producer.publish()
  inbox.take()
  assert.deepEqual(messages, [77])
})

test('with an inbox, a turn full of work costs no atomic operation but those at its edges: at most four', () => {
  const { exec } = startExec()
  const { producer, consumer } = laneOf(64)
  const inbox = new RemoteInbox(consumer)
  exec.inbox = inbox
  const wakers = Array.from({ length: 32 }, () => inbox.waker())
  let woken = 0
  for (const waker of wakers) {
    exec.spawn(function* () {
      yield* waker
      woken++
    })
  }
  exec.runUntilIdle()
  for (const waker of wakers) wakeRemote(producer, waker.token)
  producer.publish()
  for (let n = 0; n < 10_000; n++) exec.spawn(() => undefined)
  let atomics = 0
  const saved = { ...shared }
  for (const name of ['load', 'store', 'exchange', 'compareExchange', 'add', 'wait', 'notify'] as const) {
    Object.assign(shared, { [name]: (...args: never[]) => {
      atomics++
      return (saved[name] as (...args: never[]) => unknown)(...args)
    } })
  }
  try {
    assert.equal(exec.turn(), 10_032)
  } finally {
    Object.assign(shared, saved)
  }
  assert.equal(woken, 32)
  assert.ok(atomics <= 4, `${atomics} atomic operations`)
})

test('wake-ups from a real thread all arrive, and the executor sleeps in between', async () => {
  const wakes = 2000
  const lane = doorbellWords
  const i32 = new Int32Array(new SharedArrayBuffer(4 * (doorbellWords + laneWords(8))))
  initLane(i32, lane, first)
  const { exec } = startExec({ now: () => performance.now() })
  const inbox = new RemoteInbox(new LaneConsumer(i32, lane, 8))
  exec.inbox = inbox
  const waker = inbox.waker()
  const worker = new Worker(`
    const { workerData: { i32, lane, token, wakes, exec, ring } } = require('node:worker_threads')
    Promise.all([import(exec), import(ring)]).then(([{ wakeRemote }, { LaneProducer, ring }]) => {
      const producer = new LaneProducer(i32, lane, 8)
      for (let n = 1; n <= wakes;) {
        if (wakeRemote(producer, token, n)) n++
        producer.publish()
        ring(i32, 0, () => undefined)
      }
    })
  `, { eval: true, workerData: { i32, lane, token: waker.token, wakes, exec: new URL('../../src/exec/index.js', import.meta.url).href, ring: new URL('../../src/ring/index.js', import.meta.url).href } })
  let last = 0
  exec.spawn(function* () {
    while (last < wakes) {
      const value = yield* waker
      assert.ok(value > last, 'in order')
      last = value
    }
  })
  await new Promise((resolve) => worker.once('online', resolve))
  const sleeper = new Sleeper(i32, 0, () => exec.hasWork())
  while (exec.tasks > 0) {
    exec.runUntilIdle()
    if (exec.tasks > 0) sleeper.block(10_000)
  }
  assert.equal(last, wakes)
  await worker.terminate()
})
