import assert from 'node:assert/strict'
import { test } from 'node:test'
import { duration, rate } from '../../src/cli/numbers.js'
import { createProgressModel, progressText, type Reading } from '../../src/cli/progress.js'

const reading = (atMs: number, rows: number, idleMs: readonly number[] = [0, 0], failed = 0): Reading =>
  ({ atMs, counts: { rows, failed, bytesIn: rows * 100 }, idleMs })

test('rate and time left follow the last seconds', () => {
  const model = createProgressModel(1_000_000, reading(0, 0))
  assert.equal(model.next(reading(1000, 1000)).rowsPerSecond, 1000)
  for (let second = 2; second <= 10; second += 1) model.next(reading(second * 1000, 1000 + (second - 1) * 500))
  const view = model.next(reading(11_000, 6000))
  assert.equal(view.rowsPerSecond, 500)
  assert.equal(view.etaSeconds, 8)
  assert.equal(view.fraction, 0.6)
})

test('nothing is promised while nothing moves or the size is unknown', () => {
  assert.equal(createProgressModel(1000, reading(0, 0)).next(reading(1000, 0)).etaSeconds, undefined)
  const view = createProgressModel(undefined, reading(0, 0)).next(reading(1000, 5))
  assert.deepEqual([view.etaSeconds, view.fraction], [undefined, undefined])
})

test('utilisation is the busy part of the time since the last reading, per worker', () => {
  const model = createProgressModel(undefined, reading(0, 0))
  model.next(reading(1000, 1, [500, 0]))
  assert.deepEqual(model.next(reading(2000, 2, [600, 1000])).utilisation, [0.9, 0])
})

test('a progress line says rows, rate, time left, workers and failures', () => {
  const view = { rows: 1_234_567, failed: 2, rowsPerSecond: 1_020_000, utilisation: [0.98, 1], fraction: 0.5, etaSeconds: 75 }
  assert.equal(progressText(view), '1,234,567 rows · 1.02 M rows/s · ETA 1:15 · workers 98% 100% · 2 rows failed')
})

test('many workers are shown as their mean', () => {
  const view = { rows: 1, failed: 0, rowsPerSecond: 1, utilisation: Array.from({ length: 16 }, (_, i) => i / 15), fraction: undefined, etaSeconds: undefined }
  assert.equal(progressText(view), '1 row · 1 rows/s · workers 50% of 16')
})

test('numbers are written as people read them', () => {
  assert.deepEqual([0.5, 12.34, 75, 3725].map(duration), ['0.50 s', '12.3 s', '1:15', '1:02:05'])
  assert.deepEqual([0, 999_999, 1_250_000].map(rate), ['0 rows/s', '999,999 rows/s', '1.25 M rows/s'])
})
