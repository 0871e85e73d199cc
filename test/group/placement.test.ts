import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { balance, ExecGroup, type LoadView, PercoreError } from '../../src/index.js'
import { moduleWith, startGroup } from './start.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected
const died = code('ERR_PERCORE_WORKER_DIED')

test('tasks of one key run in the order of their calls, although their workers die and lanes are full', async () => {
  const seed = Number(process.env['PERCORE_SEED'] ?? Date.now() % 1_000_000)
  console.log(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  const log = new Int32Array(new SharedArrayBuffer(4 * 8192))
  await using group = await startGroup({ workers: 3, depth: 16, balance: balance.key((n: number) => n % 20), workerData: log })
  const calls: Promise<unknown>[] = []
  let fatal = 0
  for (let n = 0; n < 6000; n++) {
    const key = n % 20
    if (prng.below(1000) < 2) {
      fatal++
      calls.push(assert.rejects(group.run('exit', 1, { key }), died))
    }
    calls.push(group.run('note', n, prng.below(2) === 0 ? { key } : undefined))
    if (n % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await Promise.all(calls)
  const noted = [...log.subarray(1, 1 + log[0])]
  assert.equal(noted.length, 6000)
  for (let key = 0; key < 20; key++) {
    const ofKey = noted.filter((n) => n % 20 === key)
    assert.deepEqual(ofKey, ofKey.toSorted((a, b) => a - b), `key ${key}, ${fatal} deaths`)
  }
})

test('the keys of a worker that was given up go to the others, and keep their order', async () => {
  const file = await moduleWith(`
    import { existsSync, writeFileSync } from 'node:fs'
    const flag = import.meta.filename + '.gone'
    if (existsSync(flag)) throw new Error('no second start')
    export const exit = () => { writeFileSync(flag, ''); process.exit(1) }
    export const where = (n, ctx) => ({ n, worker: ctx.worker })
  `)
  await using group = await ExecGroup.start(file, { workers: 2, depth: 4, balance: balance.key() })
  const gone = ((await group.run('where', 0, { key: 'k' })) as { worker: number }).worker
  const fatal = assert.rejects(group.run('exit', undefined, { key: 'k' }), died)
  const inLane = Array.from({ length: 3 }, (_, n) => assert.rejects(group.run('where', n, { key: 'k' }), code('ERR_PERCORE_HANDLERS_LOAD')))
  const pinned = assert.rejects(Promise.all(Array.from({ length: 8 }, () => group.run('where', 0, { worker: gone }))), code('ERR_PERCORE_HANDLERS_LOAD'))
  const order: number[] = []
  const waiting = Array.from({ length: 30 }, (_, n) => group.run('where', n, { key: 'k' }).then((seen) => {
    order.push((seen as { n: number }).n)
    return (seen as { worker: number }).worker
  }))
  const workers = await Promise.all(waiting)
  await Promise.all([fatal, ...inLane, pinned])
  assert.deepEqual([...new Set(workers)], [1 - gone])
  assert.deepEqual(order, Array.from({ length: 30 }, (_, n) => n))
  await assert.rejects(group.run('where', 0, { worker: gone }), code('ERR_PERCORE_HANDLERS_LOAD'))
  await assert.rejects(group.broadcast('where', 0), code('ERR_PERCORE_HANDLERS_LOAD'))
})

test('a full worker holds up only the calls that are for it', async () => {
  await using group = await startGroup({ workers: 2, depth: 2 })
  let done = 0
  const slow = Array.from({ length: 6 }, () => group.run('spin', 60, { worker: 0 }).then(() => done++))
  assert.equal(group.stats().queued, 4)
  const others = Array.from({ length: 50 }, (_, i) => group.run('double', i, { worker: 1 }))
  assert.deepEqual(await Promise.all(others), Array.from({ length: 50 }, (_, i) => 2 * i))
  assert.ok(done < 6)
  assert.equal(group.push('double', 1, { worker: 0 }), false)
  assert.equal(group.push('double', 1, { worker: 1 }), true)
  await Promise.all(slow)
})

test('calls for any worker and calls for one wait in the order of the calls', async () => {
  await using group = await startGroup({ workers: 1, depth: 1 })
  const order: number[] = []
  await Promise.all(Array.from({ length: 40 }, (_, n) => group.run('echo', n, n % 3 === 0 ? { worker: 0 } : n % 3 === 1 ? { key: n } : undefined).then(() => order.push(n))))
  assert.deepEqual(order, Array.from({ length: 40 }, (_, n) => n))
})

test('a call goes to the worker it names, whatever the balancer; so do run and push of group.to', async () => {
  await using group = await startGroup({ workers: 3, balance: balance.pinned(0) })
  for (const worker of [0, 1, 2, 1]) {
    assert.equal((await group.run('where', undefined, { worker })).worker, worker)
    assert.equal((await group.to(worker).run('where')).worker, worker)
    assert.ok(group.to(worker).push('nothing'))
  }
  assert.equal((await group.run('where')).worker, 0)
  assert.deepEqual((await group.broadcast('where')).map((seen) => seen.worker), [0, 1, 2])
})

test('a broadcast waits for all and fails with the first failure; a block cannot be broadcast', async () => {
  await using group = await startGroup({ workers: 2 })
  await assert.rejects(group.broadcast('fail', 'everywhere'), { message: 'everywhere' })
  const block = group.alloc(8)
  await assert.rejects(group.broadcast('reverse', block), code('ERR_PERCORE_NOT_CLONEABLE'))
  block.free()
  const [before] = await group.broadcast('thread')
  const replaced = once(group, 'replaced')
  await assert.rejects(group.run('exit', 1, { worker: 0 }), died)
  const after = await group.broadcast('thread')
  await replaced
  assert.notEqual(after[0], before)
})

test('a placement of your own sees handler, value and key', async () => {
  const seen: unknown[] = []
  await using group = await startGroup({
    workers: 2,
    balance: (task, load) => {
      seen.push([task.handler, task.value, task.key, load.workers])
      return task.handler === 'where' ? 1 : -1
    },
  })
  assert.equal((await group.run('where')).worker, 1)
  assert.equal((await group.run('where', undefined, { key: 'k' })).worker, 1)
  assert.deepEqual(seen, [['where', undefined, undefined, 2], ['where', undefined, 'k', 2]])
  assert.equal(group.push('double', 1), false)
})

test('a placement that throws, or names no worker, fails that call alone', async () => {
  await using group = await startGroup({
    workers: 2,
    balance: (task) => {
      if (task.value === 'throw') throw new RangeError('no place')
      return typeof task.value === 'number' ? task.value : 0
    },
  })
  await assert.rejects(group.run('echo', 'throw'), RangeError)
  for (const worker of [2, -2, 0.5, Number.NaN]) {
    await assert.rejects(group.run('echo', worker), (error: Error) => code('ERR_PERCORE_INVALID_OPTION')(error) && error.message.includes(String(worker)))
    assert.throws(() => group.push('echo', worker), code('ERR_PERCORE_INVALID_OPTION'))
  }
  assert.equal(await group.run('echo', 'still here'), 'still here')
})

test('a balancer of your own that throws, or names no worker, fails those calls alone, whether they waited or not', async () => {
  let wrong: (() => number) | undefined
  const firstWithRoom = (load: LoadView): number => Array.from({ length: load.workers }, (_, worker) => worker).find((worker) => load.room(worker) > 0) ?? -1
  await using group = await startGroup({
    workers: 2,
    depth: 4,
    balance: { pick: (load) => wrong?.() ?? firstWithRoom(load) },
  })
  const throws = (): number => { throw new RangeError('no worker') }
  for (const [wrongly, isExpected] of [[throws, (error: unknown) => error instanceof RangeError], [() => 99, code('ERR_PERCORE_INVALID_OPTION')]] as const) {
    wrong = wrongly
    await assert.rejects(group.run('echo', 1), isExpected)
    wrong = undefined
    const calls = Array.from({ length: 100 }, (_, n) => group.run('echo', n))
    wrong = wrongly
    const settled = await Promise.allSettled(calls)
    assert.deepEqual(settled.slice(0, 8).map(({ status }) => status), Array.from({ length: 8 }, () => 'fulfilled'))
    assert.ok(settled.slice(8).every((end) => end.status === 'rejected' && isExpected(end.reason)))
    wrong = undefined
    assert.equal(await group.run('echo', 'still here'), 'still here')
  }
})

test('bad options of a call are refused by name and value', async () => {
  await using group = await startGroup({ workers: 2 })
  const refused = code('ERR_PERCORE_INVALID_OPTION')
  const bad: [object | null | string, string][] = [
    [{ worker: 2 }, '2'], [{ worker: -1 }, '-1'], [{ worker: 0.5 }, '0.5'], [{ worker: '1' }, 'worker'], [{ key: {} }, 'object'], [{ key: Number.NaN }, 'not NaN'], [{ key: null }, 'key'],
    [{ key: 1n }, '1'], [{ key: 'a', worker: 1 }, 'both'], [{ wroker: 1 }, "'wroker'"], [null, 'null'], ['fast', 'fast'],
  ]
  for (const [options, named] of bad) {
    await assert.rejects(group.run('double', 1, options as never), (error: Error) => refused(error) && error.message.includes(named), JSON.stringify(String(options)))
    assert.throws(() => group.push('double', 1, options as never), refused)
  }
  for (const worker of [2, -1, 1.5]) assert.throws(() => group.to(worker), refused)
  await assert.rejects(ExecGroup.start(new URL('./handlers.js', import.meta.url), { balance: 'fast' as never }), refused)
})
