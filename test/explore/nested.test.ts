import { after, describe, test } from 'node:test'
import { type Exploration, Explorer } from './explorer.js'
import { broken, right } from './nested.scenarios.js'
import { assertFound, assertHolds, deeper } from './suite.js'

const explorer = await Explorer.open(new URL('./nested.scenarios.js', import.meta.url))
/** Fewer than none: no other way to go on is tried but by chance. */
const noneButRandom = -1

/** With two workers and a caller there are many ways to go on when one sleeps. Those with a death are searched by random schedules only. */
function searchOf(name: string): Exploration {
  if (deeper !== undefined) return { preemptions: deeper, random: 10_000 }
  if (name.includes('dies')) return { preemptions: noneButRandom, random: 1000 }
  return name.includes('in the event loop') ? { preemptions: noneButRandom, random: 400 } : { preemptions: 0, random: 300 }
}

void describe('calls from inside handlers, under every schedule', () => {
  after(() => explorer.close())

  for (const name of Object.keys(right)) {
    const search = searchOf(name)
    test(`${name}: each has its answer, nobody is stuck, no block is lost, no data race (${search.preemptions < 0 ? 'at random' : `${search.preemptions} preemptions`})`, (t) => {
      assertHolds(t, explorer, name, search)
    })
  }

  for (const name of Object.keys(broken)) {
    test(`the explorer finds the mistake: ${name}`, (t) => {
      assertFound(t, explorer, name, [
        { preemptions: noneButRandom, random: 2000, seed: 1 }, { preemptions: 0, random: 0, seed: 1 }, { preemptions: 1, random: 0, seed: 1 },
      ])
    })
  }
})
