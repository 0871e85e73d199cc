/** Values that hold handles: what only the host can send to another thread arrives all the same, and loses no call when a worker dies. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { blockBit, type Carrier, kind, Moved } from '../../src/codec/index.js'
import { CarrierEnd } from '../../src/group/carrier.js'
import { startGroup } from '../group/start.js'
import { bench } from './fixture.js'

const group = await startGroup({ workers: 2 })
after(() => group.close())

test('shared memory stays shared, alone, nested, viewed and as a result', async () => {
  const memory = new SharedArrayBuffer(16)
  const words = new Int32Array(memory)
  assert.equal(new Int32Array(await group.run('echo', memory) as SharedArrayBuffer)[0], 0)
  const back = await group.run('echo', { memory, view: words.subarray(1), map: new Map([[1, memory]]), twice: [memory, memory] }) as
    { memory: SharedArrayBuffer, view: Int32Array, map: Map<number, SharedArrayBuffer>, twice: SharedArrayBuffer[] }
  words[0] = 7
  words[1] = 8
  assert.equal(new Int32Array(back.memory)[0], 7)
  assert.equal(back.view[0], 8)
  assert.equal(back.view.buffer, back.memory)
  assert.deepEqual([back.map.get(1), ...back.twice], [back.memory, back.memory, back.memory])
  await group.runFunction((shared: Int32Array) => { shared[2] = 9 }, words)
  assert.equal(words[2], 9)
})

test('blobs, keys and other things of the host arrive as structuredClone makes them', async () => {
  assert.equal(await (await group.run('echo', new Blob(['hi'])) as Blob).text(), 'hi')
  const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])
  const [received] = await group.run('echo', [key]) as [typeof key]
  assert.deepEqual(await crypto.subtle.exportKey('raw', received), await crypto.subtle.exportKey('raw', key))
})

test('an error that holds shared memory brings it along', async () => {
  const memory = new SharedArrayBuffer(8)
  const failure = group.runFunction((held: SharedArrayBuffer) => { throw Object.assign(new RangeError('no good'), { held }) }, memory)
  await assert.rejects(failure, (error: Error & { held?: unknown }) => error instanceof RangeError && error.held instanceof SharedArrayBuffer)
  await assert.rejects(group.run('throwValue', memory), (thrown: unknown) => thrown instanceof SharedArrayBuffer)
})

test('each call gets its own, however many are under way', async () => {
  const calls = Array.from({ length: 3000 }, (_, i) => (i % 3 === 0 ? i : { i, memory: new SharedArrayBuffer(i % 50 + 1) }))
  const echoes = await Promise.all(calls.map((value) => group.run('echo', value)))
  assert.deepStrictEqual(echoes, calls)
  assert.equal(group.audit().blocks.out, 0)
})

test('what cannot be sent is still named, not the memory beside it', async () => {
  const memory = new SharedArrayBuffer(8)
  const refused = (message: RegExp): object => ({ code: 'ERR_PERCORE_NOT_CLONEABLE', message })
  await assert.rejects(group.run('echo', { memory, late() {} }), refused(/^value\.late is a function/))
  await assert.rejects(group.run('echo', [memory, [new WeakMap()]]), refused(/^value\[1\]\[0\] is a WeakMap/))
  const { port1 } = new MessageChannel()
  await assert.rejects(group.run('echo', port1), refused(/^value is a MessagePort/))
  port1.close()
  assert.ok(await group.run('echo', memory) instanceof SharedArrayBuffer)
})

test('when a worker dies, what was on its way to it fails with a code, and later calls arrive', async () => {
  await using mortal = await startGroup({ workers: 1 })
  const memory = new SharedArrayBuffer(8)
  for (let round = 0; round < 3; round++) {
    const killing = assert.rejects(mortal.run('exit', 1), { code: 'ERR_PERCORE_WORKER_DIED' })
    const behind = Array.from({ length: 30 }, (_, i) => mortal.run('echo', { i, memory }))
    for (const outcome of await Promise.allSettled(behind)) {
      if (outcome.status === 'rejected') assert.equal((outcome.reason as { code?: string }).code, 'ERR_PERCORE_WORKER_DIED')
    }
    await killing
    const { i } = await mortal.run('echo', { i: round, memory }) as { i: number }
    assert.equal(i, round)
  }
})

test('a message whose descriptor is released is taken and dropped, and one that is gone does no harm', () => {
  const sent = new Map<number, unknown>()
  const carrier: Carrier = {
    send(value) {
      sent.set(sent.size + 1, value)
      return sent.size
    },
    take(number) {
      if (!sent.delete(number)) throw new Error('gone')
      return new Moved('taken', [])
    },
  }
  const { codec, at } = bench(16 << 20, { carrier })
  const memory = new SharedArrayBuffer(8)
  const tag = codec.encode({ memory }, at)
  assert.deepEqual([tag, tag & blockBit], [kind.carried, 0])
  codec.release(tag, at)
  assert.equal(sent.size, 0)
  codec.release(tag, at)
  assert.equal(codec.decode(codec.encode([memory], at), at), 'taken')
})

test('who releases what it sent itself takes nothing that comes the other way', () => {
  const { port1, port2 } = new MessageChannel()
  const here = new CarrierEnd(port1, 1)
  const there = new CarrierEnd(port2, -1)
  const numbers = [here.send('a'), here.send('b'), here.send('c')]
  const back = there.send('x')
  assert.throws(() => here.take(numbers[0]!), { code: 'ERR_PERCORE_WORKER_DIED' })
  assert.equal(here.take(back).value, 'x')
  assert.deepEqual([2, 0, 1].map((i) => there.take(numbers[i]!).value), ['c', 'a', 'b'])
  assert.throws(() => there.take(numbers[1]!), { code: 'ERR_PERCORE_WORKER_DIED' })
  port1.close()
})
