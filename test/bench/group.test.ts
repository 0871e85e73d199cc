import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureBurst } from '../../bench/burst.js'
import { startBusyProcess } from '../../bench/busy.js'
import { assertEchoes, measureFlow } from '../../bench/driver.js'
import { bench as group } from '../../bench/group.js'
import { type Bench, runBench } from '../../bench/index.js'
import { makePayloads } from '../../bench/payloads.js'
import { type Pool, startWay, type Way, ways } from '../../bench/subjects/index.js'

for (const { params, payloads } of ways) {
  const by = params?.['by'] as Way
  test(`the group by ${by} gives back what it was sent, and keeps going`, async () => {
    for (const payload of payloads) {
      const values = makePayloads(payload, 16)
      const { pool, checked, tasksPerRun, values: given } = await startWay(by, { workers: 2, handler: 'echo', inFlight: 16 }, values)
      await assertEchoes(checked, values)
      const flow = await measureFlow(pool, given, { inFlight: 16 / tasksPerRun, warmupCpuMs: 1, measureMs: 5 })
      assert.ok(flow.tasks > 0)
      await pool.close()
    }
  })
}

test('a burst looks at every result', async () => {
  const close = async (): Promise<void> => undefined
  const [elapsed] = await measureBurst({ run: async (value) => value, close }, 100, 1)
  assert.ok(elapsed !== undefined && elapsed.value > 0)
  const forgetful: Pool = { run: async (value) => value === 57 ? 0 : value, close }
  await assert.rejects(measureBurst(forgetful, 100, 1), /task 57 of 100 came back as 0/)
})

test('the whole group bench has the other ways, a busy process and a burst; a quick one has not', () => {
  const cells = group.plan({ quick: false })
  const by = cells.flatMap(({ contenders }) => contenders.map(({ params }) => params?.['by']))
  assert.deepEqual([...new Set(by)], [undefined, 'call', 'runMany', 'view', 'SharedBlock'])
  assert.ok(cells.some(({ params }) => params['beside'] === 'busy process'))
  assert.deepEqual(cells.filter(({ params }) => params['at_once'] === 100_000).map(({ params }) => params['workers']), [2])
  assert.deepEqual(group.plan({ quick: true }).map(({ contenders }) => contenders.length), [3, 3])
})

test('percore is measured in every way through the harness', async () => {
  const small: Bench = {
    ...group,
    plan: () => [
      ...ways.map((way) => ({ params: { workers: 1, in_flight: 16, payload: way.payloads[0] ?? '' }, contenders: [way] })),
      { params: { workers: 1, in_flight: 16, payload: 'num', beside: 'busy process' }, contenders: [{ subject: 'percore' }] },
      { params: { workers: 1, at_once: 5000, payload: 'num' }, contenders: [{ subject: 'percore' }] },
    ].map((cell) => ({ ...cell, runs: 1, timeoutMs: 60_000, input: { warmup_cpu_ms: 1, measure_ms: 1 } })),
  }
  const { results, failures } = await runBench(small, { choice: { quick: true } })
  assert.deepEqual(failures, [])
  assert.equal(results.filter(({ metric, values }) => metric === 'tasks_per_s' && values.every((value) => value > 0)).length, 5)
  assert.ok(results.some(({ metric }) => metric === 'elapsed_ms'))
})

test('a busy process can be ended', () => {
  assert.doesNotThrow(startBusyProcess())
})
