import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { type Exploration, Explorer, type Findings } from './explorer.js'
import { brokenNames, scenarios } from './rings.scenarios.js'

const explorer = await Explorer.open(new URL('./rings.scenarios.js', import.meta.url))
const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)
/** Set it to search deeper than a test may take. */
const deeper = process.env.PERCORE_PREEMPTIONS

/** The event count is small enough for more; deaths and many threads multiply the schedules of one bound. */
function searchOf(name: string): Exploration {
  if (!name.startsWith('event')) return { preemptions: name.includes('dies') ? 0 : 1, random: 300 }
  if (name.includes('blocked one dies')) return { preemptions: 0, random: 1000 }
  return { preemptions: scenarios[name].threads.length > 3 || name.includes('dies') ? 1 : 2, random: 300 }
}

void describe('the real rings, under every schedule', () => {
  after(() => explorer.close())

  for (const name of Object.keys(scenarios).filter((name) => !brokenNames.includes(name))) {
    const search = searchOf(name)
    const preemptions = deeper === undefined ? search.preemptions : Number(deeper)
    test(`${name}: nothing lost, nothing twice, nobody stuck (${preemptions} preemptions)`, (t) => {
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
    })
  }
})
