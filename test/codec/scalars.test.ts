import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blockBit, isError, kind, kindMask } from '../../src/codec/index.js'
import { bench } from './fixture.js'

const { codec, at, trip, live, words } = bench()

test('undefined, null and booleans are their tag alone', () => {
  for (const value of [undefined, null, true, false]) assert.equal(trip(value), value)
  assert.deepEqual([undefined, null, true, false].map((value) => codec.encode(value, at)), [kind.undefined, kind.null, kind.true, kind.false])
})

test('integers of 32 bits travel as such and every other number as a double, -0 and NaN included', () => {
  for (const value of [0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]) {
    assert.equal(codec.encode(value, at), kind.int32)
    assert.ok(Object.is(trip(value), value))
  }
  for (const value of [-0, NaN, Infinity, -Infinity, 0.1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, Number.MIN_VALUE, Number.MAX_VALUE]) {
    assert.equal(codec.encode(value, at), kind.float64)
    assert.ok(Object.is(trip(value), value), String(value))
  }
})

test('bigints of 64 bits stay in the descriptor and larger ones survive too', () => {
  for (const value of [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
    assert.equal(codec.encode(value, at), kind.int64)
    assert.equal(trip(value), value)
  }
  for (const value of [2n ** 63n, -(2n ** 63n) - 1n, 10n ** 300n]) assert.equal(trip(value), value)
  assert.equal(live(), 0)
})

test('a value writes nothing beyond its own descriptor', () => {
  words.i32.fill(0x55, at - 3, at + 29)
  for (const value of [-1, 0.5, 7n, 'x'.repeat(48), '\u4e00'.repeat(24), new Uint8Array(48).fill(255)]) {
    const tag = codec.encode(value, at)
    assert.equal(tag & blockBit, 0)
    assert.deepEqual([...words.i32.subarray(at - 3, at)], [0x55, 0x55, 0x55], 'the words of the lane and the task')
    assert.deepEqual([...words.i32.subarray(at + 13, at + 29)], Array<number>(16).fill(0x55), 'the next descriptor')
  }
})

test('tags fit a byte, and only thrown values carry the error bit', () => {
  for (const value of [1, 'a', 'b'.repeat(99), {}, new Map(), null]) {
    const tag = codec.encode(value, at)
    assert.ok(tag >= 0 && tag <= 255 && !isError(tag))
    codec.release(tag, at)
    const thrown = codec.encodeError(value, at)
    assert.ok(thrown >= 0 && thrown <= 255 && isError(thrown))
    assert.equal(thrown & kindMask, tag & kindMask)
    codec.release(thrown, at)
  }
  assert.equal(live(), 0)
})

test('a tag nobody writes is a broken invariant, not a value', () => {
  assert.throws(() => codec.decode(0x3f, at), { code: 'ERR_PERCORE_INVARIANT' })
})
