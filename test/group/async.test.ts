import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startGroup } from './start.js'

test('asynchronous tasks make progress while synchronous ones keep the worker busy', async () => {
  await using group = await startGroup({ workers: 1 })
  const slept: unknown[] = []
  const later = group.run('later', { ms: 5, value: 'slept' }).then((value) => slept.push(value))
  let rounds = 0
  while (slept.length === 0) {
    await Promise.all(Array.from({ length: 200 }, (_, i) => group.run('double', i)))
    assert.ok(++rounds < 100_000, 'the sleeper was starved')
  }
  await later
  assert.deepEqual(slept, ['slept'])
})

test('a thousand tasks sleep at the same time on one worker', async () => {
  await using group = await startGroup({ workers: 1 })
  const values = await Promise.all(Array.from({ length: 1000 }, (_, value) => group.run('later', { ms: 20, value })))
  assert.deepEqual(values, Array.from({ length: 1000 }, (_, i) => i))
})

test('what a handler leaves behind runs before the worker blocks: microtasks, ticks, unhandled rejections', async () => {
  for (const idle of ['auto', 'block'] as const) {
    const left = new Int32Array(new SharedArrayBuffer(12))
    await using group = await startGroup({ workers: 1, idle, workerData: left })
    for (let i = 1; i <= 40; i++) { // more often than once round the breaths of a turn
      await group.run('leaveBehind')
      for (const deadline = performance.now() + 5000; left.some((count) => count < i) && performance.now() < deadline;) await sleep(0.1)
      assert.deepEqual([...left], [i, i, i], `${idle}, call ${i}`)
    }
  }
})

test('timers of a handler run while it waits', async () => {
  await using group = await startGroup({ workers: 1 })
  assert.ok(await group.run('ticks', 50) > 3)
})

test('every way of waiting for work serves tasks', async () => {
  for (const idle of ['auto', 'loop', 'spin', 'block'] as const) {
    await using group = await startGroup({ workers: 1, idle })
    for (let i = 0; i < 20; i++) {
      assert.equal(await group.run('double', i), 2 * i)
      await group.run('later', { ms: 1, value: 0 })
    }
  }
})

test('a fast task does not wait for slow ones taken in the same batch', async () => {
  await using group = await startGroup({ workers: 1 })
  await group.run('spin', 2) // its cost is known from now on
  const order: string[] = []
  const slow = Array.from({ length: 5 }, () => group.run('spin', 20))
  const fast = group.run('double', 1).then(() => order.push('fast'))
  void fast
  const last = group.run('spin', 20).then(() => order.push('slow'))
  await Promise.all([...slow, fast, last])
  assert.deepEqual(order, ['fast', 'slow'])
})
