import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { type Exploration, Explorer } from './explorer.js'

const explorer = await Explorer.open(new URL('./reports.scenarios.js', import.meta.url))
const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)
/** Set it to search deeper than a test may take. */
const deeper = process.env.PERCORE_PREEMPTIONS

const searches: Record<string, Exploration> = {
  'a task that reports once': { preemptions: 2, random: 300 },
  'a task that reports more than the lane holds': { preemptions: 1, random: 500 },
  'a task that reports and dies': { preemptions: 0, random: 1000 },
}

void describe('progress of a running task, under every schedule', () => {
  after(() => explorer.close())

  for (const [name, search] of Object.entries(searches)) {
    const preemptions = deeper === undefined ? search.preemptions : Number(deeper)
    test(`${name}: reports in order, before the outcome, no data race (${preemptions} preemptions)`, (t) => {
      const { schedules, longest, failure } = explorer.explore(name, { ...search, preemptions, seed, schedulesMax: 5_000_000 })
      t.diagnostic(`${schedules} schedules of up to ${longest} decisions, PERCORE_SEED=${seed}`)
      assert.equal(failure, undefined, `${failure?.message}\nreplay: PERCORE_SCHEDULE='${failure?.schedule}' npm test -- explore`)
    })
  }
})
