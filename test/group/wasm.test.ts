import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExecGroup } from '../../src/index.js'
import { startGroup } from './start.js'
import { sumOver, type WasmHandlers } from './wasm.handlers.js'

const url = new URL('./wasm.handlers.js', import.meta.url)
const memoryBytes = 256 * 2 ** 20

test('a handler in WebAssembly reads blocks where they lie, on every worker and after a death', async () => {
  await using group = await ExecGroup.start<WasmHandlers>(url, { workers: 2, memoryBytes, wasmMemory: true })
  for (let worker = 0; worker < 2; worker++) {
    const block = group.alloc(100_000)
    block.bytes.forEach((_, i, bytes) => { bytes[i] = i % 251 })
    const expected = block.bytes.reduce((sum, byte) => sum + byte, 0)
    assert.equal(block.byteOffset % 16, 0)
    assert.equal(await group.run('sum', block, { worker }), expected)
    assert.throws(() => block.byteOffset, { code: 'ERR_PERCORE_BAD_POINTER' })
  }
  await assert.rejects(group.run('exit', 1, { worker: 0 }), { code: 'ERR_PERCORE_WORKER_DIED' })
  for (const length of [0, 1, 40, 1000]) assert.equal(await group.run('sum', new Uint8Array(length).fill(2), { worker: 0 }), 2 * length)
  assert.deepEqual(group.audit().problems, [])
})

test('so does the thread of the group, and a memory never grows', async () => {
  await using group = await ExecGroup.start<WasmHandlers>(url, { workers: 1, memoryBytes: memoryBytes - 1, wasmMemory: true })
  const sum = sumOver(group.memory)
  const block = group.alloc(10)
  block.bytes.fill(3)
  assert.equal(sum(block.byteOffset, block.byteLength), 30)
  block.free()
  assert.equal(group.memory.buffer.byteLength, memoryBytes)
  assert.throws(() => group.memory.grow(1), RangeError)
})

test('a group without such a memory says how to get one', async () => {
  const refused = { code: 'ERR_PERCORE_INVALID_OPTION', message: /wasmMemory/ }
  await using group = await startGroup()
  assert.throws(() => group.memory, refused)
  await assert.rejects(group.runFunction((_: undefined, ctx) => ctx.memory.buffer.byteLength, undefined), refused)
  await assert.rejects(startGroup({ wasmMemory: 1 as never }), refused)
  await assert.rejects(ExecGroup.start(url, { workers: 1, memoryBytes }), { code: 'ERR_PERCORE_HANDLERS_LOAD', message: /wasmMemory/ })
})

test('everything else works in it as ever', async () => {
  await using group = await startGroup({ workers: 2, wasmMemory: true })
  assert.deepEqual(await Promise.all([group.run('double', 21), group.run('echo', { a: ['b', new Map([[1, 2]])] })]), [42, { a: ['b', new Map([[1, 2]])] }])
  const block = group.alloc(5)
  block.bytes.set([1, 2, 3, 4, 5])
  using reversed = await group.run('reverse', block)
  assert.deepEqual([...reversed.bytes], [5, 4, 3, 2, 1])
  assert.deepEqual(await group.runMany('double', Float64Array.from({ length: 1000 }, (_, i) => i / 2)), Array.from({ length: 1000 }, (_, i) => i))
})
