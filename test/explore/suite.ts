/** What the explorations share: how deep they search, and how a finding is told. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Exploration, Explorer, Findings } from './explorer.js'

export const seed: number = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)

/** Set `PERCORE_PREEMPTIONS` to search deeper than a test may take. */
export const deeper: number | undefined = process.env.PERCORE_PREEMPTIONS === undefined ? undefined : Number(process.env.PERCORE_PREEMPTIONS)

/** No schedule of the scenario fails. */
export function assertHolds(t: TestContext, explorer: Explorer, name: string, search: Exploration): void {
  const { schedules, longest, failure } = explorer.explore(name, { ...search, seed, schedulesMax: 5_000_000 })
  t.diagnostic(`${schedules} schedules of up to ${longest} decisions, PERCORE_SEED=${seed}`)
  assert.equal(failure, undefined, `${failure?.message}\nreplay: PERCORE_SCHEDULE='${failure?.schedule}' npm test -- explore`)
}

/** One of the searches finds a schedule that fails; gives it. */
export function assertFound(t: TestContext, explorer: Explorer, name: string, searches: readonly Exploration[]): NonNullable<Findings['failure']> {
  let schedules = 0
  for (const search of searches) {
    const found = explorer.explore(name, search)
    schedules += found.schedules
    if (found.failure === undefined) continue
    t.diagnostic(`after ${schedules} schedules: ${found.failure.message.split('\n', 1)[0]}`)
    return found.failure
  }
  assert.fail(`${schedules} schedules and none failed`)
}

/** Up to so many preemptions, few first. */
export function upTo(preemptions: number): Exploration[] {
  return Array.from({ length: preemptions + 1 }, (_, few) => ({ preemptions: few }))
}
