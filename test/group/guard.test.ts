import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PercoreError } from '../../src/index.js'
import { program, startGroup } from './start.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected
const timedOut = code('ERR_PERCORE_TIMEOUT')
const died = code('ERR_PERCORE_WORKER_DIED')
const aborted = { name: 'AbortError' }
const newLog = (): Int32Array => new Int32Array(new SharedArrayBuffer(64))

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 5000, 'waited in vain')
    await sleep(1)
  }
}

test('a call that waits leaves its line when it is aborted, and rejects at once with the reason', async () => {
  await using group = await startGroup({ workers: 1, depth: 1 })
  const controller = new AbortController()
  const slow = group.run('spin', 30)
  const waiting = group.run('double', 1, { signal: controller.signal })
  const behind = group.run('double', 2)
  assert.equal(group.stats().queued, 2)
  controller.abort(new RangeError('changed my mind'))
  assert.equal(group.stats().queued, 1)
  await assert.rejects(waiting, { message: 'changed my mind' })
  await slow
  assert.equal(await behind, 4)
})

test('a task in a lane that is aborted never starts, and gives its room and memory back', async () => {
  const log = newLog()
  await using group = await startGroup({ workers: 1, depth: 4, workerData: log })
  const controller = new AbortController()
  const order: string[] = []
  const slow = group.run('spin', 40).then(() => order.push('slow'))
  const queued = group.run('note', 7, { signal: controller.signal }).catch(() => order.push('aborted'))
  const large = group.run('echo', 'x'.repeat(10_000), { signal: controller.signal }).catch(() => order.push('aborted'))
  await sleep(5)
  controller.abort()
  await Promise.all([slow, queued, large])
  assert.deepEqual(order, ['aborted', 'aborted', 'slow'])
  assert.deepEqual(await Promise.all([1, 2, 3, 4].map((n) => group.run('double', n))), [2, 4, 6, 8])
  assert.equal(log[0], 0)
  assert.deepEqual([group.stats().inFlight, group.audit().blocks.out], [0, 0])
})

test('a handler in a loop sees ctx.signal, with the reason, although no event gets in', async () => {
  const log = newLog()
  await using group = await startGroup({ workers: 1, workerData: log })
  const controller = new AbortController()
  const call = group.run('heedInLoop', undefined, { signal: controller.signal })
  await until(() => log[0] === 1)
  controller.abort()
  await assert.rejects(call, aborted)
  await group.run('nothing')
  assert.equal(log[1], 'AbortError'.length)
  await assert.rejects(group.run('heedInLoop', undefined, { timeoutMs: 300 }), timedOut)
  await group.run('nothing')
  assert.equal(log[1], 'TimeoutError'.length)
})

test('a handler that sleeps is woken by ctx.signal; its room is free at once, and it may tidy up', async () => {
  const log = newLog()
  await using group = await startGroup({ workers: 1, depth: 1, workerData: log })
  const controller = new AbortController()
  const call = group.run('heedAsleep', undefined, { signal: controller.signal })
  await until(() => log[0] === 1)
  await sleep(20) // the worker's thread has gone to sleep by now
  controller.abort()
  await assert.rejects(call, aborted)
  await group.run('nothing') // one that is tidying up takes no room
  log[2] = 1
  await until(() => log[3] === 1)
  assert.equal(log[1], 'AbortError'.length)
})

test('a handler that never settles is called off by timeoutMs, and keeps no room', async () => {
  await using group = await startGroup({ workers: 1, depth: 2 })
  for (let i = 0; i < 6; i++) await assert.rejects(group.run('never', undefined, { timeoutMs: 5 }), timedOut)
  assert.equal(await group.run('double', 1), 2)
  assert.equal(group.stats().workers[0].restarts, 0)
  await group.terminate()
})

test('a handler that never returns is stopped by timeoutMs: the worker is replaced, the tasks behind run', async () => {
  const log = newLog()
  await using group = await startGroup({ workers: 1, workerData: log })
  const start = performance.now()
  const endless = assert.rejects(group.run('hold', undefined, { timeoutMs: 500 }), timedOut)
  const behind = group.run('double', 4)
  await until(() => log[0] === 1)
  await endless
  assert.ok(performance.now() - start >= 495)
  assert.equal(await behind, 8)
  assert.equal(group.stats().workers[0].restarts, 1)
})

test('a time-out in the lane, behind a long task, costs nobody a worker', async () => {
  await using group = await startGroup({ workers: 1 })
  const long = group.run('spin', 300)
  await assert.rejects(group.run('double', 1, { timeoutMs: 20 }), timedOut)
  assert.equal(await long, 300)
  assert.equal(group.stats().workers[0].restarts, 0)
})

test('without hard, aborting lets a handler that pays no heed run to its end', async () => {
  await using group = await startGroup({ workers: 1 })
  const controller = new AbortController()
  const call = group.run('spin', 300, { signal: controller.signal })
  await sleep(20)
  controller.abort()
  await assert.rejects(call, aborted)
  assert.equal(await group.run('double', 1), 2)
  assert.equal(group.stats().workers[0].restarts, 0)
})

test('with hard, aborting a started task replaces the worker; one that has not started just never does', async () => {
  const log = newLog()
  await using group = await startGroup({ workers: 1, workerData: log })
  const controller = new AbortController()
  const behindIt = new AbortController()
  const call = group.run('hold', undefined, { signal: controller.signal, hard: true })
  const queued = group.run('double', 1, { signal: behindIt.signal, hard: true })
  const last = group.run('double', 2)
  await until(() => log[0] === 1)
  behindIt.abort()
  await assert.rejects(queued, aborted)
  controller.abort()
  await assert.rejects(call, aborted)
  assert.equal(await last, 4)
  assert.equal(group.stats().workers[0].restarts, 1)
  await assert.rejects(group.run('never', undefined, { timeoutMs: 500, hard: true }), timedOut)
  assert.equal(await group.run('double', 3), 6)
  assert.equal(group.stats().workers[0].restarts, 2)
})

test('what a hard stop takes with it fails and says why', async () => {
  const log = newLog()
  await using group = await startGroup({ workers: 1, workerData: log })
  const innocent = group.run('later', { ms: 10_000, value: 1 }).catch((error: unknown) => error)
  await group.run('nothing')
  await assert.rejects(group.run('hold', undefined, { timeoutMs: 500, hard: true }), timedOut)
  const error = await innocent
  assert.ok(died(error))
  assert.match((error as Error).message, /timeoutMs of 500/)
})

test('a signal that is aborted already lets nothing begin', async () => {
  const log = newLog()
  await using group = await startGroup({ workers: 1, workerData: log })
  const signal = AbortSignal.abort()
  await assert.rejects(group.run('note', 1, { signal }), aborted)
  const failures: unknown[] = []
  group.on('failure', ({ error }) => failures.push((error as Error).name))
  assert.equal(group.push('note', 1, { signal }), true, 'trying again would be in vain')
  await new Promise<void>((resolve) => group.call('note', 1, () => assert.fail(), () => resolve(), { signal }))
  await group.run('nothing')
  assert.equal(log[0], 0)
  assert.deepEqual(failures, ['AbortError'])
})

test('a call that is settled leaves no listener on its signal, and ctx.signal of others is not aborted', async () => {
  await using group = await startGroup({ workers: 1, depth: 2 })
  const controller = new AbortController()
  const { signal } = controller
  const calls = Array.from({ length: 50 }, (_, i) => group.run('double', i, { signal, timeoutMs: 10_000 }))
  assert.equal(getEventListeners(signal, 'abort').length, 1, 'more than ten would be a warning')
  await Promise.all(calls)
  await assert.rejects(group.run('fail', 'x', { signal }), { message: 'x' })
  await assert.rejects(group.run('echo', () => {}, { signal }), code('ERR_PERCORE_NOT_CLONEABLE'))
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  controller.abort()
  assert.equal(await group.run('double', 1), 2)
})

test('retry tries again after what a handler throws, as often as it says', async () => {
  const log = newLog()
  await using group = await startGroup({ workers: 1, workerData: log })
  log[0] = 2
  assert.equal(await group.run('flaky', 5, { retry: 2 }), 5)
  assert.equal(log[1], 3)
  log[0] = 2
  await assert.rejects(group.run('flaky', 5, { retry: 1 }), { message: 'not yet' })
  log.fill(0)
  log[0] = 9
  await assert.rejects(group.run('flaky', 5, { retry: { times: 9, when: () => false } }), { message: 'not yet' })
  assert.equal(log[1], 1)
  await assert.rejects(group.run('flaky', 5, { retry: { times: 9, when: () => { throw new TypeError('in when') } } }), { message: 'in when' })
})

test('retry outlives the death of a worker, but not the time it was given', async () => {
  const log = newLog()
  await using group = await startGroup({ workers: 1, workerData: log })
  assert.equal(await group.run('exitUnless', 5, { retry: 1 }), 5)
  await assert.rejects(group.run('fail', 'always', { retry: { times: 1e6, delayMs: 1 }, timeoutMs: 60 }), timedOut)
  await assert.rejects(group.run('echo', () => {}, { retry: 3 }), code('ERR_PERCORE_NOT_CLONEABLE'))
})

test('closing waits for a retried call no longer than its attempt, and lets the process end', async () => {
  assert.equal(await program(`
    const group = await ExecGroup.start(url, { workers: 1 })
    const call = group.run('fail', 'still', { retry: { times: 5, delayMs: 50 }, timeoutMs: 60_000 }).catch((error) => console.log(error.message))
    await new Promise((resolve) => setTimeout(resolve, 20))
    await group.close()
    await call
  `), 'still\n')
})

test('callbacks and pushes are guarded like promises', async () => {
  const log = newLog()
  await using group = await startGroup({ workers: 1, workerData: log })
  const error = await new Promise((resolve) => group.call('never', undefined, () => assert.fail(), resolve, { timeoutMs: 10 }))
  assert.ok(timedOut(error))
  const failures: unknown[] = []
  group.on('failure', (failure) => failures.push(failure.error))
  assert.ok(group.push('spin', 1e9, { timeoutMs: 20 }))
  assert.equal(await group.run('double', 2), 4)
  assert.equal(failures.length, 1)
  assert.ok(timedOut(failures[0]))
  await group.terminate()
})

test('aborting at any moment loses no credit, no task and no memory', async () => {
  const log = newLog()
  await using group = await startGroup({ workers: 2, depth: 8, workerData: log })
  const calls: Promise<unknown>[] = []
  for (let i = 0; i < 3000; i++) {
    const controller = new AbortController()
    const { signal } = controller
    const call = i % 3 === 0
      ? group.run('later', { ms: i % 4, value: i }, { signal })
      : group.run('echo', i % 3 === 1 ? i : { i, text: 'x'.repeat(i % 300) }, { signal })
    calls.push(call.catch((error: Error) => assert.equal(error.name, 'AbortError')))
    if (i % 5 === 0) controller.abort()
    else if (i % 5 === 1) setImmediate(() => controller.abort())
    else if (i % 5 === 2) setTimeout(() => controller.abort(), i % 7)
    if (i % 50 === 0) await sleep(1)
  }
  await Promise.all(calls)
  await until(() => group.stats().inFlight === 0)
  assert.equal(group.stats().queued, 0)
  assert.equal(group.stats().workers.reduce((sum, { restarts }) => sum + restarts, 0), 0)
  await Promise.all(Array.from({ length: 16 }, (_, i) => group.run('double', i)))
  assert.deepEqual([group.audit().problems, group.audit().blocks.out], [[], 0])
})

test('bad options of guards are refused by name and value', async () => {
  await using group = await startGroup({ workers: 1 })
  const bad: [object, string][] = [
    [{ timeoutMs: -1 }, '-1'], [{ timeoutMs: Number.NaN }, 'NaN'], [{ timeoutMs: '5' }, '5'], [{ timeoutMs: 2 ** 31 }, '2147483648'], [{ signal: {} }, 'signal'],
    [{ hard: true }, 'hard'], [{ hard: 1, timeoutMs: 5 }, 'hard'], [{ retry: -1 }, '-1'], [{ retry: 0.5 }, '0.5'], [{ retry: { times: 1, delayMs: -1 } }, 'delayMs'],
    [{ retry: 'twice' }, 'twice'], [{ retry: { times: 1, when: 5 } }, 'when'],
  ]
  for (const [options, named] of bad) {
    await assert.rejects(group.run('double', 1, options), (error: Error) => code('ERR_PERCORE_INVALID_OPTION')(error) && error.message.includes(named), named)
  }
  const block = group.alloc(8)
  await assert.rejects(group.run('reverse', block, { retry: 1 }), code('ERR_PERCORE_INVALID_OPTION'))
  block.free()
})
