import { after, describe, test } from 'node:test'
import { type Exploration, Explorer } from './explorer.js'
import { brokenNames, scenarios } from './rings.scenarios.js'
import { assertFound, assertHolds, deeper, upTo } from './suite.js'

const explorer = await Explorer.open(new URL('./rings.scenarios.js', import.meta.url))

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
    const preemptions = deeper ?? search.preemptions
    test(`${name}: nothing lost, nothing twice, nobody stuck (${preemptions} preemptions)`, (t) => {
      assertHolds(t, explorer, name, { ...search, preemptions })
    })
  }

  for (const name of brokenNames) {
    test(`the explorer finds the mistake of ${name}`, (t) => {
      assertFound(t, explorer, name, upTo(3))
    })
  }
})
