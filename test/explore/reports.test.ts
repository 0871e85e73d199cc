import { after, describe, test } from 'node:test'
import { type Exploration, Explorer } from './explorer.js'
import { assertHolds, deeper } from './suite.js'

const explorer = await Explorer.open(new URL('./reports.scenarios.js', import.meta.url))

const searches: Record<string, Exploration> = {
  'a task that reports once': { preemptions: 2, random: 300 },
  'a task that reports more than the lane holds': { preemptions: 1, random: 500 },
  'a task that reports and dies': { preemptions: 0, random: 1000 },
}

void describe('progress of a running task, under every schedule', () => {
  after(() => explorer.close())

  for (const [name, search] of Object.entries(searches)) {
    const preemptions = deeper ?? search.preemptions
    test(`${name}: reports in order, before the outcome, no data race (${preemptions} preemptions)`, (t) => {
      assertHolds(t, explorer, name, { ...search, preemptions })
    })
  }
})
