import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExecGroup, PercoreError } from '../../src/index.js'
import { moduleWith, program, startGroup } from './start.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected

test('a process ends after it has terminated or closed a group, not before, although a task ends meanwhile', async () => {
  for (const end of ['terminate', 'close']) {
    assert.equal(await program(`
      for (let again = 0; again < 3; again++) {
        const group = await ExecGroup.start(url, { workers: 1 })
        const task = group.run('spin', 30)
        await new Promise((resolve) => setTimeout(resolve, 10)) // by then this thread sleeps in its event loop
        for (const endMs = performance.now() + 60; performance.now() < endMs;); // and does not hear that the task has ended
        await Promise.allSettled([task, group.${end}()])
      }
      console.log('ended')
    `), 'ended\n')
  }
})

test('tasks in flight keep the process alive', async () => {
  assert.equal(await program(`
    const group = await ExecGroup.start(url, { workers: 1 })
    group.run('later', { ms: 300, value: 'kept' }).then((value) => console.log(value))
  `), 'kept\n')
})

test('an idle group lets the process end', async () => {
  assert.equal(await program(`
    const group = await ExecGroup.start(url, { workers: 2 })
    console.log(await group.run('double', 2))
  `), '4\n')
})

test('an idle group uses almost no CPU', async () => {
  await using group = await startGroup()
  await group.run('double', 1)
  await new Promise((resolve) => setTimeout(resolve, 100))
  const before = process.cpuUsage()
  const parks = group.stats().workers.map((worker) => worker.parks)
  await new Promise((resolve) => setTimeout(resolve, 500))
  const { user, system } = process.cpuUsage(before)
  assert.ok(user + system < 100_000, `${user + system} µs of CPU in 500 ms`)
  assert.deepEqual(group.stats().workers.map((worker) => worker.parks), parks, 'nobody woke up')
})

test('what a handler prints reaches the standard output, although the worker then blocks', async () => {
  const lines = (await program(`
    const group = await ExecGroup.start(url, { workers: 1 })
    for (let i = 0; i < 100; i++) await group.run('print', 'line ' + i)
    await group.close()
  `)).trim().split('\n')
  assert.deepEqual(lines, Array.from({ length: 100 }, (_, i) => `line ${i}`))
})

test('close waits for what is in flight, refuses more, and may be called twice', async () => {
  const group = await startGroup()
  const last = group.run('later', { ms: 30, value: 'done' })
  const closing = group.close()
  await assert.rejects(group.run('double', 1), code('ERR_PERCORE_CLOSED'))
  assert.throws(() => group.push('double', 1), code('ERR_PERCORE_CLOSED'))
  assert.equal(await last, 'done')
  await Promise.all([closing, group.close()])
})

test('terminate ends a handler that never returns; its task rejects', async () => {
  const group = await startGroup({ workers: 1 })
  const endless = group.run('spin', 1e9)
  const behind = group.run('double', 1)
  await new Promise((resolve) => setTimeout(resolve, 20))
  await Promise.all([
    assert.rejects(endless, code('ERR_PERCORE_CLOSED')),
    assert.rejects(behind, code('ERR_PERCORE_CLOSED')),
    group.terminate(),
  ])
  await group.terminate()
  await group.close()
})

test('a module that throws at load fails start with that error', async () => {
  await assert.rejects(ExecGroup.start(await moduleWith('throw new TypeError("no database")')), (error: Error) => {
    assert.ok(code('ERR_PERCORE_HANDLERS_LOAD')(error))
    assert.match(error.message, /no database/)
    assert.ok(error.cause instanceof TypeError)
    return true
  })
})

test('a module that is missing or empty fails start and says why', async () => {
  await assert.rejects(ExecGroup.start('./no-such-module.js'), (error: Error) => code('ERR_PERCORE_HANDLERS_LOAD')(error) && /no-such-module/.test(error.message))
  await assert.rejects(ExecGroup.start(await moduleWith('export const answer = 42')), (error: Error) => code('ERR_PERCORE_HANDLERS_LOAD')(error) && /0 handlers/.test(error.message))
})

test('a module that awaits something that never comes fails start and says so', async () => {
  await assert.rejects(ExecGroup.start(await moduleWith('await new Promise(() => {}); export const f = () => 1'), { workers: 1 }), (error: Error) => code('ERR_PERCORE_WORKER_START')(error) && /awaits something that never comes/.test(error.message))
})

test('named exports and default exports are both handlers', async () => {
  await using named = await ExecGroup.start(await moduleWith('export const inc = (n) => n + 1; export const limit = 3'), { workers: 1 })
  assert.deepEqual(named.handlers, ['inc'])
  assert.equal(await named.run('inc', 1 as never), 2)
  await using fallback = await ExecGroup.start(await moduleWith('export default { dec: (n) => n - 1 }; export const other = () => 0'), { workers: 1 })
  assert.deepEqual(fallback.handlers, ['dec'])
})

test('a worker that cannot be restarted is given up, and its tasks fail instead of waiting for ever', async () => {
  const file = await moduleWith(`
    import { existsSync, writeFileSync } from 'node:fs'
    if (existsSync(import.meta.filename + '.ran')) throw new Error('second start')
    writeFileSync(import.meta.filename + '.ran', '')
    export const exit = () => process.exit(1)
    export const one = () => 1
  `)
  const group = await ExecGroup.start(file, { workers: 1 })
  const fatal = group.run('exit')
  const behind = group.run('one')
  await assert.rejects(fatal, code('ERR_PERCORE_WORKER_DIED'))
  await assert.rejects(behind, (error: Error) => code('ERR_PERCORE_HANDLERS_LOAD')(error) && /second start/.test(error.message))
  await assert.rejects(group.run('one'), code('ERR_PERCORE_HANDLERS_LOAD'))
  await group.close()
})
