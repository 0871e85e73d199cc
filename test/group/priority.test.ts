import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { PercoreError } from '../../src/index.js'
import { startGroup } from './start.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected
const high = { priority: 'high' } as const

test('a task of high priority runs before those that are in the lane already', async () => {
  await using group = await startGroup({ workers: 1 })
  const order: string[] = []
  const slow = Array.from({ length: 10 }, () => group.run('spin', 10).then(() => order.push('slow')))
  await new Promise((resolve) => setTimeout(resolve, 15))
  const urgent = group.run('double', 1, high).then(() => order.push('urgent'))
  await Promise.all([...slow, urgent])
  assert.ok(order.indexOf('urgent') <= 4, order.join(' '))
})

test('a call of high priority waits before all others for room, and is dropped after them', async () => {
  await using group = await startGroup({ workers: 1, depth: 1, maxQueue: 4, whenFull: 'drop-oldest' })
  const order: string[] = []
  const call = (name: string, options?: object): Promise<unknown> => group.run('echo', name, options).then(
    () => order.push(name),
    (error: unknown) => {
      assert.ok(code('ERR_PERCORE_DROPPED')(error))
      order.push(`${name} dropped`)
    },
  )
  await Promise.all([
    call('running'), call('a'), call('b'), call('to 0', { worker: 0 }), call('A', high), call('B', { ...high, worker: 0 }), call('C', { ...high, key: 'k' }),
  ])
  assert.deepEqual(order, ['a dropped', 'b dropped', 'running', 'A', 'B', 'C', 'to 0'])
})

test('a flood of high priority still lets others have their turn', async () => {
  await using group = await startGroup({ workers: 1, depth: 256 })
  const state = { isOver: false }
  const normal = group.run('double', 4).then(() => {
    state.isOver = true
  })
  let rounds = 0
  while (!state.isOver) {
    await Promise.all(Array.from({ length: 200 }, () => group.run('spin', 0, high)))
    assert.ok(++rounds < 1000)
  }
  await normal
})

test('high and normal, with every option, through deaths: nothing is lost and nothing runs twice', async () => {
  const seed = Number(process.env['PERCORE_SEED'] ?? Date.now() % 1_000_000)
  console.log(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  const log = new Int32Array(new SharedArrayBuffer(4 * 8192))
  await using group = await startGroup({ workers: 2, depth: 16, workerData: log })
  const calls: Promise<unknown>[] = []
  for (let n = 0; n < 4000; n++) {
    const options = { ...(prng.below(3) === 0 ? high : {}), ...(prng.below(4) === 0 ? { worker: prng.below(2) } : {}), ...(prng.below(4) === 0 ? { timeoutMs: 60_000 } : {}) }
    if (prng.below(1000) < 2) calls.push(assert.rejects(group.run('exit', 1, options), code('ERR_PERCORE_WORKER_DIED')))
    calls.push(group.run('note', n, options))
    if (n % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 3))
  }
  await Promise.all(calls)
  assert.deepEqual([...log.subarray(1, 1 + log[0])].toSorted((a, b) => a - b), Array.from({ length: 4000 }, (_, n) => n))
  assert.deepEqual([group.stats().inFlight, group.stats().queued], [0, 0])
})

test('an asynchronous task that times out costs nobody a worker while one of high priority holds the thread', async () => {
  await using group = await startGroup({ workers: 1 })
  const late = assert.rejects(group.run('later', { ms: 10_000, value: 1 }, { timeoutMs: 30 }), code('ERR_PERCORE_TIMEOUT'))
  await group.run('nothing', undefined, high)
  const long = group.run('spin', 400, high)
  await late
  assert.equal(await long, 400)
  assert.equal(group.stats().workers[0].restarts, 0)
})

test('a priority that is none is refused', async () => {
  await using group = await startGroup({ workers: 1 })
  await assert.rejects(group.run('double', 1, { priority: 'urgent' as 'high' }), (error: Error) => code('ERR_PERCORE_INVALID_OPTION')(error) && error.message.includes('urgent'))
})
