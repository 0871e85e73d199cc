import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { balance, type DroppedTask } from '../../src/index.js'
import { startGroup } from './start.js'

const bytes = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(1)

test('a buffer moves: it is detached when the call returns, and the handler has it', async () => {
  await using group = await startGroup({ workers: 1 })
  const sent = bytes(100_000)
  const sum = group.run('byteSum', sent, { transfer: [sent.buffer] })
  assert.equal(sent.buffer.byteLength, 0)
  assert.equal(await sum, 100_000)
  const inside = { bytes: bytes(10).buffer }
  assert.equal(await group.to(0).run('byteSum', inside, { transfer: [inside.bytes], timeoutMs: 60_000, onReport: () => {} }), 10)
  assert.equal(inside.bytes.byteLength, 0)
  const pushed = bytes(10)
  assert.equal(group.push('byteSum', pushed, { transfer: [pushed.buffer] }), true)
  assert.equal(pushed.length, 0)
  const blocking = bytes(10)
  assert.equal(group.runSync('byteSum', blocking, { transfer: [blocking.buffer] }), 10)
  const read: number[] = []
  const streamed = bytes(3).buffer
  for await (const byte of group.stream('bytesOf', streamed, { transfer: [streamed] })) read.push(byte)
  assert.deepEqual([read, streamed.byteLength], [[1, 1, 1], 0])
})

test('an empty list moves nothing', async () => {
  await using group = await startGroup({ workers: 1 })
  const kept = bytes(10)
  assert.equal(await group.run('byteSum', kept, { transfer: [] }), 10)
  assert.equal(kept.length, 10)
})

test('a port moves and works', async () => {
  await using group = await startGroup({ workers: 1 })
  const { port1, port2 } = new MessageChannel()
  const heard = once(port1, 'message')
  await group.run('say', port2 as never, { transfer: [port2] })
  assert.deepEqual(await heard, ['here'])
})

test('what has to wait for room moves at once, too', async () => {
  await using group = await startGroup({ workers: 1, depth: 1 })
  const first = group.run('spin', 20)
  const { port1, port2 } = new MessageChannel()
  const sent = Array.from({ length: 5 }, () => bytes(1000))
  const sums = sent.map((each) => group.run('byteSum', each, { transfer: [each.buffer] }))
  const heard = once(port1, 'message')
  const said = group.run('say', port2 as never, { transfer: [port2] })
  assert.ok(sent.every(({ buffer }) => buffer.byteLength === 0))
  await first
  assert.deepEqual(await Promise.all(sums), [1000, 1000, 1000, 1000, 1000])
  await said
  assert.deepEqual(await heard, ['here'])
})

test('a push that finds no room leaves its buffer where it is', async () => {
  await using group = await startGroup({ workers: 1, depth: 1 })
  const first = group.run('spin', 20)
  const kept = bytes(10)
  assert.equal(group.push('byteSum', kept, { transfer: [kept.buffer] }), false)
  assert.equal(kept.length, 10)
  await first
})

test('balancers and the event drop see the value as it was passed', async () => {
  const seen: unknown[] = []
  const key = (value: unknown): string => (seen.push(value instanceof Uint8Array), 'one')
  await using group = await startGroup({ workers: 2, depth: 1, maxQueue: 1, whenFull: 'drop-oldest', balance: balance.key(key) })
  const dropped: DroppedTask[] = []
  group.on('drop', (task) => dropped.push(task))
  const calls = Array.from({ length: 3 }, () => {
    const each = bytes(10)
    return group.run('byteSum', each, { transfer: [each.buffer] })
  })
  const outcomes = await Promise.allSettled(calls)
  assert.deepEqual(outcomes.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
  assert.ok(seen.length >= 3 && seen.every(Boolean))
  assert.ok(dropped[0].value instanceof Uint8Array)
})

test('what cannot move fails its own call with a code, and stays where it was', async () => {
  await using group = await startGroup({ workers: 1, depth: 1 })
  const gone = bytes(1).buffer
  structuredClone(gone, { transfer: [gone] })
  const busy = group.run('spin', 20)
  for (const isFull of [true, false]) {
    if (!isFull) await busy
    const whole = bytes(10)
    const buffer = whole.buffer
    const refused = { code: 'ERR_PERCORE_NOT_TRANSFERABLE' }
    await assert.rejects(group.run('echo', whole, { transfer: [buffer, buffer] }), refused)
    await assert.rejects(group.run('echo', gone, { transfer: [gone] }), refused)
    await assert.rejects(group.run('echo', whole, { transfer: [buffer, {} as never] }), refused)
    await assert.rejects(group.run('echo', [whole, () => 1], { transfer: [buffer] }), refused)
    await assert.rejects(group.run('echo', new MessageChannel().port1, { transfer: [buffer] }), refused)
    assert.equal(whole.length, 10)
    assert.equal(await group.run('byteSum', whole), 10)
  }
})

test('options that make no sense with it are refused', async () => {
  await using group = await startGroup({ workers: 1 })
  const { buffer } = bytes(10)
  const refused = { code: 'ERR_PERCORE_INVALID_OPTION', message: /transfer/ }
  await assert.rejects(group.run('echo', buffer, { transfer: buffer as never }), refused)
  await assert.rejects(group.run('echo', buffer, { transfer: [buffer], retry: 1 }), refused)
  await assert.rejects(group.runMany('echo', [buffer], { transfer: [buffer] }), refused)
  assert.equal(buffer.byteLength, 10)
})

test('what is on its way to a worker that dies is lost with it, and its call says so', async () => {
  await using group = await startGroup({ workers: 1 })
  const killing = assert.rejects(group.run('exit', 1), { code: 'ERR_PERCORE_WORKER_DIED' })
  const sent = bytes(10)
  await assert.rejects(group.run('byteSum', sent, { transfer: [sent.buffer] }), { code: 'ERR_PERCORE_WORKER_DIED' })
  await killing
  const again = bytes(10)
  assert.equal(await group.run('byteSum', again, { transfer: [again.buffer] }), 10)
})
