import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blockBit, kind, SharedBlock } from '../../src/codec/index.js'
import { bench } from './fixture.js'

const { codec, at, trip, live, words } = bench()

test('bytes stay in the descriptor up to 48 and take one block beyond', () => {
  for (const length of [0, 1, 47, 48, 49, 50, 1024, 100_000]) {
    const value = Uint8Array.from({ length }, (_, i) => i * 7)
    const tag = codec.encode(value, at)
    assert.equal(tag & ~blockBit, kind.bytes)
    assert.equal((tag & blockBit) === 0, length <= 48)
    assert.equal(live(), length <= 48 ? 0 : 1)
    assert.deepEqual(codec.decode(tag, at), value)
    assert.equal(live(), 0, 'the block was freed')
  }
})

test('decoded bytes are a fresh array of their own memory', () => {
  for (const length of [8, 48, 4096]) {
    const decoded = trip(new Uint8Array(length))
    assert.ok(decoded.buffer instanceof ArrayBuffer)
    assert.equal(decoded.buffer.byteLength, length)
    words.u8.fill(9, 64 * 4, 64 * 4 + length)
    assert.ok(decoded.every((byte) => byte === 0))
  }
})

test('a Buffer, a view into a larger buffer and a view of shared memory come back as plain bytes', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(64)).fill(3)
  for (const value of [Buffer.from('hello'), Buffer.alloc(500, 7), new Uint8Array(100).subarray(10, 90), shared]) {
    const decoded = trip<Uint8Array>(value)
    assert.equal(Object.getPrototypeOf(decoded), Uint8Array.prototype)
    assert.deepEqual([...decoded], [...value])
  }
})

test('bytes whose buffer was transferred are refused, and what merely calls itself bytes is not taken for them', () => {
  const gone = new Uint8Array(8)
  structuredClone(gone.buffer, { transfer: [gone.buffer] })
  assert.throws(() => codec.encode(gone, at), { code: 'ERR_PERCORE_NOT_CLONEABLE', message: /transferred/ })
  assert.throws(() => codec.encode(new Proxy(new Uint8Array(8), {}), at), { code: 'ERR_PERCORE_NOT_CLONEABLE' })
  assert.deepEqual(trip<unknown>(Object.create(Uint8Array.prototype)), {})
  assert.equal(live(), 0)
})

test('a released value frees its block without being decoded', () => {
  for (const value of ['x'.repeat(100), new Uint8Array(100), new Map([[1, 'x'.repeat(100)]]), 1, 'short']) codec.release(codec.encode(value, at), at)
  assert.equal(live(), 0)
})

test('100 MB of bytes and of text pass', () => {
  const big = bench(240 << 20)
  const bytes = new Uint8Array(100_000_000)
  bytes[99_999_999] = 42
  const decoded = big.trip(bytes)
  assert.equal(decoded.length, 100_000_000)
  assert.equal(decoded[99_999_999], 42)
  const text = `${'0123456789'.repeat(10_000_000)}!`
  assert.ok(big.trip(text) === text)
  const wide = `${'\u4e00123456789'.repeat(10_000_000)}!`
  assert.ok(big.trip(wide) === wide)
  assert.equal(big.live(), 0)
})

test('a full heap refuses what needs a block and still takes what does not', () => {
  const { codec, at, trip, live, limit } = bench()
  limit(1000)
  for (const value of [new Uint8Array(2000), 'x'.repeat(2000), '\u4e00'.repeat(600), new Set(['x'.repeat(2000)])]) {
    assert.throws(() => codec.encode(value, at), { code: 'ERR_PERCORE_OUT_OF_MEMORY' })
  }
  assert.equal(live(), 0)
  assert.equal(trip('still here'), 'still here')
})

test('a SharedBlock moves: the sender loses it, the receiver frees it', () => {
  const { codec, at, live, words, alloc } = bench()
  const block = alloc(64)
  block.bytes.set([1, 2, 3])
  const tag = codec.encode(block, at)
  for (const use of [() => block.bytes, () => block.free(), () => codec.encode(block, at)]) assert.throws(use, { code: 'ERR_PERCORE_BAD_POINTER' })
  const received = codec.decode(tag, at) as SharedBlock
  assert.ok(received instanceof SharedBlock)
  assert.equal(received.byteLength, 64)
  assert.equal(received.bytes.buffer, words.buffer)
  assert.deepEqual([...received.bytes.subarray(0, 3)], [1, 2, 3])
  assert.equal(live(), 1)
  received.free()
  assert.equal(live(), 0)
  assert.throws(() => received.free(), { code: 'ERR_PERCORE_BAD_POINTER' })
})

test('a SharedBlock in a task nobody takes is freed by its release, and disposing twice is harmless', () => {
  const { codec, at, live, alloc } = bench()
  codec.release(codec.encode(alloc(10), at), at)
  assert.equal(live(), 0)
  const block = alloc(0)
  block[Symbol.dispose]()
  block[Symbol.dispose]()
  assert.equal(live(), 0)
})

test('a SharedBlock of another memory, or within another value, is refused with advice and stays usable', () => {
  const { codec, at, alloc } = bench()
  const stranger = bench().alloc(8)
  assert.throws(() => codec.encode(stranger, at), { code: 'ERR_PERCORE_NOT_CLONEABLE', message: /group that allocated it/ })
  const block = alloc(8)
  assert.throws(() => codec.encode({ image: block }, at), { code: 'ERR_PERCORE_NOT_CLONEABLE', message: /value\.image is a SharedBlock.*whole value/ })
  for (const kept of [stranger, block]) {
    assert.equal(kept.bytes.length, 8)
    kept.free()
  }
})

test('typed arrays of every kind travel as their bytes when they are all of their buffer, and else as the engine writes them', () => {
  const classes = [Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array]
  for (const type of classes) {
    for (const byteLength of [8, 48, 56, 4096, 100_000]) {
      const bytes = Uint8Array.from({ length: byteLength }, (_, i) => i * 7)
      const value = new type(bytes.buffer)
      const tag = codec.encode(value, at)
      assert.deepEqual([tag & ~blockBit, (tag & blockBit) !== 0], [kind.numbers, byteLength > 48])
      const decoded = codec.decode(tag, at) as typeof value
      assert.equal(Object.getPrototypeOf(decoded), type.prototype)
      assert.deepEqual([decoded.byteOffset, decoded.buffer.byteLength], [0, byteLength])
      assert.deepEqual(new Uint8Array(decoded.buffer), bytes)
      const part = new type(bytes.buffer, 8)
      const partTag = codec.encode(part, at)
      assert.equal(partTag & ~blockBit, kind.structured)
      codec.release(partTag, at)
      assert.equal(live(), 0)
    }
  }
})

test('a typed array is told by what it is, not by what it was made to look like', () => {
  const disguised = Object.setPrototypeOf(new Float64Array([1, 2]), Int32Array.prototype) as object
  class Samples extends Float32Array {}
  const growable = new Int16Array(new ArrayBuffer(8, { maxByteLength: 16 }))
  for (const value of [disguised, new Samples([1, 2]), growable, new Float64Array(), new DataView(new ArrayBuffer(8))]) {
    const expected: object = structuredClone(value)
    const actual: object = trip(value)
    assert.equal(Object.getPrototypeOf(actual), Object.getPrototypeOf(expected))
    assert.deepStrictEqual(actual, expected)
  }
  assert.equal(live(), 0)
})
