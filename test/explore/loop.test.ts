import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { type Exploration, Explorer } from './explorer.js'
import { assertHolds, deeper, seed } from './suite.js'

const explorer = await Explorer.open(new URL('./loop.scenarios.js', import.meta.url))

const searches: Record<string, Exploration> = {
  'a worker with fast handlers': { preemptions: 1, random: 500 },
  'a worker with fast handlers of other values': { preemptions: 1, random: 500 },
  'a worker with fast handlers of some other values': { preemptions: 0, random: 500 },
  'a worker with fast handlers of tasks some of which have stamps': { preemptions: 0, random: 500 },
  'a worker with slow handlers': { preemptions: 1, random: 500 },
  'a worker with a lane of 1': { preemptions: 1, random: 500 },
  'a worker that dies, with fast handlers': { preemptions: 0, random: 1000 },
  'a worker that dies, with fast handlers of other values': { preemptions: 0, random: 1000 },
  'a worker that dies, with fast handlers of some other values': { preemptions: 0, random: 1000 },
  'a worker that dies, with fast handlers of tasks some of which have stamps': { preemptions: 0, random: 1000 },
  'a worker that dies, with slow handlers': { preemptions: 0, random: 1000 },
}

void describe('the real worker loop, under every schedule', () => {
  after(() => explorer.close())

  for (const [name, search] of Object.entries(searches)) {
    const preemptions = deeper ?? search.preemptions
    test(`${name}: every task has one outcome, nobody is stuck, no data race (${preemptions} preemptions)`, (t) => {
      assertHolds(t, explorer, name, { ...search, preemptions })
    })
  }

  const mistake = 'the rest of the descriptor in which a worker died is skipped'
  test(`the explorer finds the mistake: ${mistake}`, () => {
    const { failure } = explorer.explore(mistake, { preemptions: 0, random: 1000, seed, schedulesMax: 100_000 })
    assert.match(String(failure?.message), /only the task that was running fails/)
  })
})
