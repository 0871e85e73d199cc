import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bench, runBench } from '../../bench/index.js'
import { isInstalled } from '../../bench/harness/runner.js'
import { bench as ring } from '../../bench/ring.js'
import { measureMessagePort } from '../../bench/ring/message-port.js'
import { packageName } from '../../bench/ring/ringbuf.js'
import type { Shape } from '../../bench/ring/transport.js'
import { openTransport } from '../../bench/ring/transports.js'

for (const { subject, needs } of ring.contenders.filter(({ subject }) => subject !== 'MessagePort')) {
  test(`${subject} moves every word of every record, whatever the batch`, async (t) => {
    if (needs !== undefined && !isInstalled(needs)) return t.skip(`npm install --save-dev ${packageName}`)
    const transport = await openTransport(subject)
    for (const words of [4, 16]) {
      for (const batch of [1, 8, 32]) {
        const shape: Shape = { words, capacity: 1024, batch, lanes: 2, consumers: 1, shortOfCores: false }
        const handle = transport.create(shape)
        const produce = transport.produce(handle, shape, 1)
        const consume = transport.consume(handle, shape, 0)
        for (let round = 0; round < 3; round++) {
          produce(1000, true)
          assert.equal(consume(1), words * 1000 * 1001 / 2, `${words} words, batch ${batch}`)
        }
      }
    }
  })
}

test('a MessagePort is measured until the last record has been received', async () => {
  assert.ok(await measureMessagePort(1000, 4, 32) > 0)
})

/** A bench with less work in every cell: is it wired up, not how fast is it. */
const small: Bench = {
  ...ring,
  plan: (choice) => ring.plan(choice)
    .filter(({ params }) => params['batch'] === 8)
    .map((cell) => ({ ...cell, input: { ...cell.input, items: 20_000, warmup: 20_000 } })),
}

test('ring measures percore in every topology, and says of a rival that is missing how to install it', async () => {
  const report = await runBench(small, { choice: { quick: true, runs: 1, subjects: ['percore', packageName] } })
  assert.deepEqual(report.failures, [])
  const ours = report.results.filter(({ subject, metric }) => subject === 'percore' && metric === 'items_per_s')
  assert.deepEqual([...new Set(ours.map(({ params }) => params['threads']))], ['1 to 1', '2 to 1', '2 of 64 to 1', '2 to 2'])
  assert.deepEqual([...new Set(ring.plan({ quick: true }).map(({ params }) => params['batch']))], [1, 8, 32])
  assert.ok(ours.every(({ values }) => values.every((value) => value > 0)))
  const skips = isInstalled(packageName) ? [] : [packageName]
  assert.deepEqual(report.skips.map(({ subject }) => subject), skips)
  for (const { reason } of report.skips) assert.match(reason, /npm install --save-dev ringbuf\.js/)
})
