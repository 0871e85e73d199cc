import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { test } from 'node:test'
import { ExecGroup } from '../../src/index.js'
import { moduleWith, program, startGroup } from './start.js'

const store = new AsyncLocalStorage<string>()
const inStore = <T>(name: string, f: () => T): T => store.run(name, f)

test('a promise continues in the context of its call, whoever woke the group', async () => {
  await using group = await startGroup({ workers: 1, depth: 2 })
  const seen = await Promise.all(Array.from({ length: 100 }, (_, n) => inStore(`call ${n}`, async () => {
    const options = [undefined, { timeoutMs: 60_000 }, { retry: 1 }][n % 3]
    assert.equal(await group.run('double', n, options as { retry: number }), 2 * n)
    return store.getStore()
  })))
  assert.deepEqual(seen, Array.from({ length: 100 }, (_, n) => `call ${n}`))
})

test('callbacks run in the context of their call, and in none where there was none', async () => {
  await using group = await startGroup({ workers: 1, depth: 2 })
  const seen: string[] = []
  const note = (what: string) => (): void => {
    seen.push(`${what}: ${store.getStore()}`)
  }
  inStore('a', () => group.call('double', 1, note('result a')))
  group.call('double', 1, note('result of nobody'))
  inStore('b', () => group.call('fail', 'x', () => assert.fail(), note('error b')))
  inStore('c', () => group.call('double', 2, note('with options c'), undefined, { timeoutMs: 60_000 }))
  inStore('d', () => group.call('echo', () => {}, () => assert.fail(), note('refused d')))
  await group.drain()
  await new Promise(setImmediate)
  assert.deepEqual(seen.toSorted(), ['error b: b', 'refused d: d', 'result a: a', 'result of nobody: undefined', 'with options c: c'])
})

test('the first store that a process ever enters is kept, with a call before it in the same turn', async () => {
  assert.equal(await program(`
    import { AsyncLocalStorage } from 'node:async_hooks'
    const group = await ExecGroup.start(url, { workers: 1 })
    for (let n = 0; n < 50_000; n++) group.call('double', n, () => {})
    await group.drain()
    const store = new AsyncLocalStorage()
    const print = () => console.log(store.getStore())
    group.call('double', 1, print)
    store.run('first', () => group.call('double', 1, print))
    await group.close()
  `), 'undefined\nfirst\n')
})

test('what a pushed task failed with is told in the context of the push', async () => {
  await using group = await startGroup({ workers: 1 })
  const seen: string[] = []
  group.on('failure', ({ error }) => seen.push(`${(error as Error).message} in ${store.getStore()}`))
  inStore('a', () => group.push('fail', 'a'))
  inStore('b', () => group.push('fail', 'b', { timeoutMs: 60_000 }))
  group.push('fail', 'none')
  await group.drain()
  await new Promise(setImmediate)
  assert.deepEqual(seen.toSorted(), ['a in a', 'b in b', 'none in undefined'])
})

test('map reads its source and gives its results in the context of its reader', async () => {
  await using group = await startGroup()
  const seen = new Set<unknown>()
  function* source(): Generator<number> {
    for (let n = 0; n < 1000; n++) {
      seen.add(store.getStore())
      yield n
    }
  }
  await inStore('reader', async () => {
    for await (const _ of group.map('double', source(), { concurrency: 8 })) seen.add(store.getStore())
  })
  assert.deepEqual([...seen], ['reader'])
})

test('whether to try again is asked in the context of the call', async () => {
  const shared = new Int32Array(new SharedArrayBuffer(8))
  shared[0] = 1
  await using group = await startGroup({ workers: 1, workerData: shared })
  const seen: unknown[] = []
  const when = (): boolean => {
    seen.push(store.getStore())
    return true
  }
  await inStore('retry', () => group.run('flaky', 1, { retry: { times: 2, when } }))
  assert.deepEqual(seen, ['retry'])
})

test('events of the whole group are told in the context that started it', async () => {
  const group = await inStore('start', () => startGroup({ workers: 1 }))
  const seen: unknown[] = []
  group.on('died', () => seen.push(store.getStore()))
  const replaced = once(group, 'replaced')
  group.on('replaced', () => seen.push(store.getStore()))
  await inStore('caller', () => group.run('exit', 1)).catch(() => {})
  await Promise.all([replaced, group.run('double', 1)])
  await group.close()
  assert.deepEqual(seen, ['start', 'start'])
})

test('progress is told in the context of its call', async () => {
  const module = await moduleWith('export const work = (n, ctx) => { ctx.report(n); return n }')
  await using group = await ExecGroup.start(module, { workers: 1 })
  const seen: string[] = []
  const onReport = (progress: unknown): void => {
    seen.push(`${progress} in ${store.getStore()}`)
  }
  const calls = ['a', 'b'].map((name) => inStore(name, () => group.run('work', name, { onReport })))
  await Promise.all([...calls, inStore('many', () => group.runMany('work', ['m'], { onReport }))])
  assert.deepEqual(seen.toSorted(), ['a in a', 'b in b', 'm in many'])
})
