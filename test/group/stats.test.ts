import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMeters, Meter, MeterReader } from '../../src/group/meter.js'
import { type HandlerStats } from '../../src/index.js'
import { startGroup } from './start.js'

const find = (handlers: readonly HandlerStats[], name: string): HandlerStats => handlers.find((handler) => handler.name === name) as HandlerStats

test('tasks and failures are counted by handler and worker, exactly, whatever way they came', async () => {
  await using group = await startGroup({ workers: 2 })
  group.on('failure', () => {})
  for (let n = 0; n < 997; n++) group.push('double', n)
  for (let n = 0; n < 70; n++) {
    group.push('fail', 'x')
    if (n % 2 === 0) await group.run('reject', 'y').catch(() => {})
    await group.run('fail', 'z', { timeoutMs: 60_000, worker: 1 }).catch(() => {})
    await group.run('double', n, { priority: 'high' })
  }
  await group.runMany('double', Array.from({ length: 1000 }, (_, n) => n))
  await group.run('uncloneable').catch(() => {})
  await group.drain()
  const { handlers, workers } = group.stats()
  const counts = (name: string): unknown => [find(handlers, name).tasks, find(handlers, name).failures]
  assert.deepEqual(counts('double'), [997 + 70 + 1000, 0])
  assert.deepEqual(counts('fail'), [140, 140])
  assert.deepEqual(counts('reject'), [35, 35])
  assert.deepEqual(counts('uncloneable'), [1, 1])
  assert.deepEqual(counts('never'), [0, 0])
  for (const worker of workers) {
    assert.equal(worker.handlers.reduce((sum, { tasks }) => sum + tasks, 0), worker.tasks)
    assert.equal(worker.handlers.reduce((sum, { failures }) => sum + failures, 0), worker.failures)
  }
})

test('figures go on when a worker is replaced', async () => {
  await using group = await startGroup({ workers: 1 })
  for (let n = 0; n < 50; n++) await group.run('double', n)
  await group.run('exit', 1).catch(() => {})
  for (let n = 0; n < 50; n++) await group.run('double', n)
  assert.equal(find(group.stats().handlers, 'double').tasks, 100)
  assert.equal(group.stats().workers[0].restarts, 1)
})

test('a worker shows what it holds, the most it has held, its use and its heap', async () => {
  await using group = await startGroup({ workers: 2, depth: 16 })
  const calls = Array.from({ length: 11 }, () => group.run('spin', 2, { worker: 1 }))
  assert.deepEqual(group.stats().workers.map(({ depth }) => depth), [0, 11])
  await Promise.all(calls)
  const [, busy] = group.stats().workers
  assert.equal(busy.depth, 0)
  assert.equal(busy.depthMax, 11)
  assert.equal(group.stats().workers[0].depthMax, 0)
  assert.ok(busy.heapBytes > 1e6, `${busy.heapBytes}`)
  assert.ok(busy.utilisation > 0 && busy.utilisation <= 1, `${busy.utilisation}`)
})

test('how long a handler runs is shown by percentiles', async () => {
  await using group = await startGroup({ workers: 1 })
  for (let n = 0; n < 34; n++) await group.run('spin', 3)
  const { runUs } = find(group.stats().handlers, 'spin')
  assert.equal(runUs.samples, 2)
  assert.ok(runUs.p50 >= 3000 / 1.2, `${runUs.p50}`)
  assert.ok(Number.isNaN(find(group.stats().handlers, 'double').runUs.p50))
})

test('percentiles are within 19 % of what was measured, over all workers', () => {
  const buffer = createMeters(2)
  const meters = [new Meter(buffer, 0, 5), new Meter(buffer, 1, 5)]
  for (let n = 1; n <= 1000; n++) {
    const meter = meters[n % 2]
    meter.begins(1)
    meter.ran(1, n)
  }
  const { runUs } = new MeterReader(buffer).handlers(['a', 'b'], [0, 1])[1]
  assert.equal(runUs.samples, 1000)
  for (const [shown, exact] of [[runUs.p50, 500], [runUs.p90, 900], [runUs.p99, 990]]) assert.ok(Math.abs(Math.log2(shown / exact)) <= 0.26, `${shown} ${exact}`)
})
