import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { ExecGroup, view } from '../../src/index.js'
import type { ViewHandlers } from './view-handlers.js'

const group = await ExecGroup.start<ViewHandlers>(new URL('view-handlers.js', import.meta.url), { workers: 1, memoryBytes: 64 << 20 })
after(() => group.close())

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i)

/** What was lent is given back when the worker's event loop turns. */
async function assertNothingLent(): Promise<void> {
  let out = -1
  for (let i = 0; i < 100 && out !== 0; i++) {
    await group.run('later', 1)
    out = group.audit().blocks.out
  }
  assert.equal(out, 0)
  assert.deepEqual(group.audit().problems, [])
}

test('a handler sees the bytes in shared memory, however few or many', async () => {
  for (const length of [0, 1, 48, 49, 1024, 100_000]) {
    assert.equal(await group.run('sum', bytes(length)), bytes(length).reduce((total, byte) => total + byte, 0))
    assert.deepEqual(await group.run('where', bytes(length)), [length, 0])
  }
  assert.equal(await group.run('shares', bytes(100)), true)
  await assertNothingLent()
})

test('what a handler returns may be a part of the bytes, also while others use the memory', async () => {
  const sent = Array.from({ length: 500 }, (_, i) => bytes(100 + i % 400).fill(i, 0, 50))
  const results = await Promise.all(sent.map((value, i) => (i % 3 === 0 ? group.run('all', value) : group.run('middle', value))))
  results.forEach((result, i) => assert.deepEqual(result, i % 3 === 0 ? sent[i] : sent[i]!.slice(10, 20)))
  const slow = await Promise.all(sent.map((value) => group.run('slowly', value)))
  slow.forEach((result, i) => assert.deepEqual(result, [sent[i]![0], sent[i]![0], sent[i]!.slice(0, 5)]))
  await assertNothingLent()
})

test('the block itself may be returned, and moves', async () => {
  for (const name of ['back', 'backSlowly'] as const) {
    const block = await group.run(name, bytes(64))
    assert.equal(block.bytes[0], name === 'back' ? 63 : 0)
    block.free()
  }
  const own = group.alloc(100)
  own.bytes.fill(1)
  assert.equal(await group.run('sum', own), 100)
  assert.throws(() => own.bytes, { code: 'ERR_PERCORE_BAD_POINTER' })
  await assertNothingLent()
})

test('a block that is used after its handler has ended says so', async () => {
  await group.run('keep', bytes(1000))
  await assert.rejects(group.run('kept'), { code: 'ERR_PERCORE_BAD_POINTER', message: /lent to a handler that has ended/ })
  await assertNothingLent()
  await assert.rejects(group.run('kept'), { code: 'ERR_PERCORE_BAD_POINTER' })
})

test('handlers that fail or free their block leave nothing behind', async () => {
  for (let i = 0; i < 20; i++) {
    await assert.rejects(group.run('fail', bytes(200)), (error: Error & { head?: Uint8Array }) => error.message === 'no good' && error.head?.[2] === 2)
    await assert.rejects(group.run('failSlowly', bytes(200)), /no good/)
    await group.run('free', bytes(200))
  }
  await assertNothingLent()
})

test('anything but bytes is refused, and so is a generator', async () => {
  const call = group.run as (name: string, value: unknown) => Promise<unknown>
  for (const value of ['text', 7, undefined, { a: 1 }]) {
    await assert.rejects(call.call(group, 'sum', value), { code: 'ERR_PERCORE_INVALID_OPTION', message: /takes bytes where they lie/ })
  }
  assert.throws(() => view(function* crawl() {}), { code: 'ERR_PERCORE_INVALID_OPTION', message: /'crawl' is a generator/ })
  assert.throws(() => view(3 as never), { code: 'ERR_PERCORE_INVALID_OPTION', message: /not number/ })
  await assertNothingLent()
})
