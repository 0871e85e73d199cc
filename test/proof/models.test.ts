import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { listRuns, missingTools, verify } from './spin.js'

const missing = await missingTools()
const runs = listRuns()

test('every model lists runs that are right and runs that are broken on purpose', () => {
  const models = new Set(runs.map((run) => run.model))
  assert.ok(models.size >= 3, `models: ${[...models].join(' ')}`)
  for (const model of models) {
    for (const expected of ['right', 'broken']) {
      assert.ok(runs.some((run) => run.model === model && run.expected === expected), `${model} has no ${expected} run`)
    }
  }
})

void describe('Spin agrees', { skip: missing, concurrency: 2 }, () => {
  for (const run of runs) {
    const sentence = run.expected === 'right' ? 'finds no error' : 'finds the error'
    test(`${run.model}: ${sentence}: ${run.what} ${run.macros.join(' ')}`.trim(), async (t) => {
      const verdict = await verify(run)
      t.diagnostic(verdict.summary)
      assert.ok(verdict.asExpected, verdict.output)
    })
  }
})
