import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { MessagePort } from 'node:worker_threads'
import { balance, ExecGroup, type ExecGroupOptions, move } from '../../src/index.js'
import type { MovingHandlers } from './move-result.handlers.js'
import { moduleWith } from './start.js'

const url = new URL('./move-result.handlers.js', import.meta.url)
const start = (options: ExecGroupOptions = {}): Promise<ExecGroup<MovingHandlers>> =>
  ExecGroup.start<MovingHandlers>(url, { workers: 1, memoryBytes: 256 * 2 ** 20, ...options })
const isFull = (bytes: Uint8Array, length: number): boolean => bytes.byteLength === length && bytes.buffer.byteLength === length && bytes.every((byte) => byte === 7)
const refused = { code: 'ERR_PERCORE_NOT_TRANSFERABLE' }

test('a result that moves arrives equal and leaves the worker, however the handler is called', async () => {
  await using group = await start()
  assert.ok(isFull(await group.run('fill', 100_000), 100_000))
  assert.equal(await group.run('keptLength'), 0)
  const { bytes, also } = await group.run('fillLater', 1000)
  assert.ok(isFull(bytes, 1000) && also === 1)
  assert.equal(await group.run('keptLength'), 0)
  assert.ok(isFull(await group.run('coroutine', 10), 10))
  assert.ok(isFull(group.runSync('fill', 1000), 1000))
  assert.equal(group.runSync('keptLength'), 0)
  assert.ok(isFull(await group.to(0).run('fill', 10, { timeoutMs: 60_000, onReport: () => {} }), 10))
  const called: Uint8Array = await new Promise((resolve, reject) => group.call('fill', 10, resolve, reject))
  assert.ok(isFull(called, 10))
  for await (const each of group.map('fill', [1, 2, 3])) assert.ok(isFull(each, each.length))
  assert.deepEqual((await group.broadcast('fill', 5)).map((each) => each.length), [5])
  assert.equal(group.push('fill', 10), true)
  await group.drain()
  assert.equal(group.audit().blocks.out, 0)
})

test('a port as a result works', async () => {
  await using group = await start()
  for (const said of ['once', 'again']) {
    const port: MessagePort = await group.run('port', said)
    assert.deepEqual(await once(port, 'message'), [said])
  }
})

test('what cannot move fails its own call with a code, and stays with the worker', async () => {
  await using group = await start()
  const beside = Array.from({ length: 20 }, (_, i) => group.run('fill', i))
  for (const what of ['twice', 'not transferable', 'function', 'unlisted port'] as const) {
    await assert.rejects(group.run('wrong', what), refused)
    assert.equal(await group.run('keptLength'), 100)
    assert.throws(() => group.runSync('wrong', what), refused)
  }
  await assert.rejects(group.run('wrong', 'gone'), refused)
  await assert.rejects(group.run('wrong', 'no list'), { code: 'ERR_PERCORE_INVALID_OPTION', message: /list/ })
  await assert.rejects(group.run('wrong', 'nested'), { code: 'ERR_PERCORE_NOT_CLONEABLE', message: /^value\.bytes is a Moved.* whole value/ })
  assert.deepEqual((await Promise.all(beside)).map((bytes) => bytes.length), Array.from({ length: 20 }, (_, i) => i))
  assert.equal(group.stats().workers[0]!.failures, 11)
  assert.equal(group.audit().blocks.out, 0)
})

test('what is thrown and what is reported may move, too', async () => {
  await using group = await start()
  await assert.rejects(group.run('throwMoved', 9), (thrown: unknown) => thrown instanceof Uint8Array && isFull(thrown, 9))
  const reports: unknown[] = []
  assert.equal(await group.run('report', 9, { onReport: (progress) => reports.push(progress) }), 0)
  assert.ok(reports[0] instanceof Uint8Array && isFull(reports[0], 9))
})

test('items of a stream that move arrive in order among those that do not, and so does what it returns', async () => {
  await using group = await start()
  for (const credits of [1, 2, 7, 256]) {
    const stream = group.stream('chunks', { count: 20 }, { credits })
    for (let i = 0; i < 20; i++) {
      const { value } = await stream.next()
      assert.deepEqual(value, i % 3 === 0 ? i : { bytes: new Uint8Array(8).fill(i) })
    }
    const { done, value } = await stream.next()
    assert.ok(done && value instanceof Uint8Array && isFull(value, 3))
    let count = 0
    for await (const bytes of group.stream('slowChunks', 10, { credits })) assert.deepEqual(bytes, new Uint8Array(8).fill(count++))
    assert.equal(count, 10)
  }
})

test('an item that cannot move fails its stream, behind the items before it', async () => {
  await using group = await start()
  for (const wrongAt of [1, 4, 11]) {
    let read = 0
    await assert.rejects(async () => {
      for await (const item of group.stream('chunks', { count: 20, wrongAt })) {
        assert.deepEqual(item, read % 3 === 0 ? read : { bytes: new Uint8Array(8).fill(read) })
        read++
      }
    }, refused)
    assert.equal(read, wrongAt)
  }
  assert.ok(isFull(await group.run('fill', 10), 10))
})

test('of many values in one task, some results may move', async () => {
  await using group = await start({ workers: 2 })
  const values = Array.from({ length: 200 }, (_, i) => i)
  const mixed = await group.runMany('someMove', values) as unknown[]
  assert.deepEqual(mixed, values.map((n) => (n % 3 === 0 ? n : n % 3 === 1 ? new Uint8Array(n).fill(7) : { n: new Uint8Array(n).fill(7) })))
  assert.deepEqual(await group.runMany('oddMoves', values), values.map((n) => (n % 2 === 0 ? n : new Uint8Array(n).fill(7))))
  await assert.rejects(group.runMany('wrong', ['twice']), refused)
})

test('values of a call can be marked, too: alone, of a map, of many, with more in the list', async () => {
  const seen: boolean[] = []
  await using group = await start({ workers: 2, depth: 2, balance: balance.key((value: unknown) => String(seen.push(value instanceof Uint8Array || typeof value === 'string'))) })
  const sent = Array.from({ length: 12 }, (_, i) => new Uint8Array(100 + i).fill(7))
  const marks = sent.map((bytes) => move(bytes))
  const first = group.run('pass', marks[0]!)
  assert.equal(sent[0]!.length, 0)
  assert.ok(isFull(await first, 100))
  assert.ok(isFull(await group.run('pass', marks[1]!, { key: 'one' }), 101))
  const mapped: Uint8Array[] = []
  for await (const bytes of group.map('pass', marks.slice(2, 6))) mapped.push(bytes)
  assert.deepEqual(mapped.map((bytes) => bytes.length), [102, 103, 104, 105])
  assert.deepEqual((await group.runMany('pass', marks.slice(6, 10))).map((bytes) => bytes.length), [106, 107, 108, 109])
  await assert.rejects(group.runMany('pass', marks.slice(10), { retry: 1 }), { code: 'ERR_PERCORE_INVALID_OPTION', message: /move/ })
  await assert.rejects(group.run('pass', marks[10]!, { retry: 1 }), { code: 'ERR_PERCORE_INVALID_OPTION' })
  await assert.rejects(group.broadcast('pass', marks[10]!), refused)
  const both = { one: new Uint8Array(5), other: new Uint8Array(6) }
  assert.deepEqual(await group.run('echo', move(both, [both.one.buffer]), { transfer: [both.other.buffer], key: 'one' }), { one: new Uint8Array(5), other: new Uint8Array(6) })
  assert.deepEqual([both.one.length, both.other.length], [0, 0])
  assert.ok(seen.length > 0 && seen.every(Boolean))
})

test('calls from inside handlers move values and results from worker to worker, ports included', async () => {
  await using group = await start({ workers: 2, main: { make: (length: number) => move(new Uint8Array(length).fill(7)), length: (bytes: Uint8Array) => bytes.length } })
  for (let i = 0; i < 5; i++) assert.deepEqual(await group.run('nested', 1000), { left: 0, arrived: 1000, passed: 1000 })
  assert.equal(await group.run('nestedPort', 'hello'), 'hello')
  assert.deepEqual(await group.run('nestedMany', 300), { left: 0, arrived: 3000 }, 'also what waits for room has moved when the call returns')
  assert.equal(await group.run('main', 77), 77)
  assert.deepEqual(await group.run('toMain', 78), [0, 78])
  await assert.rejects(group.run('nestedWrong', 'twice'), refused)
  await assert.rejects(group.run('nestedSendsWrong'), refused)
  assert.ok(isFull(await group.run('fill', 10), 10))
})

test('a handler made by view cannot move its block, nor take bytes that were moved, and says so', async () => {
  await using group = await start()
  const bytes = new Uint8Array(100)
  assert.equal(await group.run('lend', bytes), 100)
  await assert.rejects(group.run('partOfBlock', bytes), refused)
  await assert.rejects(group.run('lend', bytes, { transfer: [bytes.buffer] }), { code: 'ERR_PERCORE_INVALID_OPTION', message: /array of its own.*transfer/ })
})

test('a result that was moved before its worker ended arrives', async () => {
  await using group = await start()
  for (let i = 0; i < 3; i++) assert.ok(isFull(await group.run('fillAndExit', 1000 + i), 1000 + i))
  assert.ok(isFull(await group.run('fill', 10), 10))
})

test('a result that nobody waits for any more is taken and dropped, and later ones arrive', async () => {
  await using group = await start()
  for (let i = 0; i < 10; i++) {
    const controller = new AbortController()
    const call = assert.rejects(group.run('fill', 1000, { signal: controller.signal }), { name: 'AbortError' })
    await Promise.resolve()
    for (const end = performance.now() + 5; performance.now() < end;); // the result is there, and has not been looked at
    controller.abort()
    await call
    assert.ok(isFull((await group.run('fillLater', i)).bytes, i))
  }
  await group.drain()
  assert.equal(group.audit().blocks.out, 0)
})

test('what another copy of percore marked moves as well', async () => {
  const copy = JSON.stringify(new URL('../../src/codec/moved.js?copy', import.meta.url).href)
  const module = await moduleWith(`import { move } from ${copy}
let kept
export const fill = (length) => move((kept = new Uint8Array(length).fill(7)))
export const left = () => kept.length
export const nested = () => [move(new Uint8Array(3))]`)
  await using group = await ExecGroup.start(module, { workers: 1, memoryBytes: 256 * 2 ** 20 })
  assert.ok(isFull(await group.run('fill', 100) as Uint8Array, 100))
  assert.equal(await group.run('left'), 0)
  await assert.rejects(group.run('nested'), { code: 'ERR_PERCORE_NOT_CLONEABLE', message: /value\[0\] is a Moved/ })
})

test('as JSON it is its value', () => {
  assert.equal(JSON.stringify([move({ a: 1 }, [])]), '[{"a":1}]')
})
