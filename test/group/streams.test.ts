import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { ExecGroup, type ExecGroupOptions, PercoreError, SharedBlock } from '../../src/index.js'
import type handlers from './streams.handlers.js'
import { seen } from './streams.handlers.js'

const code = (expected: string) => (error: unknown): boolean => error instanceof PercoreError && error.code === expected
const upTo = (limit: number): number[] => Array.from({ length: limit }, (_, i) => i + 1)

let words: Int32Array
function start(options: ExecGroupOptions = {}): Promise<ExecGroup<typeof handlers>> {
  words = new Int32Array(new SharedArrayBuffer(8))
  return ExecGroup.start<typeof handlers>(new URL('./streams.handlers.js', import.meta.url), {
    workers: 1, memoryBytes: 256 * 2 ** 20, workerData: words, ...options,
  })
}

async function read(stream: AsyncGenerator<unknown, unknown>): Promise<{ items: unknown[]; returned: unknown }> {
  const items: unknown[] = []
  for (;;) {
    const { done, value } = await stream.next()
    if (done) return { items, returned: value }
    items.push(value)
  }
}

async function untilEnded(count: number): Promise<void> {
  while (Atomics.load(words, seen.ended) < count) await new Promise((resolve) => setTimeout(resolve, 1))
}

test('a generator of either kind is read in order, to what it returns, with any credits', async () => {
  await using group = await start()
  for (const name of ['upTo', 'later'] as const) {
    for (const credits of [1, 3, 256, 65_536]) {
      assert.deepEqual(await read(group.stream(name, 500, { credits })), { items: upTo(500), returned: 'all' }, `${name} ${credits}`)
    }
    assert.deepEqual(await read(group.stream(name, 0)), { items: [], returned: 'all' })
  }
  assert.deepEqual(group.audit().problems, [])
})

test('promises that a synchronous generator yields are awaited, and given back to it', async () => {
  await using group = await start()
  for (const credits of [1, 4, 256]) assert.deepEqual(await read(group.stream('awaiting', 6, { credits })), { items: upTo(6), returned: 21 })
  assert.equal(await group.run('awaiting', 6), 21)
})

test('generator handlers wait on the executor of their worker, and handlers give it tasks of their own', async () => {
  await using group = await start()
  const naps = await Promise.all(Array.from({ length: 50 }, (_, n) => group.run('naps', n % 5)))
  assert.deepEqual(naps, Array.from({ length: 50 }, (_, n) => n % 5))
  await new Promise((resolve) => setTimeout(resolve, 20)) // the worker has gone to sleep
  assert.equal(await group.run('spawned', 41), 42)
  assert.equal(await group.run('naps', 3), 3)
})

test('whatever can be iterated is a stream; anything else is refused', async () => {
  await using group = await start()
  assert.deepEqual((await read(group.stream('list'))).items, [1, 2, 3])
  assert.deepEqual((await read(group.stream('map'))).items, [['a', 1]])
  assert.deepEqual((await read(group.stream('readable'))).items, [1, 2, 3])
  await assert.rejects(read(group.stream('notIterable')), code('ERR_PERCORE_NOT_ITERABLE'))
})

test('the generator is never further ahead of its reader than the credits', async () => {
  await using group = await start()
  for (const name of ['upTo', 'later'] as const) {
    for (const credits of [1, 2, 5, 64]) {
      Atomics.store(words, seen.made, 0)
      let done = 0
      for await (const _ of group.stream(name, 300, { credits })) {
        if (done % 17 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
        const ahead = Atomics.load(words, seen.made) - done
        assert.ok(ahead <= credits, `${ahead} items ahead with ${credits} credits`)
        done++
      }
    }
  }
})

test('a stream that nobody reads starts nothing', async () => {
  await using group = await start()
  const stream = group.stream('upTo', 10)
  await group.run('double', 1)
  assert.equal(Atomics.load(words, seen.made), 0)
  await stream.return('early')
  assert.equal(Atomics.load(words, seen.ended), 0)
})

test('whoever stops reading ends the generator, whose finally runs', async () => {
  await using group = await start()
  for (const name of ['upTo', 'later'] as const) {
    Atomics.store(words, seen.ended, 0)
    for await (const n of group.stream(name, 1e9, { credits: 16 })) if (n === 40) break
    assert.equal(Atomics.load(words, seen.ended), 1, name)
    await assert.rejects(async () => {
      for await (const n of group.stream(name, 1e9)) if (n === 3) throw new Error('mine')
    }, { message: 'mine' })
    assert.equal(Atomics.load(words, seen.ended), 2, name)
  }
  assert.equal(group.stats().inFlight, 0)
})

test('what the generator throws comes behind the items before it', async () => {
  await using group = await start()
  for (const name of ['failing', 'failingLater'] as const) {
    for (const credits of [1, 7, 256]) {
      const items: unknown[] = []
      await assert.rejects(async () => {
        for await (const n of group.stream(name, 10, { credits })) items.push(n)
      }, (error) => error instanceof RangeError && error.message === 'no more')
      assert.deepEqual(items, upTo(10))
    }
  }
  assert.equal(await group.run('double', 2), 4)
})

test('an item that cannot be cloned fails the stream behind the items before it, and ends the generator', async () => {
  await using group = await start()
  for (const [i, credits] of [1, 4, 256].entries()) {
    const items: unknown[] = []
    await assert.rejects(async () => {
      for await (const n of group.stream('uncloneable', 10, { credits })) items.push(n)
    }, code('ERR_PERCORE_NOT_CLONEABLE'))
    assert.deepEqual(items, upTo(10))
    await untilEnded(i + 1)
  }
  const items: unknown[] = []
  await assert.rejects(async () => {
    for await (const n of group.stream('uncloneableEnd')) items.push(n)
  }, code('ERR_PERCORE_NOT_CLONEABLE'))
  assert.deepEqual(items, [1])
})

test('blocks move and bytes are copied as items, in order with the others', async () => {
  await using group = await start()
  let n = 0
  for await (const item of group.stream('mixed', 100)) {
    if (item instanceof SharedBlock) {
      assert.deepEqual([n % 3, item.bytes[999]], [0, n])
      item.free()
    } else if (typeof item === 'object') assert.deepEqual([n % 3, item.length, item[99]], [1, 100, n])
    else assert.equal(item, n)
    n++
  }
  assert.equal(n, 100)
  const { blocks, problems } = group.audit()
  assert.deepEqual([blocks.out, problems], [0, []])
})

test('a worker that dies fails its streams behind what had arrived; the group goes on', async () => {
  await using group = await start()
  const others = group.stream('upTo', 1e9, { credits: 4 })
  assert.equal((await others.next()).value, 1)
  const items: unknown[] = []
  await assert.rejects(async () => {
    for await (const n of group.stream('dying', 1000, { credits: 10 })) items.push(n)
  }, code('ERR_PERCORE_WORKER_DIED'))
  assert.deepEqual(items, upTo(items.length))
  await assert.rejects(read(others), code('ERR_PERCORE_WORKER_DIED'))
  assert.deepEqual((await read(group.stream('upTo', 5))).items, upTo(5))
})

test('a group that closes fails the streams that are still read, and ends their generators', async () => {
  const group = await start()
  const stream = group.stream('later', 1e9, { credits: 4 })
  await stream.next()
  const closing = group.close()
  await assert.rejects(read(stream), code('ERR_PERCORE_CLOSED'))
  await closing
  assert.equal(Atomics.load(words, seen.ended), 1)
  assert.throws(() => group.stream('upTo', 1), code('ERR_PERCORE_CLOSED'))
})

test('bad names, credits and options of streams are refused', async () => {
  await using group = await start()
  assert.throws(() => group.stream('upToo' as 'upTo', 1), code('ERR_PERCORE_NO_SUCH_HANDLER'))
  for (const credits of [0, 1.5, 65_537]) assert.throws(() => group.stream('upTo', 1, { credits }), code('ERR_PERCORE_INVALID_OPTION'))
  assert.throws(() => group.stream('upTo', 1, { worker: 7 }), code('ERR_PERCORE_INVALID_OPTION'))
  assert.throws(() => group.stream('upTo', 1, { credit: 7 } as object), code('ERR_PERCORE_INVALID_OPTION'))
})

test('run drives a generator to its end and gives what it returns', async () => {
  await using group = await start()
  assert.deepEqual(await Promise.all([group.run('upTo', 1000), group.run('later', 100)]), ['all', 'all'])
  await assert.rejects(group.run('failing', 3), RangeError)
  assert.equal(await group.runFunction(function* (n: number) { yield 1; return n }, 5) as unknown, 5)
})

test('generators that never end, streams and sleeping tasks starve nobody on their worker', async () => {
  const group = await start()
  const ignored = [...Array.from({ length: 20 }, () => group.run('endless')), ...Array.from({ length: 64 }, () => group.run('sleeping', 1e6))]
  for (const call of ignored) call.catch(() => undefined)
  const streamed = read(group.stream('upTo', 5_000))
  const doubled: number[] = []
  for (let n = 0; n < 200; n++) doubled.push(await group.run('double', n))
  assert.deepEqual(doubled, Array.from({ length: 200 }, (_, n) => 2 * n))
  assert.equal((await streamed).items.length, 5_000)
  await group.terminate()
})

test('streams of every kind, read and left at random, while workers die, tell no lies', async () => {
  const seed = Number(process.env['PERCORE_SEED'] ?? Date.now() % 1_000_000)
  console.log(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  await using group = await start({ workers: 2, depth: 8 })
  let deaths = 0

  async function one(): Promise<void> {
    const name = (['upTo', 'later', 'failing'] as const)[prng.below(3)]
    const limit = prng.below(400)
    const leaveAt = prng.below(3) === 0 ? prng.below(400) : Infinity
    let count = 0
    try {
      for await (const n of group.stream(name, limit, { credits: 1 + prng.below(40) })) {
        assert.equal(n, ++count)
        if (count === leaveAt) return
      }
      assert.equal(count, limit)
      assert.notEqual(name, 'failing')
    } catch (error) {
      if (code('ERR_PERCORE_WORKER_DIED')(error)) return
      assert.ok(name === 'failing' && error instanceof RangeError && count === limit, String(error))
    }
  }

  async function reader(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      if (prng.below(100) < 3) {
        deaths++
        await assert.rejects(read(group.stream('dying', prng.below(50))), code('ERR_PERCORE_WORKER_DIED'))
      } else await one()
    }
  }

  await Promise.all(Array.from({ length: 12 }, reader))
  while (group.stats().inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 1)) // the second pulls of streams that have ended
  const audit = group.audit()
  assert.deepEqual(audit.problems, [])
  assert.ok(audit.blocks.out <= 2 * deaths, `${audit.blocks.out} blocks leaked by ${deaths} deaths`)
})

test('what runs on without end on the executor of a worker delays neither tasks nor timers nor its end, and is seen as work', async () => {
  const counts = new Int32Array(new SharedArrayBuffer(8))
  const group = await start()
  await group.run('leaveRunning', counts)
  for (let i = 0; i < 20; i++) assert.equal(await group.run('twice', i), 2 * i)
  const [steps, naps] = counts
  await new Promise((resolve) => { setTimeout(resolve, 100) })
  assert.ok(counts[0] > steps && counts[1] > naps, `${counts} after ${steps},${naps}: both went on while there was no task`)
  assert.ok(group.stats().workers[0].utilisation > 0.1)
  await group.close()
})
