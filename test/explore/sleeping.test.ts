import { after, describe, test } from 'node:test'
import { type Exploration, Explorer } from './explorer.js'
import { broken, right } from './sleeping.scenarios.js'
import { assertFound, assertHolds, deeper, upTo } from './suite.js'

const explorer = await Explorer.open(new URL('./sleeping.scenarios.js', import.meta.url))

/** Deaths, and spins of many looks, offer too many ways to go on for more than none. */
function searchOf(name: string): Exploration {
  if (deeper !== undefined) return { preemptions: deeper, random: 10_000 }
  if (name.includes('dies')) return { preemptions: 0, random: 1000 }
  return { preemptions: name.includes('the caller looks') ? 0 : 1, random: 500 }
}

void describe('the caller and a worker go to sleep and wake each other, under every schedule', () => {
  after(() => explorer.close())

  for (const name of Object.keys(right)) {
    const search = searchOf(name)
    test(`${name}: every task has one outcome, nobody sleeps on work, no data race (${search.preemptions} preemptions)`, (t) => {
      assertHolds(t, explorer, name, search)
    })
  }

  for (const name of Object.keys(broken)) {
    test(`the explorer finds the mistake: ${name}`, (t) => {
      assertFound(t, explorer, name, upTo(2))
    })
  }
})
