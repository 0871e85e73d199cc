import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bench, runBench } from '../../bench/index.js'
import { bench as paced, pace } from '../../bench/paced.js'
import type { Pool } from '../../bench/subjects/index.js'

const close = async (): Promise<void> => undefined

test('a task is sent in its time, though the one before is not done, and every one is waited for', async () => {
  const waiting: (() => void)[] = []
  const pool: Pool = {
    run: (value) => new Promise((resolve) => {
      waiting.push(() => resolve(value))
      if (waiting.length === 8) for (const settle of waiting) settle()
    }),
    close,
  }
  const samplesUs = new Float64Array(8)
  await pace(pool, 1, 1, samplesUs)
  assert.equal(waiting.length, 8)
  assert.ok(samplesUs.every((us) => us > 0))
})

test('a paced task that fails ends the pacing', async () => {
  let runs = 0
  const refusing: Pool = { run: () => Promise.reject(new Error(`no ${runs++}`)), close }
  await assert.rejects(pace(refusing, 1, 1, new Float64Array(1000)), /no 0/)
  assert.ok(runs < 1000)
})

test('paced measures percore, and the pacing itself, through the harness', async () => {
  const small: Bench = {
    ...paced,
    plan: (choice) => paced.plan(choice).map((cell) => ({ ...cell, input: { warmup_cpu_ms: 1, tasks: 20, idle_ms: 20 } })),
  }
  const { results, failures } = await runBench(small, { choice: { quick: true, runs: 1, subjects: ['percore', 'inline'] } })
  assert.deepEqual(failures, [])
  const metrics = ['latency_us_p50', 'latency_us_p99', 'cpu_percent', 'idle_cpu_percent']
  for (const name of ['percore', 'inline']) {
    const ours = results.filter(({ subject }) => subject === name)
    assert.deepEqual(ours.map(({ metric }) => metric), metrics)
    assert.deepEqual(ours[0]?.params, { workers: 1, every_ms: 1 })
    for (const { values } of ours) assert.ok(values.every((value) => value >= 0 && Number.isFinite(value)))
  }
})
