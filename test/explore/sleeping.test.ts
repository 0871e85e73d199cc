import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { type Exploration, Explorer, type Findings } from './explorer.js'
import { broken, right } from './sleeping.scenarios.js'

const explorer = await Explorer.open(new URL('./sleeping.scenarios.js', import.meta.url))
const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)
/** Set it to search deeper than a test may take. */
const deeper = process.env.PERCORE_PREEMPTIONS

/** Deaths, and spins of many looks, offer too many ways to go on for more than none. */
function searchOf(name: string): Exploration {
  if (deeper !== undefined) return { preemptions: Number(deeper), random: 10_000 }
  if (name.includes('dies')) return { preemptions: 0, random: 1000 }
  return { preemptions: name.includes('the caller looks') ? 0 : 1, random: 500 }
}

void describe('the caller and a worker go to sleep and wake each other, under every schedule', () => {
  after(() => explorer.close())

  for (const name of Object.keys(right)) {
    const search = searchOf(name)
    test(`${name}: every task has one outcome, nobody sleeps on work, no data race (${search.preemptions} preemptions)`, (t) => {
      const { schedules, longest, failure } = explorer.explore(name, { ...search, seed, schedulesMax: 5_000_000 })
      t.diagnostic(`${schedules} schedules of up to ${longest} decisions, PERCORE_SEED=${seed}`)
      assert.equal(failure, undefined, `${failure?.message}\nreplay: PERCORE_SCHEDULE='${failure?.schedule}' npm test -- explore`)
    })
  }

  for (const name of Object.keys(broken)) {
    test(`the explorer finds the mistake: ${name}`, (t) => {
      let schedules = 0
      let failure: Findings['failure']
      for (let preemptions = 0; preemptions <= 2 && failure === undefined; preemptions++) {
        const found = explorer.explore(name, { preemptions })
        schedules += found.schedules
        failure = found.failure
      }
      assert.ok(failure, `${schedules} schedules and none failed`)
      t.diagnostic(`after ${schedules} schedules: ${failure.message.split('\n', 1)[0]}`)
    })
  }
})
