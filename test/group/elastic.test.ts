import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { Breaker } from '../../src/group/breaker.js'
import { ExecGroup, type ExecGroupOptions, PercoreError } from '../../src/index.js'
import { moduleWith, program, startGroup } from './start.js'

const code = (expected: string) => (error: unknown): boolean => error instanceof PercoreError && error.code === expected
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(2)
}

test('a group is resized while tasks run: none is lost, and every worker is used', async () => {
  await using group = await startGroup({ workers: 1, maxWorkers: 4 })
  const stop = new AbortController()
  let ran = 0
  const load = (async () => {
    while (!stop.signal.aborted) {
      const values = await Promise.all(Array.from({ length: 50 }, (_, i) => group.run('double', i)))
      assert.deepEqual(values, Array.from({ length: 50 }, (_, i) => 2 * i))
      ran += 50
      await sleep(0)
    }
  })()
  for (const workers of [3, 2, 4, 1, 1, 2]) {
    await group.resize(workers)
    assert.equal(group.workers, workers)
    assert.deepEqual((await group.broadcast('where')).map(({ worker }) => worker), Array.from({ length: workers }, (_, i) => i))
    assert.equal(group.stats().workers.length, workers)
  }
  stop.abort()
  await load
  assert.ok(ran > 0)
  await assert.rejects(group.run('double', 1, { worker: 2 }), code('ERR_PERCORE_INVALID_OPTION'))
})

test('a worker that is taken away finishes its tasks and streams, disposes, and its thread is gone', async () => {
  const said: string[] = []
  const module = await moduleWith(`
    export const hooks = { init: (ctx) => console.log('init', ctx.worker), dispose: (_, ctx) => console.log('dispose', ctx.worker) }
    export const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms, 'done'))
    export function* count() { for (let n = 0; ; n++) yield n }
  `)
  await using group = await ExecGroup.start(module, { workers: 2, stdout: (chunk) => said.push(Buffer.from(chunk).toString()) })
  const running = group.run('later', 50, { worker: 1 })
  const stream = group.stream('count', undefined, { worker: 1, credits: 4 }) as AsyncGenerator<number>
  assert.equal((await stream.next()).value, 0)
  let resized = false
  const resizing = group.resize(1).then(() => {
    resized = true
  })
  await sleep(0)
  assert.equal(group.workers, 1, 'it is given no more at once')
  assert.equal(await running, 'done')
  for (let n = 1; n < 20; n++) assert.equal((await stream.next()).value, n)
  await sleep(20)
  assert.equal(resized, false, 'its stream is still read')
  await stream.return(undefined)
  await resizing
  assert.equal(said.join('').split('\n').filter((line) => line === 'dispose 1').length, 1)
  await group.resize(2)
  assert.equal(said.join('').split('\n').filter((line) => line === 'init 1').length, 2)
})

test('calls that wait for a worker that goes are placed anew, or fail if they named it', async () => {
  await using group = await startGroup({ workers: 2, depth: 1 })
  const holding = group.run('later', { ms: 60, value: 1 }, { worker: 1 })
  const named = group.run('double', 1, { worker: 1 })
  const keyed = Array.from({ length: 20 }, (_, i) => group.run('double', i, { key: i }))
  const resizing = group.resize(1)
  await assert.rejects(named, code('ERR_PERCORE_INVALID_OPTION'))
  assert.deepEqual(await Promise.all(keyed), Array.from({ length: 20 }, (_, i) => 2 * i))
  assert.equal(await holding, 1)
  await resizing
})

test('a new worker that does not start fails the resize and changes nothing', async () => {
  const module = await moduleWith(`
    import { workerData, threadId } from 'node:worker_threads'
    if (workerData.worker > 0) throw new Error('only one of me')
    export const double = (n) => n * 2`)
  await using group = await ExecGroup.start(module, { workers: 1, maxWorkers: 3 })
  await assert.rejects(group.resize(3), (error: Error) => code('ERR_PERCORE_HANDLERS_LOAD')(error) && /only one of me/.test(error.message))
  assert.deepEqual([group.workers, await group.run('double', 2)], [1, 4])
})

test('resizes one after the other come to the last; bad ones, and those of a closed group, are refused', async () => {
  const group = await startGroup({ workers: 1, maxWorkers: 3 })
  await Promise.all([group.resize(3), group.resize(1), group.resize(2)])
  assert.equal(group.workers, 2)
  for (const workers of [0, 1.5, 257]) await assert.rejects(group.resize(workers), code('ERR_PERCORE_INVALID_OPTION'))
  await group.close()
  await assert.rejects(group.resize(1), code('ERR_PERCORE_CLOSED'))
})

test('a group closes and terminates in the middle of a resize', async () => {
  const closing = await startGroup({ workers: 1, maxWorkers: 3 })
  const grown = closing.resize(3).catch((error: unknown) => assert.ok(code('ERR_PERCORE_CLOSED')(error)))
  await closing.close()
  await grown
  const ending = await startGroup({ workers: 2 })
  const endless = assert.rejects(ending.run('spin', 1e9, { worker: 1 }), code('ERR_PERCORE_CLOSED'))
  const shrunk = ending.resize(1)
  await sleep(10)
  await ending.terminate()
  await Promise.all([endless, shrunk])
})

test('workers come when all are busy and tasks wait, and go when they have nothing to do', async () => {
  await using group = await startGroup({ workers: 1, minWorkers: 1, maxWorkers: 3, idleTimeoutMs: 150 })
  const sizes: number[] = []
  group.on('resized', (workers) => sizes.push(workers))
  const enough = new AbortController()
  const callers = Array.from({ length: 12 }, async () => {
    while (!enough.signal.aborted) await group.run('spin', 3)
  })
  await until(() => group.workers === 3)
  enough.abort()
  await Promise.all(callers)
  const keepAlive = setInterval(() => undefined, 10)
  await until(() => group.workers === 1)
  clearInterval(keepAlive)
  await until(() => sizes.length >= 4)
  assert.deepEqual([sizes.slice(0, 2), sizes.at(-1)], [[2, 3], 1])
  assert.equal(await group.run('double', 1), 2)
})

test('an elastic group that is idle lets the process end', async () => {
  assert.equal(await program(`
    const group = await ExecGroup.start(url, { minWorkers: 1, maxWorkers: 2, idleTimeoutMs: 100000 })
    console.log(group.workers, await group.run('double', 2))
  `), '1 4\n')
})

test('drain resolves when nothing is in flight and nobody waits; the group goes on', async () => {
  await using group = await startGroup({ workers: 1, depth: 2 })
  let done = 0
  for (let i = 0; i < 10; i++) void group.run('later', { ms: 1, value: i }).then(() => done++)
  await group.drain()
  await Promise.resolve()
  assert.equal(group.stats().inFlight + group.stats().queued, 0)
  assert.equal(done, 10)
  await group.drain()
  assert.equal(await group.run('double', 1), 2)
})

test('a worker is replaced after so many tasks, and no call notices', async () => {
  await using group = await startGroup({ workers: 2, recycle: { tasks: 200 } })
  const recycled: number[] = []
  group.on('recycled', (worker) => recycled.push(worker))
  const threads = new Set<number>()
  for (let round = 0; round < 6; round++) {
    threads.add(await group.run('thread'))
    assert.deepEqual(await Promise.all(Array.from({ length: 200 }, (_, i) => group.run('double', i, { key: i }))), Array.from({ length: 200 }, (_, i) => 2 * i))
  }
  await until(() => recycled.length >= 2)
  assert.ok(threads.size > 1)
  assert.equal(group.stats().workers.reduce((sum, worker) => sum + worker.restarts, 0), 0)
})

test('a worker is replaced when its heap has grown, before it runs out of memory', async () => {
  const module = await moduleWith(`
    const hoard = []
    export const leak = () => { for (let i = 0; i < 20_000; i++) hoard.push({ i }); return hoard.length }`)
  await using group = await ExecGroup.start(module, {
    workers: 1, recycle: { heapBytes: 30 * 2 ** 20 }, resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4 },
  })
  const recycled = new AbortController()
  group.on('recycled', () => recycled.abort())
  let most = 0
  while (!recycled.signal.aborted) most = Math.max(most, await group.run('leak') as number)
  assert.ok(await group.run('leak') as number < most)
})

test('bad options of size and age are refused by name', async () => {
  const refused: [ExecGroupOptions, RegExp][] = [
    [{ workers: 2, minWorkers: 3 }, /minWorkers .* from 1 to 2, not 3/],
    [{ workers: 2, maxWorkers: 1 }, /maxWorkers .* from 2 to 256, not 1/],
    [{ maxWorkers: 257 }, /maxWorkers .*257/],
    [{ minWorkers: 0 }, /[wW]orkers .*0/],
    [{ idleTimeoutMs: 0 }, /idleTimeoutMs .*0/],
    [{ recycle: { tasks: 0 } }, /recycle\.tasks .*0/],
    [{ recycle: { heapBytes: 1000 } }, /recycle\.heapBytes .*1000/],
    [{ recycle: { task: 1 } as object }, /recycle has no option 'task'/],
  ]
  for (const [options, expected] of refused) {
    await assert.rejects(startGroup(options.workers === undefined ? { workers: undefined as unknown as number, ...options } : options), (error: Error) => {
      assert.ok(code('ERR_PERCORE_INVALID_OPTION')(error), String(error))
      assert.match(error.message, expected)
      return true
    })
  }
})

test('barren lives open the circuit, fruitful ones close it', () => {
  const breaker = new Breaker()
  assert.deepEqual(breaker.ended(true), { pauseMs: 0, open: false })
  assert.deepEqual([1, 2, 3, 4, 5].map(() => breaker.ended(false)), [
    { pauseMs: 50, open: false }, { pauseMs: 100, open: false }, { pauseMs: 1000, open: true }, { pauseMs: 2000, open: true }, { pauseMs: 4000, open: true },
  ])
  for (let i = 0; i < 10; i++) breaker.ended(false)
  assert.deepEqual(breaker.ended(false), { pauseMs: 30_000, open: true })
  assert.deepEqual(breaker.ended(true), { pauseMs: 0, open: false })
  assert.deepEqual(breaker.ended(false), { pauseMs: 50, open: false })
})

test('a worker that dies without ever running a task is paused and given up, and comes back when it can', async () => {
  const module = await moduleWith(`
    import { existsSync } from 'node:fs'
    export const one = () => 1
    export const exit = () => process.exit(1)
    if (existsSync(import.meta.filename + '.broken')) setTimeout(() => process.exit(7), 1)`)
  const { writeFile, rm } = await import('node:fs/promises')
  await using group = await ExecGroup.start(module, { workers: 1 })
  let deaths = 0
  group.on('died', () => deaths++)
  await writeFile(`${module}.broken`, '')
  await assert.rejects(group.run('exit'), code('ERR_PERCORE_WORKER_DIED'))
  const keepAlive = setInterval(() => undefined, 10)
  await until(() => deaths === 4) // the first was the task's
  await rm(`${module}.broken`)
  await assert.rejects(group.run('one'), code('ERR_PERCORE_WORKER_DIED'), 'the circuit is open')
  await once(group, 'replaced')
  clearInterval(keepAlive)
  assert.equal(await group.run('one'), 1)
})

test('resizes, deaths, recycling, keys, streams and calls at random: every call has its one answer', async () => {
  const seed = Number(process.env['PERCORE_SEED'] ?? Date.now() % 1_000_000)
  console.log(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  const module = await moduleWith(`
    export const echo = (value) => value
    export const later = ({ ms, value }) => new Promise((resolve) => setTimeout(resolve, ms, value))
    export const exit = () => process.exit(1)
    export function* count(limit) { for (let n = 0; n < limit; n++) yield n }`)
  await using group = await ExecGroup.start(module, { workers: 2, maxWorkers: 4, depth: 8, recycle: { tasks: 150 }, memoryBytes: 256 * 2 ** 20 })
  let deaths = 0
  const stop = new AbortController()

  async function one(i: number): Promise<void> {
    const kind = prng.below(1000)
    const options = prng.below(2) === 0 ? {} : { key: prng.below(20) }
    try {
      if (kind < 8) {
        deaths++
        await assert.rejects(group.run('exit', undefined, options), code('ERR_PERCORE_WORKER_DIED'))
      } else if (kind < 100) assert.equal(await group.run('later', { ms: prng.below(5), value: i }, options), i)
      else if (kind < 150) {
        let n = 0
        for await (const item of group.stream('count', prng.below(100), { credits: 1 + prng.below(20) })) assert.equal(item, n++)
      } else {
        const value = { i, text: 'x'.repeat(prng.below(300)) }
        assert.deepEqual(await group.run('echo', value, options), value)
      }
    } catch (error) {
      assert.ok(code('ERR_PERCORE_WORKER_DIED')(error), String(error))
    }
  }

  async function caller(): Promise<void> {
    for (let i = 0; i < 60; i++) await one(i)
  }

  const resizing = (async () => {
    while (!stop.signal.aborted) {
      await group.resize(1 + prng.below(4))
      await sleep(prng.below(30))
    }
  })()
  await Promise.all(Array.from({ length: 10 }, caller))
  stop.abort()
  await resizing
  await group.drain()
  const { inFlight, queued } = group.stats()
  assert.deepEqual([inFlight, queued], [0, 0])
  const audit = group.audit()
  assert.deepEqual(audit.problems, [])
  assert.ok(audit.blocks.out <= 2 * deaths, `${audit.blocks.out} blocks leaked by ${deaths} deaths`)
})
