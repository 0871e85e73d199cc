import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { type Exploration, Explorer, type Findings } from './explorer.js'
import { brokenNames } from './ring.scenarios.js'

const explorer = await Explorer.open(new URL('./ring.scenarios.js', import.meta.url))
const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)
/** Set it to search deeper than a test may take. */
const deeper = process.env.PERCORE_PREEMPTIONS

const searches: Record<string, Exploration> = {
  'lane of 1': { preemptions: 3, random: 300 },
  'lane of 2, batches of 2': { preemptions: 3, random: 300 },
  'lane of 4, batches of 3 and 2': { preemptions: 3, random: 300 },
  'doorbell, blocked': { preemptions: 3, random: 300 },
  'doorbell, blocked with a time-out': { preemptions: 2, random: 300 },
  'doorbell, in its loop': { preemptions: 3, random: 300 },
  'doorbell, both ways': { preemptions: 3, random: 300 },
  'doorbell of two producers': { preemptions: 2, random: 1000 },
  'consumer dies, blocked': { preemptions: 1, random: 500 },
  'consumer dies, in its loop': { preemptions: 0, random: 1000 },
  'producer dies, consumer blocked': { preemptions: 0, random: 1000 },
  'producer dies, consumer in its loop': { preemptions: 1, random: 500 },
  'worker dies, its caller blocked': { preemptions: 0, random: 1000 },
  'worker dies, its caller in its loop': { preemptions: 1, random: 500 },
}

void describe('the real code, under every schedule', () => {
  after(() => explorer.close())

  for (const [name, search] of Object.entries(searches)) {
    const preemptions = deeper === undefined ? search.preemptions : Number(deeper)
    test(`${name}: nothing lost, nothing twice, nobody stuck, no data race (${preemptions} preemptions)`, (t) => {
      const { schedules, longest, failure } = explorer.explore(name, { ...search, preemptions, seed, schedulesMax: 5_000_000 })
      t.diagnostic(`${schedules} schedules of up to ${longest} decisions, PERCORE_SEED=${seed}`)
      assert.equal(failure, undefined, `${failure?.message}\nreplay: PERCORE_SCHEDULE='${failure?.schedule}' npm test -- explore`)
    })
  }

  for (const name of brokenNames) {
    test(`the explorer finds the mistake of ${name}`, (t) => {
      let schedules = 0
      let failure: Findings['failure']
      for (let preemptions = 0; preemptions <= 3 && failure === undefined; preemptions++) {
        const found = explorer.explore(name, { preemptions })
        schedules += found.schedules
        failure = found.failure
      }
      assert.ok(failure, `${schedules} schedules and none failed`)
      t.diagnostic(`after ${schedules} schedules: ${failure.message.split('\n', 1)[0]}`)
      assert.equal(explorer.replay(name, failure.schedule).failure?.message.split('\n', 1)[0], failure.message.split('\n', 1)[0])
    })
  }
})
