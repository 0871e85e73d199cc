import { after, describe, test } from 'node:test'
import { type Exploration, Explorer } from './explorer.js'
import { brokenNames, mortalNames, scenarios } from './heap.scenarios.js'
import { assertFound, assertHolds, deeper, upTo } from './suite.js'

const explorer = await Explorer.open(new URL('./heap.scenarios.js', import.meta.url))

/** Points at plain accesses, and deaths, multiply the schedules of one bound. */
function searchOf(name: string): Exploration {
  if (mortalNames.includes(name)) return { preemptions: 0, random: 300 }
  return name.endsWith('finely') ? { preemptions: 1, random: 100 } : { preemptions: 2, random: 200 }
}

void describe('the real heap, under every schedule', () => {
  after(() => explorer.close())

  for (const name of Object.keys(scenarios).filter((name) => !brokenNames.includes(name))) {
    const search = searchOf(name)
    const preemptions = deeper ?? search.preemptions
    test(`${name}: no block lost or handed out twice, none out of reach, a clean audit (${preemptions} preemptions)`, (t) => {
      assertHolds(t, explorer, name, { ...search, preemptions })
    })
  }

  for (const name of brokenNames) {
    test(`the explorer finds the mistake of ${name}`, (t) => {
      assertFound(t, explorer, name, upTo(3))
    })
  }
})
