/** Tasks of one key keep their order while workers come, go and die: the log of what began and ended says so. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPrng } from '../../src/base/index.js'
import { balance, type ExecGroupOptions } from '../../src/index.js'
import { startGroup } from './start.js'

const keys = 16
const logOf = (tasks: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * (1 + 2 * tasks)))
type Step = { readonly id: number, readonly ms: number }
const keyOf = (id: number): number => id % keys

/** Within each key a task begins after all before it have ended; `failed` are those that began and never ended. */
function checkOrder(log: Int32Array, failed: ReadonlySet<number> = new Set()): void {
  const last = new Map<number, { readonly id: number, readonly hasEnded: boolean }>()
  for (const what of log.subarray(1, 1 + log[0])) {
    const id = what >> 1
    const before = last.get(keyOf(id))
    if ((what & 1) === 0) {
      assert.ok(before === undefined || before.id < id, `task ${id} began after task ${before?.id}`)
      assert.ok(before === undefined || before.hasEnded || failed.has(before.id), `task ${id} began before task ${before?.id} had ended`)
    } else assert.equal(before?.id, id)
    last.set(keyOf(id), { id, hasEnded: (what & 1) === 1 })
  }
}

const ways: Record<string, ExecGroupOptions> = {
  'by the option of the call': {},
  'by the balancer of the group': { balance: balance.key((step: Step) => keyOf(step.id)) },
}

for (const [way, options] of Object.entries(ways)) {
  for (const depth of [4, 1024]) {
    test(`tasks of one key keep their order while the group grows and shrinks, ${way}, depth ${depth}`, async () => {
      const tasks = 1200
      const log = logOf(tasks)
      await using group = await startGroup({ workers: 1, maxWorkers: 4, depth, workerData: log, ...options })
      const calls: Promise<number>[] = []
      const send = (count: number): void => {
        for (let i = 0; i < count; i++) {
          const id = calls.length
          calls.push(group.run('step', { id, ms: id % 7 === 0 ? 1 : 0.05 }, 'balance' in options ? undefined : { key: keyOf(id) }))
        }
      }
      for (const workers of [4, 2, 3, 1, 4, 1]) {
        send(100)
        const resized = group.resize(workers)
        send(50)
        await sleep(3)
        send(50)
        await resized
      }
      assert.deepEqual(await Promise.all(calls), calls.map((_, id) => id))
      checkOrder(log)
    })
  }
}

test('and through the death of workers, also while their keys are on the move', async () => {
  const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)
  console.log(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  const rounds = 8
  const log = logOf(150 * rounds)
  await using group = await startGroup({ workers: 2, maxWorkers: 4, depth: 32, workerData: log })
  const calls: Promise<number>[] = []
  const send = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const id = calls.length
      calls.push(group.run('step', { id, ms: 0.2 }, { key: keyOf(id) }))
    }
  }
  const deaths: Promise<unknown>[] = []
  for (let round = 0; round < rounds; round++) {
    send(75)
    deaths.push(group.run('exit', 1, { worker: prng.below(group.workers), priority: prng.below(2) === 0 ? 'high' : 'normal' }).catch(() => {}))
    const resized = group.resize(1 + prng.below(4))
    send(75)
    await sleep(prng.below(10))
    await resized
  }
  const outcomes = await Promise.allSettled(calls)
  await Promise.all(deaths)
  const failed = new Set<number>()
  for (const [id, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') continue
    assert.equal((outcome.reason as { code?: string }).code, 'ERR_PERCORE_WORKER_DIED')
    failed.add(id)
  }
  checkOrder(log, failed)
})

test('an asynchronous task counts until it has settled, or was called off; other keys do not wait for it', async () => {
  const log = logOf(10)
  await using group = await startGroup({ workers: 1, maxWorkers: 2, workerData: log })
  /** One that goes to the second worker once there is one. */
  let key = ''
  await group.resize(2)
  while (await group.run('where', undefined, { key }).then((at) => (at as { worker: number }).worker) === 0) key += 'x'
  await group.resize(1)
  let hasRun = false
  const controller = new AbortController()
  const called = group.run('heedAsleep', undefined, { key, signal: controller.signal })
  await group.resize(2)
  const behind = group.run('where', undefined, { key }).then(() => {
    hasRun = true
  })
  await group.run('where')
  await sleep(20)
  assert.ok(!hasRun, 'it ran before the one before it had ended')
  controller.abort()
  await assert.rejects(called)
  await behind
  Atomics.store(log, 2, 1)
  await group.ready({ key })
})

test('calls that wait for a key on the move can be called off, and end with the group', async () => {
  const log = logOf(10)
  const group = await startGroup({ workers: 2, workerData: log })
  let key = ''
  while (await group.run('where', undefined, { key }).then((at) => (at as { worker: number }).worker) === 0) key += 'x'
  const first = group.run('later', { ms: 200, value: 1 }, { key })
  const resized = group.resize(1)
  await sleep(1)
  const controller = new AbortController()
  const waiting = group.run('double', 1, { key, signal: controller.signal })
  assert.equal(group.stats().queued, 1)
  assert.equal(group.push('double', 2, { key }), false)
  controller.abort()
  await assert.rejects(waiting, { name: 'AbortError' })
  assert.equal(group.stats().queued, 0)
  assert.equal(group.runSync('double', 4, { key }), 8)
  assert.equal(await first, 1)
  await resized
  const last = group.run('later', { ms: 1e6, value: 1 }, { key })
  const growing = group.resize(2)
  await growing
  const held = group.run('double', 1, { key })
  const both = Promise.allSettled([last, held])
  await group.terminate()
  assert.ok((await both).every((outcome) => outcome.status === 'rejected' && (outcome.reason as { code?: string }).code === 'ERR_PERCORE_CLOSED'))
})
