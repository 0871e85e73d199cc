import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExecGroup, PercoreError } from '../../src/index.js'
import { handlersUrl, startGroup } from './start.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected

test('run gives the result of the handler, for every kind of value', async () => {
  await using group = await startGroup()
  assert.equal(await group.run('double', 21), 42)
  assert.equal(await group.run('nothing'), undefined)
  const cycle: { self?: unknown } = {}
  cycle.self = cycle
  const values = [
    null, undefined, true, 0, -0, 1.5, Number.NaN, 2 ** 40, 10n ** 30n, '', 'grüß 世界 \ud800', 'x'.repeat(100_000), new Uint8Array([1, 2, 3]),
    new Uint8Array(200_000).fill(7), { id: 1, name: 'a', tags: ['x', 'y', 'z'], score: 0.5 }, [1, [2, [3]]], new Map([[1, new Set([2])]]),
    new Date(5), /x/gi, new Float64Array([1, 2]), [1, , 3], cycle, // eslint-disable-line no-sparse-arrays
  ]
  for (const value of values) assert.deepEqual(await group.run('echo', value), structuredClone(value))
})

test('what a handler throws comes back with class, message, code, cause and the stack of the worker', async () => {
  await using group = await startGroup()
  await assert.rejects(group.run('fail', 'bad row'), (error: TypeError & { code?: string }) => {
    assert.ok(error instanceof TypeError)
    assert.equal(error.message, 'bad row')
    assert.equal(error.code, 'E_ROW')
    assert.ok(error.cause instanceof RangeError)
    assert.match(error.stack ?? '', /handlers\.js/)
    return true
  })
  await assert.rejects(group.run('reject', 'later'), { message: 'later' })
  await assert.rejects(group.run('throwValue', 'a string'), (thrown) => thrown === 'a string')
  assert.equal(await group.run('double', 1), 2, 'the worker goes on')
})

test('a value that cannot be cloned fails its own call, as argument and as result', async () => {
  await using group = await startGroup({ workers: 1 })
  const before = group.run('double', 1)
  await assert.rejects(group.run('echo', () => {}), code('ERR_PERCORE_NOT_CLONEABLE'))
  await assert.rejects(group.run('echo', { deep: [Symbol('s')] }), code('ERR_PERCORE_NOT_CLONEABLE'))
  await assert.rejects(group.run('uncloneable'), code('ERR_PERCORE_NOT_CLONEABLE'))
  assert.throws(() => group.push('echo', () => {}), code('ERR_PERCORE_NOT_CLONEABLE'))
  assert.deepEqual([await before, await group.run('double', 2)], [2, 4])
})

test('a getter that calls the group while its object is being encoded is served afterwards', async () => {
  await using group = await startGroup({ workers: 1 })
  let inner: Promise<unknown> | undefined
  const outer = group.run('echo', {
    get trap() {
      inner = group.run('double', 4)
      assert.equal(group.push('double', 5), false)
      return 'sprung'
    },
  })
  assert.deepEqual(await outer, { trap: 'sprung' })
  assert.equal(await inner, 8)
})

test('a getter that calls the group is served although its own object cannot be cloned, and close waits for neither', async () => {
  await using group = await startGroup({ workers: 1 })
  let inner: Promise<unknown> | undefined
  const outer = group.run('echo', {
    get trap() {
      inner = group.run('double', 4)
      return () => {}
    },
  })
  await assert.rejects(outer, code('ERR_PERCORE_NOT_CLONEABLE'))
  assert.equal(await inner, 8)

  let innerFailed: Promise<unknown> | undefined
  const again = group.run('echo', {
    get trap() {
      innerFailed = assert.rejects(group.run('echo', () => {}), code('ERR_PERCORE_NOT_CLONEABLE'))
      return () => {}
    },
  })
  await Promise.all([assert.rejects(again, code('ERR_PERCORE_NOT_CLONEABLE')), group.close()])
  await innerFailed
})

test('a block moves to the handler and back without being copied, and is gone where it came from', async () => {
  await using group = await startGroup()
  const block = group.alloc(100_000)
  block.bytes.fill(1)
  block.bytes[0] = 9
  const back = await group.run('reverse', block)
  assert.throws(() => block.bytes, code('ERR_PERCORE_BAD_POINTER'))
  assert.equal(back.bytes[99_999], 9)
  back.free()
  assert.throws(() => back.free(), code('ERR_PERCORE_BAD_POINTER'))
})

test('100 MB travel there and back', async () => {
  await using group = await startGroup({ workers: 1, memoryBytes: 2 ** 30 })
  const bytes = new Uint8Array(100 * 2 ** 20)
  bytes[bytes.length - 1] = 3
  const back = await group.run('echo', bytes) as Uint8Array
  assert.equal(back.length, bytes.length)
  assert.equal(back[bytes.length - 1], 3)
})

test('a payload that finds no room fails its call and leaves the group usable', async () => {
  await using group = await startGroup({ workers: 1, memoryBytes: 64 * 2 ** 20 })
  await assert.rejects(group.run('echo', new Uint8Array(80 * 2 ** 20)), code('ERR_PERCORE_OUT_OF_MEMORY'))
  assert.throws(() => group.alloc(80 * 2 ** 20), (error: Error) => code('ERR_PERCORE_OUT_OF_MEMORY')(error) && /memoryBytes/.test(error.message))
  assert.equal(await group.run('sum', new Uint8Array(1000).fill(1)), 1000)
})

test('an unknown handler names those there are', async () => {
  await using group = await startGroup({ workers: 1 })
  const unknown = 'dubble' as 'double'
  await assert.rejects(group.run(unknown, 1), (error: Error) => code('ERR_PERCORE_NO_SUCH_HANDLER')(error) && /'dubble'.*double, echo/.test(error.message))
  await assert.rejects(group.run(Symbol('dubble') as never, 1 as never), (error: Error) => code('ERR_PERCORE_NO_SUCH_HANDLER')(error) && /Symbol\(dubble\)/.test(error.message))
  assert.throws(() => group.push(unknown, 1), code('ERR_PERCORE_NO_SUCH_HANDLER'))
  assert.throws(() => group.map(unknown, [1]), code('ERR_PERCORE_NO_SUCH_HANDLER'))
})

test('the context tells the worker and its data', async () => {
  await using group = await startGroup({ workerData: { limit: 3 } })
  const seen = await Promise.all([1, 2].map(() => group.run('where')))
  assert.deepEqual(seen, [{ worker: 1, data: { limit: 3 } }, { worker: 0, data: { limit: 3 } }].toSorted((a, b) => seen[0].worker === 1 ? b.worker - a.worker : a.worker - b.worker))
})

test('tasks go round the workers in turn', async () => {
  await using group = await startGroup({ workers: 3 })
  await Promise.all(Array.from({ length: 300 }, (_, i) => group.run('double', i)))
  assert.deepEqual(group.stats().workers.map((worker) => worker.tasks), [100, 100, 100])
})

test('push takes tasks until every worker is full, and says so', async () => {
  await using group = await startGroup({ workers: 2, depth: 8 })
  const failures: unknown[] = []
  group.on('failure', (failure) => failures.push(failure))
  let taken = 0
  while (group.push('spin', 1)) taken++
  assert.equal(taken, 16)
  await group.run('nothing')
  while (!group.push('fail', 'pushed'));
  await group.run('nothing')
  await group.close()
  assert.equal(failures.length, 1)
  assert.match(String((failures[0] as { error: unknown }).error), /pushed/)
})

test('run waits for room when all are full, in the order of the calls, up to maxQueue', async () => {
  await using group = await startGroup({ workers: 1, depth: 2, maxQueue: 10 })
  const order: number[] = []
  const calls = Array.from({ length: 12 }, (_, i) => group.run('echo', i).then(() => order.push(i)))
  assert.equal(group.stats().queued, 10)
  await assert.rejects(group.run('echo', 99), code('ERR_PERCORE_QUEUE_FULL'))
  await Promise.all(calls)
  assert.deepEqual(order, Array.from({ length: 12 }, (_, i) => i))
})

test('a hundred thousand calls at once all come back', async () => {
  await using group = await startGroup()
  const results = await Promise.all(Array.from({ length: 100_000 }, (_, i) => group.run('double', i)))
  assert.ok(results.every((result, i) => result === 2 * i))
})

test('map yields in order or as results come, from iterables of both kinds, and stops at a failure', async () => {
  await using group = await startGroup()
  const ordered: number[] = []
  for await (const n of group.map('double', Array.from({ length: 5000 }, (_, i) => i))) ordered.push(n)
  assert.deepEqual(ordered, Array.from({ length: 5000 }, (_, i) => 2 * i))

  async function* source(): AsyncGenerator<{ ms: number; value: number }> {
    yield { ms: 60, value: 1 }
    yield { ms: 1, value: 2 }
  }
  const unordered: unknown[] = []
  for await (const value of group.map('later', source(), { ordered: false })) unordered.push(value)
  assert.deepEqual(unordered, [2, 1])

  await assert.rejects(async () => {
    for await (const _ of group.map('fail', ['a', 'b']));
  }, { message: 'a' })
  assert.throws(() => group.map('double', [1], { concurrency: 0 }), code('ERR_PERCORE_INVALID_OPTION'))
})

test('map takes no more from its source than its window, and ends the source when the loop is left', async () => {
  await using group = await startGroup()
  let taken = 0
  let ended = false
  function* source(): Generator<number> {
    try {
      for (;;) yield taken++
    } finally {
      ended = true
    }
  }
  let seen = 0
  for await (const _ of group.map('double', source(), { concurrency: 10 })) {
    seen++
    assert.ok(taken <= seen + 10, `${taken} taken after ${seen} results`)
    if (seen === 100) break
  }
  assert.ok(ended)
})

test('bad options are refused by name, value and range', async () => {
  const url = new URL('./handlers.js', import.meta.url)
  for (const options of [{ workers: 0 }, { workers: 257 }, { workers: 1.5 }, { depth: 0 }, { depth: 65_537 }, { maxQueue: -1 }, { memoryBytes: 1000 }, { memoryBytes: 8 * 2 ** 30 }, { memoryBytes: 2 ** 24, depth: 65_536 }]) {
    const [name, value] = Object.entries(options)[0]
    await assert.rejects(
      ExecGroup.start(url, options),
      (error: Error) => code('ERR_PERCORE_INVALID_OPTION')(error) && error.message.includes(name) && error.message.includes(String(value)),
    )
  }
  await assert.rejects(ExecGroup.start(''), code('ERR_PERCORE_INVALID_OPTION'))
})

const refused = (pattern: RegExp, wanted = 'ERR_PERCORE_INVALID_OPTION') => (error: Error): boolean => {
  assert.ok(code(wanted)(error), String(error))
  assert.match(error.message, pattern)
  return true
}

test('options of a group that there are not, or of the wrong kind, are refused with those there are', async () => {
  const cases: [unknown, RegExp][] = [
    [{ worker: 2 }, /a group has no option 'worker'\. There are: workers, .*onThread/], [null, /must be an object, not null/], ['fast', /not fast/],
    [{ idle: 'never' }, /idle must be one of auto, loop, spin, block, not never/], [{ recycle: 3 }, /recycle must be an object, not 3/], [{ recycle: { often: 1 } }, /'often'/],
  ]
  for (const [options, pattern] of cases) await assert.rejects(ExecGroup.start(handlersUrl, options as never), refused(pattern))
  await assert.rejects(ExecGroup.start(handlersUrl, { workerData: () => 1 }), refused(/workerData cannot be copied/, 'ERR_PERCORE_NOT_CLONEABLE'))
})

test('options of calls that there are not, or of the wrong kind, are refused', async () => {
  await using group = await startGroup({ workers: 1 })
  assert.throws(() => group.map('double', [1], { width: 3 } as never), refused(/map has no option 'width'\. There are: ordered, concurrency/))
  assert.throws(() => group.map('double', [1], null as never), refused(/must be an object, not null/))
  assert.throws(() => group.map('double', [1], { ordered: 1 as never }), refused(/ordered must be true or false, not 1/))
  assert.throws(() => group.map('double', 5 as never), refused(/can be iterated, not number/))
  assert.throws(() => group.stream('double', 1, null as never), refused(/must be an object, not null/))
  assert.throws(() => group.runSync('double', 1, null as never), refused(/must be an object, not null/))
  await assert.rejects(group.run('double', 1, { retry: { times: 1, pauseMs: 5 } as never }), refused(/retry has no option 'pauseMs'\. There are: times, delayMs, when/))
})
