import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { type Exploration, Explorer } from './explorer.js'
import { brokenNames } from './ring.scenarios.js'
import { assertFound, assertHolds, deeper, upTo } from './suite.js'

const explorer = await Explorer.open(new URL('./ring.scenarios.js', import.meta.url))

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
    const preemptions = deeper ?? search.preemptions
    test(`${name}: nothing lost, nothing twice, nobody stuck, no data race (${preemptions} preemptions)`, (t) => {
      assertHolds(t, explorer, name, { ...search, preemptions })
    })
  }

  for (const name of brokenNames) {
    test(`the explorer finds the mistake of ${name}`, (t) => {
      const failure = assertFound(t, explorer, name, upTo(3))
      assert.equal(explorer.replay(name, failure.schedule).failure?.message.split('\n', 1)[0], failure.message.split('\n', 1)[0])
    })
  }
})
