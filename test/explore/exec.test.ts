import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { type Exploration, Explorer, type Findings } from './explorer.js'

const explorer = await Explorer.open(new URL('./exec.scenarios.js', import.meta.url))
const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)
/** Set it to search deeper than a test may take. */
const deeper = process.env.PERCORE_PREEMPTIONS

const searches: Record<string, Exploration> = {
  'a remote wake-up': { preemptions: 5, random: 200 },
  'three remote wake-ups': { preemptions: 3, random: 200 },
  'a waker in a used slot': { preemptions: 3, random: 200 },
}
const broken = ['broken: looks only at its own tasks before it sleeps', 'broken: a late sender knows a waker by its slot alone']

void describe('the real executor, woken from another thread, under every schedule', () => {
  after(() => explorer.close())

  for (const [name, search] of Object.entries(searches)) {
    const preemptions = deeper === undefined ? search.preemptions : Number(deeper)
    test(`${name}: never lost, never stale, no data race (${preemptions} preemptions)`, (t) => {
      const { schedules, longest, failure } = explorer.explore(name, { ...search, preemptions, seed, schedulesMax: 5_000_000 })
      t.diagnostic(`${schedules} schedules of up to ${longest} decisions, PERCORE_SEED=${seed}`)
      assert.equal(failure, undefined, `${failure?.message}\nreplay: PERCORE_SCHEDULE='${failure?.schedule}' npm test -- explore`)
    })
  }

  for (const name of broken) {
    test(`the explorer finds the mistake of ${name.slice('broken: '.length)}`, (t) => {
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
