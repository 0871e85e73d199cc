import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alignUp, ceilPowerOfTwo, createPrng, isPowerOfTwo } from '../../src/base/index.js'

test('a size is rounded up to the next power of two', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 1000, 1024, 2 ** 31 + 1].map(ceilPowerOfTwo), [1, 1, 2, 4, 4, 8, 1024, 1024, 2 ** 32])
})

test('powers of two are told from everything else', () => {
  assert.deepEqual([1, 2, 1024, 2 ** 40].map(isPowerOfTwo), [true, true, true, true])
  assert.deepEqual([0, -2, 3, 1.5, Number.NaN, Infinity].map(isPowerOfTwo), [false, false, false, false, false, false])
})

test('alignment rounds up to a multiple', () => {
  assert.deepEqual([alignUp(0, 16), alignUp(1, 16), alignUp(16, 16), alignUp(17, 64)], [0, 16, 16, 64])
})

test('the generator is xorshift32, is repeatable by seed, and differs by thread', () => {
  const a = createPrng(42)
  assert.deepEqual([a.next(), a.next(), a.next()], [11355432, 2836018348, 476557059])
  assert.notEqual(createPrng(42, 1).next(), createPrng(42, 2).next())
  assert.equal(createPrng(0).next(), createPrng(1).next(), 'a state of zero becomes one')
})
