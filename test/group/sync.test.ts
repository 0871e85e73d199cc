import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PercoreError } from '../../src/index.js'
import { startGroup } from './start.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected
const invalid = code('ERR_PERCORE_INVALID_OPTION')

test('runSync gives what the handler gives, synchronous or not, and throws what it throws', async () => {
  await using group = await startGroup()
  assert.equal(group.runSync('double', 21), 42)
  assert.deepEqual(group.runSync('echo', { deep: [new Map([[1, 'x'.repeat(10_000)]])] }), { deep: [new Map([[1, 'x'.repeat(10_000)]])] })
  assert.equal(group.runSync('later', { ms: 20, value: 'slept' }), 'slept')
  assert.throws(() => group.runSync('fail', 'as thrown'), { name: 'TypeError', message: 'as thrown', code: 'E_ROW' })
  assert.throws(() => group.runSync('echo', () => {}), code('ERR_PERCORE_NOT_CLONEABLE'))
  assert.equal(group.runSync('where', undefined, { worker: 1 }).worker, 1)
  for (let i = 0; i < 2000; i++) assert.equal(group.runSync('double', i), 2 * i)
  assert.equal(await group.run('double', 1), 2)
})

test('calls that wait for room are let in while runSync waits for it, and come back', async () => {
  await using group = await startGroup({ workers: 1, depth: 2 })
  const calls = Array.from({ length: 100 }, (_, i) => group.run('echo', i))
  assert.equal(group.runSync('double', 4), 8)
  assert.deepEqual(await Promise.all(calls), Array.from({ length: 100 }, (_, i) => i))
})

test('runSync may be called from a callback, and while this thread sleeps between completions', async () => {
  await using group = await startGroup({ workers: 2 })
  const seen: number[] = []
  await new Promise<void>((resolve) => {
    for (let i = 0; i < 200; i++) {
      group.call('double', i, (doubled) => {
        seen.push(group.runSync('double', doubled))
        if (seen.length === 200) resolve()
      })
    }
  })
  assert.deepEqual(seen.toSorted((a, b) => a - b), Array.from({ length: 200 }, (_, i) => 4 * i))
  const late = group.run('later', { ms: 60, value: 'late' })
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(group.runSync('double', 3), 6)
  assert.equal(await late, 'late')
})

test('a time limit ends the wait; a handler that never returns is stopped when the event loop turns', async () => {
  await using group = await startGroup({ workers: 1 })
  assert.throws(() => group.runSync('spin', 1e9, { timeoutMs: 500 }), code('ERR_PERCORE_TIMEOUT'))
  assert.throws(() => group.runSync('double', 1, { timeoutMs: 30 }), code('ERR_PERCORE_TIMEOUT'), 'it is still being held')
  assert.equal(await group.run('double', 2), 4)
  assert.equal(group.stats().workers[0].restarts, 1)
})

for (const [way, kill] of [['process.exit', 'exit'], ['an uncaught error', 'uncaught'], ['running out of memory', 'exhaust']] as const) {
  test(`the wait ends when the worker does, by ${way}, although no event gets in`, { skip: kill === 'exhaust' && process.platform !== 'linux' && 'threads are run out of memory on Linux only' }, async () => {
    await using group = await startGroup({ workers: 1, resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 } })
    assert.throws(() => (kill === 'exit' ? group.runSync('exit', 1) : group.runSync(kill)), code('ERR_PERCORE_WORKER_DIED'))
    assert.throws(() => group.runSync('double', 1, { timeoutMs: 5000 }), code('ERR_PERCORE_WORKER_DIED'))
    assert.equal(await group.run('double', 2), 4)
    assert.equal(group.runSync('double', 3), 6)
  })
}

test('what runSync cannot do is refused', async () => {
  const group = await startGroup({ workers: 1 })
  for (const options of [{ signal: AbortSignal.timeout(1) }, { hard: true, timeoutMs: 5 }, { retry: 1 }, { onReport: () => {} }, { timeoutMs: -1 }, { worker: 3 }]) {
    assert.throws(() => group.runSync('double', 1, options as never), invalid)
  }
  assert.throws(() => group.runSync('dubble' as 'double', 1), code('ERR_PERCORE_NO_SUCH_HANDLER'))
  let inner: unknown
  await group.run('echo', {
    get trap() {
      try {
        group.runSync('double', 1)
      } catch (error) {
        inner = error
      }
      return 1
    },
  })
  assert.ok(invalid(inner))
  await group.close()
  assert.throws(() => group.runSync('double', 1), code('ERR_PERCORE_CLOSED'))
})
