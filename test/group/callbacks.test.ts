import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PercoreError } from '../../src/index.js'
import { program, startGroup } from './start.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected

test('a callback gets the result, another the failure, each once and never before call has returned', async () => {
  await using group = await startGroup({ workers: 2, depth: 8 })
  const seen: unknown[] = []
  let returned = false
  const record = (what: unknown): void => {
    assert.ok(returned)
    seen.push(what)
  }
  group.call('double', 4, record)
  group.call('fail', 'as told', () => assert.fail(), (error) => record((error as Error).message))
  group.call('echo', () => {}, () => assert.fail(), (error) => record((error as PercoreError).code))
  group.call('where', undefined, ({ worker }) => record(worker), undefined, { worker: 1 })
  for (let n = 0; n < 500; n++) group.call('echo', { n }, (value) => record((value as { n: number }).n))
  returned = true
  await group.close()
  assert.equal(seen.length, 504)
  assert.equal(new Set(seen).size, 504 - 2, '8 and 1 are echoed too')
  for (const what of [8, 'as told', 'ERR_PERCORE_NOT_CLONEABLE', 1]) assert.ok(seen.includes(what))
})

test('a callback may call the group again, with every worker full', async () => {
  await using group = await startGroup({ workers: 2, depth: 4 })
  let left = 20_000
  await new Promise<void>((resolve) => {
    const next = (result: number): void => {
      assert.equal(result % 2, 0)
      if (left-- > 0) group.call('double', left, next)
      else resolve()
    }
    for (let i = 0; i < 8; i++) group.call('double', i, next)
  })
  assert.equal(group.stats().queued, 0, 'a settled task has given its room back before its callback is called')
})

test('what callbacks throw are uncaught exceptions, and nobody else is harmed', async () => {
  assert.equal(await program(`
    let caught = 0
    process.on('uncaughtException', () => caught++)
    const group = await ExecGroup.start(url, { workers: 1 })
    let called = 0
    const boom = () => { called++; throw new Error('boom') }
    for (let i = 0; i < 100; i++) {
      group.call('double', i, boom)
      group.call('fail', 'x', boom, boom)
      group.call('echo', () => {}, boom, boom)
    }
    const sum = (await Promise.all([1, 2, 3].map((n) => group.run('double', n)))).reduce((a, b) => a + b)
    await group.close()
    console.log(sum, called, caught)
  `), '12 300 300\n')
})

test('without a callback for it, a failure is an event', async () => {
  const group = await startGroup({ workers: 1 })
  const failures: string[] = []
  group.on('failure', ({ handler, error }) => failures.push(`${handler}: ${(error as Error).message}`))
  group.call('fail', 'nobody waits', () => {})
  await group.close()
  assert.deepEqual(failures, ['fail: nobody waits'])
})

test('the callbacks of a worker that dies learn of it, and may call its successor', async () => {
  await using group = await startGroup({ workers: 1 })
  const result = await new Promise((resolve) => {
    group.call('exit', 1, () => assert.fail(), (error) => {
      assert.ok(code('ERR_PERCORE_WORKER_DIED')(error))
      group.call('double', 3, resolve)
    })
  })
  assert.equal(result, 6)
})

test('a callback that is none, an unknown handler and a closed group are refused at once', async () => {
  const group = await startGroup({ workers: 1 })
  assert.throws(() => group.call('double', 1, undefined as never), code('ERR_PERCORE_INVALID_OPTION'))
  assert.throws(() => group.call('double', 1, () => {}, 'log' as never), code('ERR_PERCORE_INVALID_OPTION'))
  assert.throws(() => group.call('double', 1, () => {}, undefined, { worker: 7 }), code('ERR_PERCORE_INVALID_OPTION'))
  assert.throws(() => group.call('dubble' as 'double', 1, () => {}), code('ERR_PERCORE_NO_SUCH_HANDLER'))
  await group.close()
  assert.throws(() => group.call('double', 1, () => {}), code('ERR_PERCORE_CLOSED'))
})
