import assert from 'node:assert/strict'
import { test } from 'node:test'
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

test('a microtask that a handler leaves behind runs although the worker then blocks', async () => {
  await using group = await startGroup({ workers: 1 })
  await group.run('leaveMicrotask')
  while (await group.run('microtasks') === 0);
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
