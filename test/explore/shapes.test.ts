import { after, describe, test } from 'node:test'
import { type Exploration, Explorer } from './explorer.js'
import { broken, holds } from './shapes.scenarios.js'
import { assertFound, assertHolds, deeper, upTo } from './suite.js'

const explorer = await Explorer.open(new URL('./shapes.scenarios.js', import.meta.url))

/** Deaths offer too many ways to go on for more than none. */
const search = (name: string): Exploration => ({ preemptions: deeper ?? (name.includes('dies') ? 0 : 2), random: 500 })

void describe('the shapes that threads share, under every schedule', () => {
  after(() => explorer.close())

  for (const name of Object.keys(holds)) {
    test(`${name}: every row is read as it was, each shape is shared once, no data race (${search(name).preemptions} preemptions)`, (t) => {
      assertHolds(t, explorer, name, search(name))
    })
  }

  for (const name of Object.keys(broken)) {
    test(`the explorer finds the mistake: ${name}`, (t) => {
      assertFound(t, explorer, name, upTo(2))
    })
  }
})
