import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sampler } from '../../src/group/stamps.js'
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

test('how long tasks wait for their worker is shown by percentiles, by handler and by worker', async () => {
  await using group = await startGroup({ workers: 2 })
  await Promise.all(Array.from({ length: 200 }, () => group.run('spin', 1, { worker: 1 })))
  const { handlers, workers } = group.stats()
  const { waitUs } = find(handlers, 'spin')
  assert.ok(waitUs.samples > 0 && waitUs.samples <= 200, `${waitUs.samples}`)
  assert.ok(waitUs.p50 > 20_000, `${waitUs.p50}: half of them wait for 100 others, of 1 ms each`)
  assert.ok(waitUs.p99 >= waitUs.p90 && waitUs.p90 >= waitUs.p50)
  assert.deepEqual(workers[1].waitUs, waitUs)
  assert.ok(Number.isNaN(workers[0].waitUs.p50) && Number.isNaN(find(handlers, 'double').waitUs.p50))
})

test('a wait for room counts from the call', async () => {
  await using group = await startGroup({ workers: 1, depth: 2 })
  await Promise.all(Array.from({ length: 200 }, () => group.run('spin', 1)))
  const { waitUs } = find(group.stats().handlers, 'spin')
  assert.ok(waitUs.samples > 0, 'none was measured')
  assert.ok(waitUs.p50 > 20_000, `${waitUs.p50}: with two in the lane they wait for 2 ms there`)
})

test('every kind of call is measured, and whichever handler is always called first, or last', async () => {
  await using group = await startGroup({ workers: 1 })
  for (let n = 0; n < 400; n++) {
    await Promise.all([
      group.run('double', n),
      group.run('echo', 'text', { timeoutMs: 60_000 }),
      group.run('nothing', undefined, { priority: 'high' }),
      group.run('spin', 0.001),
    ])
  }
  const { handlers } = group.stats()
  for (const name of ['double', 'echo', 'nothing', 'spin']) {
    const { samples, p50 } = find(handlers, name).waitUs
    assert.ok(samples > 0 && p50 > 0 && p50 < 1e6, `${name}: ${samples} samples, ${p50} µs`)
  }
})

test('a stamp counts for as many tasks as there are to one: many that waited long are not outvoted by a few that did not', () => {
  const buffer = createMeters(1)
  const meter = new Meter(buffer, 0, 5)
  for (let n = 0; n < 100; n++) meter.waited(0, 10, 32)
  for (let n = 0; n < 10; n++) meter.waited(0, 1000, 8192)
  const { waitUs } = new MeterReader(buffer).handlers(['a', 'b'], [0])[0]
  assert.equal(waitUs.samples, 110)
  assert.ok(waitUs.p50 > 800, `${waitUs.p50}`)
})

test('stamps come after 32 tasks on average, after up to 8192 when they come close, and never in a pattern', () => {
  const sampler = new Sampler(3)
  const draws = Array.from({ length: 10_000 }, () => sampler.draw())
  const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length
  assert.ok(Math.abs(mean - 32) < 1, `${mean}`)
  assert.equal(new Set(draws).size, 63)
  for (let us = 1; us < 30; us++) sampler.took(us)
  assert.equal(sampler.weight, 8192)
  assert.ok(Array.from({ length: 100 }, () => sampler.draw()).every((draw) => draw >= 1 && draw < 2 * 8192))
  for (let n = 0; n < 30; n++) sampler.took(10_000 * n)
  assert.equal(sampler.weight, 32)
})
