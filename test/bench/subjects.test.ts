import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertEchoes } from '../../bench/driver.js'
import { spin } from '../../bench/handlers.js'
import { isInstalled } from '../../bench/harness/runner.js'
import { makePayloads, payloadNames } from '../../bench/payloads.js'
import { pools, quickPools } from '../../bench/subjects/index.js'

for (const { subject, needs, start } of pools) {
  test(`${subject} gives back every payload, and runs the handler it is told to`, async (t) => {
    if (needs !== undefined && !isInstalled(needs)) return t.skip(`npm install --save-dev ${needs}`)
    const echoing = await start({ workers: 2, handler: 'echo', inFlight: 16 })
    for (const name of payloadNames) await assertEchoes(echoing, makePayloads(name, 16))
    await echoing.close()
    const spinning = await start({ workers: 1, handler: 'spin', inFlight: 16 })
    assert.equal(await spinning.run(1000), spin(1000))
    await spinning.close()
  })
}

test('a quick look measures few of them', () => {
  assert.deepEqual(quickPools.map(({ subject }) => subject), ['percore', 'piscina', 'postMessage'])
})
