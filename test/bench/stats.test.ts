import assert from 'node:assert/strict'
import { test } from 'node:test'
import { interleave, quantile, spread } from '../../bench/harness/stats.js'

test('the median is the middle run, or the mean of the middle two', () => {
  assert.deepEqual(spread([5, 1, 3]), { median: 3, min: 1, max: 5 })
  assert.deepEqual(spread([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4 })
  assert.deepEqual(spread([7]), { median: 7, min: 7, max: 7 })
})

test('numbers are ordered as numbers, not as text', () => {
  assert.equal(spread([100, 9, 20]).median, 20)
})

test('a figure that was never reached in most runs is never reached', () => {
  assert.deepEqual(spread([50, Infinity, Infinity]), { median: Infinity, min: 50, max: Infinity })
  assert.equal(spread([50, 20, Infinity]).median, 50)
})

test('quantiles are samples, by the nearest rank', () => {
  const sorted = Float64Array.from({ length: 1000 }, (_, i) => i + 1)
  assert.deepEqual([0.5, 0.99, 0.999, 1].map((p) => quantile(sorted, p)), [500, 990, 999, 1000])
  assert.equal(quantile(Float64Array.of(3), 0.999), 3)
})

test('runs are interleaved: A B for every cell, then the next run', () => {
  const turns = interleave([{ runs: 2, contenders: 2 }, { runs: 2, contenders: 2 }])
  const names = turns.map(({ cell, contender, run }) => `${run}${'xy'[cell]}${'AB'[contender]}`)
  assert.deepEqual(names, ['0xA', '0xB', '0yA', '0yB', '1xA', '1xB', '1yA', '1yB'])
})

test('a cell with fewer runs takes part in the first ones only', () => {
  const order = interleave([{ runs: 1, contenders: 1 }, { runs: 3, contenders: 1 }]).map(({ cell, run }) => `${run}${cell}`)
  assert.deepEqual(order, ['00', '01', '11', '21'])
})
