import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { balance, type DroppedTask, ExecGroup, PercoreError } from '../../src/index.js'
import { moduleWith, program, startGroup } from './start.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected
const full = code('ERR_PERCORE_QUEUE_FULL')
const dropped = code('ERR_PERCORE_DROPPED')
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Which of these calls came back, which were dropped. */
async function outcomes(calls: readonly Promise<unknown>[]): Promise<string> {
  const settled = await Promise.allSettled(calls)
  return settled.map((outcome) => (outcome.status === 'fulfilled' ? '+' : dropped(outcome.reason) ? 'd' : full(outcome.reason) ? 'f' : '?')).join('')
}

test('with the policy wait, as many calls wait as maxQueue says; more reject', async () => {
  await using group = await startGroup({ workers: 1, depth: 2, maxQueue: 3 })
  assert.equal(await outcomes(Array.from({ length: 7 }, (_, i) => group.run('double', i))), '+++++ff')
})

test('with the policy reject, no call waits', async () => {
  await using group = await startGroup({ workers: 1, depth: 2, whenFull: 'reject' })
  assert.equal(await outcomes(Array.from({ length: 5 }, (_, i) => group.run('double', i))), '++fff')
  assert.equal(group.stats().dropped, 0)
})

test('drop-newest drops calls that come while as many wait as may; counted, and told as events', async () => {
  await using group = await startGroup({ workers: 1, depth: 2, maxQueue: 2, whenFull: 'drop-newest' })
  const told: DroppedTask[] = []
  group.on('drop', (task) => told.push(task))
  assert.equal(await outcomes(Array.from({ length: 6 }, (_, i) => group.run('echo', i))), '++++dd')
  assert.deepEqual(told, [{ handler: 'echo', value: 4 }, { handler: 'echo', value: 5 }])
  while (group.push('spin', 1));
  assert.equal(group.stats().dropped, 3, 'a refused push is a dropped task')
})

test('drop-oldest drops the call that has waited longest, of all lines', async () => {
  await using group = await startGroup({ workers: 1, depth: 2, maxQueue: 2, whenFull: 'drop-oldest' })
  const options = [undefined, undefined, { worker: 0 }, undefined, { key: 'k' }, undefined, undefined]
  assert.equal(await outcomes(options.map((option, i) => group.run('echo', i, option))), '++ddd++')
  assert.equal(group.stats().dropped, 3)
})

test('with drop-oldest a push is always taken, and what it drops is no failure', async () => {
  await using group = await startGroup({ workers: 1, depth: 2, maxQueue: 3, whenFull: 'drop-oldest' })
  const failures: unknown[] = []
  const told: unknown[] = []
  group.on('failure', (failure) => failures.push(failure))
  group.on('drop', ({ value }) => told.push(value))
  for (let i = 0; i < 10; i++) assert.ok(group.push('echo', i))
  await group.run('nothing')
  assert.deepEqual(told, [2, 3, 4, 5, 6, 7])
  assert.deepEqual(failures, [])
})

test('with drop-oldest and no queue, the new call is dropped', async () => {
  await using group = await startGroup({ workers: 1, depth: 1, maxQueue: 0, whenFull: 'drop-oldest' })
  assert.equal(await outcomes([1, 2, 3].map((i) => group.run('echo', i))), '+dd')
  const block = [group.push('spin', 5), group.push('echo', 1)]
  assert.deepEqual(block, [true, false])
})

test('high comes once when the load reaches its mark, low once when it has fallen', async () => {
  await using group = await startGroup({ workers: 1, depth: 8, highWater: 20, lowWater: 4 })
  const told: [string, number][] = []
  group.on('high', (load) => told.push(['high', load]))
  group.on('low', (load) => told.push(['low', load]))
  await Promise.all(Array.from({ length: 19 }, (_, i) => group.run('double', i)))
  await turn()
  assert.equal(told.length, 0)
  for (let round = 0; round < 2; round++) {
    await Promise.all(Array.from({ length: 30 }, (_, i) => group.run('double', i)))
    await turn()
  }
  assert.deepEqual(told.map(([name]) => name), ['high', 'low', 'high', 'low'])
  assert.ok(told.every(([name, load]) => (name === 'high' ? load >= 20 : load <= 4)), JSON.stringify(told))
})

test('what a listener throws reaches the process, and the group goes on', async () => {
  assert.equal(await program(`
    process.on('uncaughtException', (error) => console.log(error.message))
    const group = await ExecGroup.start(url, { workers: 1, depth: 2, highWater: 2 })
    group.on('high', () => { throw new Error('from a listener') })
    console.log((await Promise.all(Array.from({ length: 20 }, (_, i) => group.run('double', i)))).length)
    await group.close()
  `), 'from a listener\n20\n')
})

test('ready waits for room, and wakes as many as there is room for, in their order', async () => {
  await using group = await startGroup({ workers: 1, depth: 4 })
  await group.ready()
  const pushed: number[] = []
  let refused = 0
  await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    while (!group.push('spin', 0)) {
      refused++
      await group.ready()
    }
    pushed.push(i)
  }))
  assert.deepEqual(pushed, Array.from({ length: 100 }, (_, i) => i))
  assert.ok(refused < 400, `${refused} refusals`)
})

test('everybody who awaits room is woken in the end, although those before make no use of it', async () => {
  await using group = await startGroup({ workers: 1, depth: 2 })
  while (group.push('spin', 1));
  await Promise.all(Array.from({ length: 50 }, () => group.ready()))
})

test('ready of a worker or a key waits for that one, also when others have room', async () => {
  await using group = await startGroup({ workers: 2, depth: 1, balance: balance.key() })
  const slow = group.run('spin', 60, { worker: 0 })
  await group.ready()
  await group.ready({ worker: 1 })
  const order: string[] = []
  const ready = group.to(0).ready().then(() => order.push('ready'))
  assert.equal(group.to(0).push('nothing'), false)
  await Promise.all([slow.then(() => order.push('slow')), ready, turn().then(() => order.push('turn'))])
  assert.equal(order[0], 'turn')
  const keys = Array.from({ length: 20 }, (_, key) => key)
  for (const key of keys) while (!group.push('nothing', undefined, { key })) await group.ready({ key })
})

test('a push refused for its key does not make ready spin while another worker has room', async () => {
  await using group = await startGroup({ workers: 2, depth: 1, balance: balance.key((ms: number) => ms) })
  assert.ok(group.push('spin', 30))
  let refused = 0
  while (!group.push('spin', 30)) {
    refused++
    await group.ready()
  }
  assert.ok(refused < 20, `${refused} refusals`)
})

test('ready rejects when the group is closed or nobody is left, before and while it waits', async () => {
  const group = await startGroup({ workers: 1, depth: 1 })
  assert.ok(group.push('spin', 30))
  const waiting = assert.rejects(group.ready(), code('ERR_PERCORE_CLOSED'))
  const closing = group.close()
  await waiting
  await assert.rejects(group.ready(), code('ERR_PERCORE_CLOSED'))
  await closing

  const file = await moduleWith(`
    import { existsSync, writeFileSync } from 'node:fs'
    const flag = import.meta.filename + '.gone'
    if (existsSync(flag)) throw new Error('no second start')
    export const exit = () => { writeFileSync(flag, ''); process.exit(1) }
  `)
  await using mortal = await ExecGroup.start(file, { workers: 1, depth: 1 })
  mortal.on('failure', () => {})
  assert.ok(mortal.push('exit'))
  await once(mortal, 'died')
  assert.ok(mortal.push('exit'), 'for the successor, which does not come')
  const anyRoom = assert.rejects(mortal.ready(), code('ERR_PERCORE_HANDLERS_LOAD'))
  await assert.rejects(mortal.ready({ worker: 0 }), code('ERR_PERCORE_HANDLERS_LOAD'))
  await anyRoom
  await assert.rejects(mortal.ready(), code('ERR_PERCORE_HANDLERS_LOAD'))
  await assert.rejects(group.ready({ worker: 1 }), (error: unknown) => code('ERR_PERCORE_CLOSED')(error) || code('ERR_PERCORE_INVALID_OPTION')(error))
})

test('map takes an asynchronous source only as fast as it is worked off and read', async () => {
  await using group = await startGroup({ workers: 1 })
  let taken = 0
  async function* source(): AsyncGenerator<number> {
    for (;;) yield taken++
  }
  let seen = 0
  for await (const _ of group.map('double', source(), { concurrency: 10 })) {
    seen++
    await turn()
    assert.ok(taken <= seen + 10, `${taken} taken after ${seen} results`)
    if (seen === 50) break
  }
  const after = taken
  await turn()
  assert.equal(taken, after)
})

test('map yields what is done while its source makes it wait', async () => {
  await using group = await startGroup({ workers: 1 })
  let release: (() => void) | undefined
  async function* source(): AsyncGenerator<number> {
    yield 1
    yield 2
    await new Promise<void>((resolve) => {
      release = resolve
    })
    yield 3
  }
  const seen: number[] = []
  for await (const n of group.map('double', source())) {
    seen.push(n)
    if (seen.length === 2) release?.()
  }
  assert.deepEqual(seen, [2, 4, 6])
})

test('map waits for the promises in its source, and gives the results before it throws what the source threw', async () => {
  await using group = await startGroup({ workers: 1 })
  const seen: number[] = []
  function* source(): Generator<number | Promise<number>> {
    yield 1
    yield Promise.resolve(2)
    throw new RangeError('no more rows')
  }
  await assert.rejects(async () => {
    for await (const n of group.map('double', source() as Iterable<number>)) seen.push(n)
  }, { message: 'no more rows' })
  assert.deepEqual(seen, [2, 4])
})

test('map is not limited by maxQueue, nor are its items dropped', async () => {
  for (const whenFull of ['wait', 'reject', 'drop-newest', 'drop-oldest'] as const) {
    await using group = await startGroup({ workers: 1, depth: 2, whenFull, ...(whenFull === 'reject' ? {} : { maxQueue: 1 }) })
    let total = 0
    for await (const n of group.map('double', Array.from({ length: 100 }, (_, i) => i))) total += n
    assert.equal(total, 9900)
  }
})

test('bad marks and policies are refused by name', async () => {
  for (const options of [{ highWater: 0 }, { highWater: 4, lowWater: 4 }, { lowWater: -1 }, { whenFull: 'panic' }, { highWater: 1.5 }]) {
    const name = Object.keys(options).at(-1) ?? ''
    await assert.rejects(startGroup(options as never), (error: Error) => code('ERR_PERCORE_INVALID_OPTION')(error) && error.message.includes(name))
  }
})
