import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExecGroup, PercoreError, type SharedBlock } from '../../src/index.js'
import { moduleWith, startGroup } from './start.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected

test('runMany gives what run gives, in the order of the values, whatever they are and however many', async () => {
  await using group = await startGroup()
  const ints = Array.from({ length: 20_000 }, (_, i) => i - 10_000)
  assert.deepEqual(await group.runMany('double', ints), ints.map((n) => 2 * n))
  const mixed = [1, 2 ** 31, -(2 ** 31), -0, 0, 0.5, Number.NaN, Infinity, 'text', null, undefined, { id: 1 }, [1, [2]], new Map([[1, 2]]), 10n, new Uint8Array(100), true]
  for (const values of [[], [7], [-0], [0.5, 1], mixed, mixed.toReversed(), [...ints.slice(0, 500), 'x', ...ints.slice(0, 500)]]) {
    assert.deepEqual(await group.runMany('echo', values), values)
  }
  assert.deepEqual(await group.runMany('double', new Float64Array([0.5, 1.5])), [1, 3])
  assert.deepEqual(await group.runMany('echo', new Int32Array([1, -1])), [1, -1])
  assert.deepEqual([group.audit().problems, group.audit().blocks.out], [[], 0])
})

test('values have nothing to do with each other: what several of them share comes with each, as by run', async () => {
  await using group = await startGroup()
  const tags = ['a', 'b']
  const values = Array.from({ length: 100 }, (_, id) => ({ id, tags, nested: [{ tags }] }))
  values.splice(50, 10, ...Array.from({ length: 10 }, () => values[0]!))
  const cycle: { id: number, tags: string[], nested: { tags: string[] }[], self?: unknown } = { id: -1, tags, nested: [] }
  cycle.self = cycle
  for (const sent of [values, [...values, cycle], [...values, new Map([[1, tags]])], [,...values] as typeof values]) { // oxlint-disable-line no-sparse-arrays
    const came = await group.runMany('echo', sent as never[]) as typeof values
    assert.deepEqual(came, await Promise.all(Array.from(sent, (value) => group.run('echo', value as never))))
  }
  const trees = values.map(({ id }) => ({ id, tags }))
  const came = await group.runMany('echo', trees as never[]) as typeof trees
  assert.deepEqual(came, trees)
  assert.equal(new Set(came.map((value) => value.tags)).size, trees.length)
  assert.deepEqual([group.audit().problems, group.audit().blocks.out], [[], 0])
})

test('results that do not fit where the values were come all the same', async () => {
  await using group = await ExecGroup.start(await moduleWith(`
    export const odd = (n) => n % 100 === 99 ? { n } : n
    export const half = (n) => n / 2
    export const minusZero = (n) => n === 5 ? -0 : n
    export const wide = (n) => n * 2 ** 31
    export const wait = async (n) => n
    export const sometimes = (n) => n % 7 === 0 ? Promise.resolve(-n) : n
    export const text = (n) => String(n)
    export const nothing = () => {}
  `), { workers: 2 })
  for (const values of [Array.from({ length: 1000 }, (_, i) => i), Array.from({ length: 1000 }, (_, i) => i + 0.5), [0]]) {
    assert.deepEqual(await group.runMany('odd', values), values.map((n) => (n % 100 === 99 ? { n } : n)))
    assert.deepEqual(await group.runMany('half', values), values.map((n) => n / 2))
    assert.deepEqual(await group.runMany('minusZero', values), values.map((n) => (n === 5 ? -0 : n)))
    assert.deepEqual(await group.runMany('wide', values), values.map((n) => n * 2 ** 31))
    assert.deepEqual(await group.runMany('wait', values), values)
    assert.deepEqual(await group.runMany('sometimes', values), values.map((n) => (n % 7 === 0 ? -n : n)))
    assert.deepEqual(await group.runMany('text', values), values.map(String))
    assert.deepEqual(await group.runMany('nothing', values), values.map(() => undefined))
  }
  assert.deepEqual([group.audit().problems, group.audit().blocks.out], [[], 0])
})

test('the first failure is what runMany rejects with, whether thrown, rejected or not cloneable; nothing is left behind', async () => {
  await using group = await startGroup()
  await assert.rejects(group.runMany('fail', ['a', 'b']), { message: /^[ab]$/ })
  await assert.rejects(group.runMany('reject', ['a', 'b']), { message: /^[ab]$/ })
  await assert.rejects(group.runMany('uncloneable', [undefined, undefined]), code('ERR_PERCORE_NOT_CLONEABLE'))
  await assert.rejects(group.runMany('echo', [1, 'two', () => {}]), code('ERR_PERCORE_NOT_CLONEABLE'))
  await assert.rejects(group.runMany('fail' as 'double', Array.from({ length: 5000 }, (_, i) => i)), TypeError)
  assert.deepEqual(await group.runMany('double', [1, 2]), [2, 4])
  while (group.stats().inFlight > 0) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([group.audit().problems, group.audit().blocks.out], [[], 0])
})

test('values that cannot be sent together are sent one by one: blocks move', async () => {
  await using group = await startGroup()
  const blocks = Array.from({ length: 100 }, (_, i) => {
    const block = group.alloc(2)
    block.bytes.set([i, 1])
    return block
  })
  const reversed: SharedBlock[] = await group.runMany('reverse', blocks)
  reversed.forEach((block, i) => {
    assert.deepEqual([...block.bytes], [1, i])
    block.free()
  })
})

test('values are shared among the workers, or all go where the options say', async () => {
  await using group = await startGroup({ workers: 3 })
  await group.runMany('spin', Array.from({ length: 300 }, () => 0.2))
  const shares = group.stats().workers.map((worker) => worker.tasks)
  const total = shares.reduce((a, b) => a + b)
  assert.ok(total > 270 && total <= 300, `each value is a task, the last batch perhaps not counted yet: ${shares}`)
  assert.ok(shares.every((tasks) => tasks > 30), String(shares))
  const seen = await group.runMany('where', Array.from({ length: 100 }), { worker: 1 })
  assert.ok(seen.every(({ worker }) => worker === 1))
  const keyed = await group.runMany('where', Array.from({ length: 100 }), { key: 'k' })
  assert.equal(new Set(keyed.map(({ worker }) => worker)).size, 1)
})

test('other tasks get their turn while many values are worked off', async () => {
  await using group = await startGroup({ workers: 1 })
  const many = group.runMany('spin', Array.from({ length: 400 }, () => 1))
  let others = 0
  const state = { isOver: false }
  const over = many.then(() => {
    state.isOver = true
  })
  do {
    await group.run('double', 1)
    others++
  } while (!state.isOver)
  await over
  assert.ok(others > 10, `${others} in 400 ms`)
})

test('a time limit holds for all values together, and stops what has begun; so does a signal', async () => {
  await using group = await startGroup({ workers: 2 })
  const start = performance.now()
  await assert.rejects(group.runMany('spin', Array.from({ length: 10_000 }, () => 1), { timeoutMs: 100 }), code('ERR_PERCORE_TIMEOUT'))
  assert.ok(performance.now() - start < 2000)
  const controller = new AbortController()
  const call = group.runMany('spin', Array.from({ length: 10_000 }, () => 1), { signal: controller.signal })
  setTimeout(() => controller.abort(new Error('enough')), 50)
  await assert.rejects(call, { message: 'enough' })
  const before = performance.now()
  await group.broadcast('nothing')
  assert.ok(performance.now() - before < 2000, 'the chunks under way ended early')
  assert.equal(group.stats().queued, 0)
})

test('a worker that dies fails the values it had, and retry runs them again', async () => {
  const log = new Int32Array(new SharedArrayBuffer(64))
  await using group = await startGroup({ workers: 2, workerData: log })
  await assert.rejects(group.runMany('exit', [1]), code('ERR_PERCORE_WORKER_DIED'))
  const values = Array.from({ length: 1000 }, (_, i) => i)
  assert.deepEqual(await group.runMany('exitUnless', values, { retry: 1 }), values)
})

test('close waits for values that have not been sent yet', async () => {
  const group = await startGroup({ workers: 2 })
  const many = group.runMany('double', Array.from({ length: 50_000 }, (_, i) => i))
  await group.close()
  assert.equal((await many)[49_999], 99_998)
})

test('runMany is not limited by maxQueue', async () => {
  await using group = await startGroup({ workers: 1, depth: 1, maxQueue: 0 })
  assert.equal((await group.runMany('double', Array.from({ length: 1000 }, (_, i) => i))).length, 1000)
})

test('what is no array, an unknown handler, bad options and a closed group reject', async () => {
  const group = await startGroup({ workers: 1 })
  const invalid = code('ERR_PERCORE_INVALID_OPTION')
  for (const values of [undefined, 5, 'abc', null, new Set([1]), { length: -0.5 }]) await assert.rejects(group.runMany('double', values as never), invalid)
  await assert.rejects(group.runMany('dubble' as 'double', [1]), code('ERR_PERCORE_NO_SUCH_HANDLER'))
  await assert.rejects(group.runMany('double', [1], { worker: 9 }), invalid)
  await assert.rejects(group.runMany('double', [], { timeoutMs: -1 }), invalid)
  await group.close()
  await assert.rejects(group.runMany('double', [1]), code('ERR_PERCORE_CLOSED'))
})
