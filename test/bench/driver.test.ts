import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertEchoes, measureFlow, runTasks } from '../../bench/driver.js'
import { makePayloads, payloadNames } from '../../bench/payloads.js'
import { Fifo } from '../../bench/subjects/fifo.js'
import type { Pool } from '../../bench/subjects/index.js'

interface CountingPool extends Pool {
  readonly seen: { issued: number, inFlight: number, most: number }
}

function countingPool(): CountingPool {
  const seen = { issued: 0, inFlight: 0, most: 0 }
  return {
    seen,
    run: (value) => {
      seen.issued++
      seen.most = Math.max(seen.most, ++seen.inFlight)
      return new Promise((resolve) => { setImmediate(() => { seen.inFlight--; resolve(value) }) })
    },
    close: async () => undefined,
  }
}

test('the flow keeps exactly as many tasks in flight as asked, and waits for the last', async () => {
  const pool = countingPool()
  const flow = await measureFlow(pool, [1], { inFlight: 64, warmupCpuMs: 5, measureMs: 20 })
  assert.equal(pool.seen.most, 64)
  assert.equal(pool.seen.inFlight, 0)
  assert.ok(flow.tasks > 0 && flow.tasks < pool.seen.issued, 'the warm-up is not counted')
})

test('a failing task ends the flow', async () => {
  const refusing: Pool = { run: () => Promise.reject(new Error('no')), close: async () => undefined }
  await assert.rejects(measureFlow(refusing, [1], { inFlight: 2, warmupCpuMs: 1, measureMs: 1 }), /no/)
})

test('tasks in flight at the same time carry different values', async () => {
  const values = makePayloads('json', 100)
  assert.equal(new Set(values.map((value) => JSON.stringify(value))).size, 128)
  const seen: unknown[] = []
  const pool = countingPool()
  const recording: Pool = { ...pool, run: (value) => { seen.push(value); return pool.run(value) } }
  await measureFlow(recording, values, { inFlight: 100, warmupCpuMs: 1, measureMs: 1 })
  assert.ok(seen.length >= 100)
  assert.ok(seen.every((value, index) => value === values[index % 128]), 'each in its turn')
})

test('a number of tasks is run exactly, however it compares with the tasks in flight', async () => {
  for (const [total, inFlight] of [[10, 3], [3, 10], [1, 1], [64, 64]] as const) {
    const pool = countingPool()
    await runTasks(pool, 1, total, inFlight)
    assert.deepEqual(pool.seen, { issued: total, inFlight: 0, most: Math.min(total, inFlight) })
  }
})

test('a pool that gives back something else is found out before it is measured', async () => {
  for (const name of payloadNames) await assertEchoes(countingPool(), makePayloads(name, 4))
  await assert.rejects(assertEchoes({ run: async () => 41, close: async () => undefined }, [42]), /differs/)
})

test('the queue of the hand-made rivals is first in, first out, while it grows and wraps', () => {
  const queue = new Fifo<number>()
  const out: (number | undefined)[] = []
  let next = 0
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 50; i++) queue.push(next++)
    for (let i = 0; i < 40; i++) out.push(queue.shift())
  }
  while (out.length < next) out.push(queue.shift())
  assert.deepEqual(out, Array.from({ length: 1000 }, (_, i) => i))
  assert.equal(queue.shift(), undefined)
})
