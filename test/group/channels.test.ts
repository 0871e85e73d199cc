import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import { PercoreError, type TaskMessage, type WorkerMessage } from '../../src/index.js'
import { startGroup } from './start.js'

/** Listens to these channels until it is disposed of. */
function listen<M>(names: readonly string[], told: (name: string, message: M) => void): Disposable {
  const listeners = names.map((name) => [name, (message: unknown) => told(name.split(':')[2], message as M)] as const)
  for (const [name, listener] of listeners) subscribe(name, listener)
  return {
    [Symbol.dispose]: () => {
      for (const [name, listener] of listeners) unsubscribe(name, listener)
    },
  }
}

const taskChannels = ['percore:task:submitted', 'percore:task:completed', 'percore:task:failed']
const workerChannels = ['started', 'ended', 'died', 'replaced', 'recycled', 'gave-up'].map((what) => `percore:worker:${what}`)

test('every task is told as submitted and then, once, how it ended, whatever way it came', async () => {
  const group = await startGroup({ workers: 2 })
  const told = new Map<TaskMessage, string[]>()
  const listening = listen<TaskMessage>(taskChannels, (name, message) => {
    assert.equal(message.group, group)
    const steps = told.get(message) ?? []
    told.set(message, [...steps, name])
    assert.equal((message.durationMs ?? -1) >= 0, name !== 'submitted')
  })
  group.on('failure', () => {})
  assert.equal(await group.run('double', 1), 2)
  assert.equal(await group.run('double', 2, { timeoutMs: 60_000 }), 4)
  await assert.rejects(group.run('fail', 'run'), /run/)
  await assert.rejects(group.run('echo', () => {}), PercoreError)
  await assert.rejects(group.run('double', 1, { worker: 9 }), PercoreError)
  assert.equal(group.runSync('double', 3), 6)
  assert.throws(() => group.runSync('fail', 'sync'), /sync/)
  assert.deepEqual(await group.runMany('double', [1, 2, 3]), [2, 4, 6])
  assert.equal(await group.runFunction((n: number) => n + 1, 1), 2)
  for await (const _ of group.map('double', [1, 2])) ;
  for await (const _ of group.stream('echo', [1, 2])) ;
  for await (const _ of group.stream('echo', [1, 2])) break
  await assert.rejects(async () => {
    for await (const _ of group.stream('fail', 'stream')) ;
  }, /stream/)
  await new Promise((resolve) => group.call('double', 5, resolve))
  await new Promise((resolve) => group.call('fail', 'call', () => assert.fail(), resolve))
  assert.throws(() => group.call('double', 1, () => {}, undefined, { worker: 9 }), PercoreError)
  assert.ok(group.push('double', 6) && group.push('fail', 'push') && group.push('double', 7, { worker: 1 }))
  assert.throws(() => group.push('echo', () => {}), PercoreError)
  await group.close()
  listening[Symbol.dispose]()
  const seen = [...told].map(([{ method, handler, result, error }, steps]) => [method, handler, steps.join(' '), (error as Error | undefined)?.name ?? result])
  const done = 'submitted completed'
  const failed = 'submitted failed'
  assert.deepEqual(seen, [
    ['run', 'double', done, 2],
    ['run', 'double', done, 4],
    ['run', 'fail', failed, 'TypeError'],
    ['run', 'echo', failed, 'PercoreError'],
    ['run', 'double', failed, 'PercoreError'],
    ['runSync', 'double', done, 6],
    ['runSync', 'fail', failed, 'TypeError'],
    ['runMany', 'double', done, [2, 4, 6]],
    ['runFunction', '', done, 2],
    ['map', 'double', done, 2],
    ['map', 'double', done, 4],
    ['stream', 'echo', done, undefined],
    ['stream', 'echo', done, undefined],
    ['stream', 'fail', failed, 'TypeError'],
    ['call', 'double', done, 10],
    ['call', 'fail', failed, 'TypeError'],
    ['push', 'double', done, 12],
    ['push', 'fail', failed, 'TypeError'],
    ['push', 'double', done, 14],
  ])
})

test('a push that finds no room was never submitted', async () => {
  await using group = await startGroup({ workers: 1, depth: 4 })
  let submitted = 0
  using _ = listen(['percore:task:submitted'], () => submitted++)
  let taken = 0
  for (let n = 0; n < 10; n++) if (group.push('double', n)) taken++
  assert.equal(taken, 4)
  assert.equal(submitted, 4)
})

test('a task is told of in the context of its call', async () => {
  await using group = await startGroup({ workers: 1 })
  const store = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  using _ = listen(['percore:task:completed'], () => seen.push(store.getStore()))
  await Promise.all(['a', 'b'].map((name) => store.run(name, () => group.run('double', 1))))
  store.run('c', () => group.push('double', 1))
  await group.drain()
  assert.deepEqual(seen, ['a', 'b', 'c'])
})

test('the life of a worker is told, its death with the reason', async () => {
  const seen: string[] = []
  using _ = listen<WorkerMessage>(workerChannels, (name, { worker, error }) => {
    seen.push(`${name} ${worker}${error instanceof PercoreError ? ` ${error.code}` : ''}`)
  })
  const group = await startGroup({ workers: 1 })
  await group.run('exit', 1).catch(() => {})
  assert.equal(await group.run('double', 1), 2)
  await group.close()
  assert.deepEqual(seen, ['started 0', 'ended 0', 'died 0 ERR_PERCORE_WORKER_DIED', 'started 0', 'replaced 0', 'ended 0'])
})
