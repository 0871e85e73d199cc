import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { type Exploration, Explorer, type Findings } from './explorer.js'
import { broken, right } from './nested.scenarios.js'

const explorer = await Explorer.open(new URL('./nested.scenarios.js', import.meta.url))
const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)
/** Fewer than none: no other way to go on is tried but by chance. */
const noneButRandom = -1
/** Set it to search deeper than a test may take. */
const deeper = process.env.PERCORE_PREEMPTIONS

/** With two workers and a caller there are many ways to go on when one sleeps. Those with a death are searched by random schedules only. */
function searchOf(name: string): Exploration {
  if (deeper !== undefined) return { preemptions: Number(deeper), random: 10_000 }
  if (name.includes('dies')) return { preemptions: noneButRandom, random: 1000 }
  return name.includes('in the event loop') ? { preemptions: noneButRandom, random: 400 } : { preemptions: 0, random: 300 }
}

void describe('calls from inside handlers, under every schedule', () => {
  after(() => explorer.close())

  for (const name of Object.keys(right)) {
    const search = searchOf(name)
    test(`${name}: each has its answer, nobody is stuck, no block is lost, no data race (${search.preemptions < 0 ? 'at random' : `${search.preemptions} preemptions`})`, (t) => {
      const { schedules, longest, failure } = explorer.explore(name, { ...search, seed, schedulesMax: 5_000_000 })
      t.diagnostic(`${schedules} schedules of up to ${longest} decisions, PERCORE_SEED=${seed}`)
      assert.equal(failure, undefined, `${failure?.message}\nreplay: PERCORE_SCHEDULE='${failure?.schedule}' npm test -- explore`)
    })
  }

  for (const name of Object.keys(broken)) {
    test(`the explorer finds the mistake: ${name}`, (t) => {
      let schedules = 0
      let failure: Findings['failure']
      for (let preemptions = -1; preemptions <= 1 && failure === undefined; preemptions++) {
        const found = explorer.explore(name, { preemptions, random: preemptions < 0 ? 2000 : 0, seed: 1 })
        schedules += found.schedules
        failure = found.failure
      }
      assert.ok(failure, `${schedules} schedules and none failed`)
      t.diagnostic(`after ${schedules} schedules: ${failure.message.split('\n', 1)[0]}`)
    })
  }
})
