import { after, describe, test } from 'node:test'
import { type Exploration, Explorer } from './explorer.js'
import { assertFound, assertHolds, deeper, upTo } from './suite.js'

const explorer = await Explorer.open(new URL('./exec.scenarios.js', import.meta.url))

const searches: Record<string, Exploration> = {
  'a remote wake-up': { preemptions: 5, random: 200 },
  'three remote wake-ups': { preemptions: 3, random: 200 },
  'a waker in a used slot': { preemptions: 3, random: 200 },
  'a waking thread dies': { preemptions: 1, random: 500 },
}
const broken = [
  'broken: looks only at its own tasks before it sleeps',
  'broken: after a death the executor is only rung',
  'broken: a late sender knows a waker by its slot alone',
]

void describe('the real executor, woken from another thread, under every schedule', () => {
  after(() => explorer.close())

  for (const [name, search] of Object.entries(searches)) {
    const preemptions = deeper ?? search.preemptions
    test(`${name}: never lost, never stale, no data race (${preemptions} preemptions)`, (t) => {
      assertHolds(t, explorer, name, { ...search, preemptions })
    })
  }

  for (const name of broken) {
    test(`the explorer finds the mistake of ${name.slice('broken: '.length)}`, (t) => {
      assertFound(t, explorer, name, upTo(3))
    })
  }
})
