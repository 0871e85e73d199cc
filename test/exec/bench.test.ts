import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokerOf, brokers } from '../../bench/exec/brokers.js'
import { spawnerOf, spawners } from '../../bench/exec/spawners.js'

const here = <T extends { readonly needs?: string }>(each: T): boolean => each.needs === undefined

test('every subject of task-spawn runs each task once, later than it was spawned, and those that tasks spawn', async () => {
  for (const { subject, params } of spawners.filter(here)) {
    const kind = String(params?.['task'])
    if (kind === '8-functions') continue // it runs its own
    const spawner = await spawnerOf(subject, kind, 100)
    const seen: number[] = []
    spawner.spawnAll((n) => seen.push(n), 50)
    assert.equal(seen.length, 0, subject)
    await spawner.settle()
    spawner.spawn((n) => {
      seen.push(n)
      spawner.spawn((m) => seen.push(m), 51)
    }, 50)
    await spawner.settle()
    assert.deepEqual(seen, Array.from({ length: 52 }, (_, n) => n), `${subject} ${kind}`)
  }
})

test('every subject of rmq does each message once, not before its time, with a state of its own', async () => {
  for (const { subject, params } of brokers.filter(here)) {
    const done = new Set<number>()
    const states = new Map<Int32Array, Set<number>>()
    const startMs = performance.now()
    const broker = await brokerOf(subject, String(params?.['task']), 20, 100, (n, state, start = 0) => {
      assert.ok(!done.has(n))
      assert.ok(performance.now() - startMs >= 19)
      done.add(n)
      states.set(state, (states.get(state) ?? new Set()).add(start))
    })
    for (let n = 0; n < 100; n++) broker.take(n)
    while (performance.now() < startMs + 60 || done.size < 100) {
      broker.turn()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    assert.equal([...states.values()].reduce((sum, starts) => sum + starts.size, 0), 100, subject)
  }
})
