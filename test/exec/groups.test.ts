import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PercoreError } from '../../src/base/index.js'
import type { Coroutine, Exec, Group } from '../../src/exec/index.js'
import { type Clock, startExec } from './clock.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected

/** A task that takes `ms` and spawns its successor for ever; adds what it took to `had`. */
function saturate(exec: Exec, group: Group, clock: Clock, ms: number): { had: number } {
  const account = { had: 0 }
  const again = (): void => {
    clock.ms += ms
    account.had += ms
    exec.spawn(again) // in the same group: it runs in it
  }
  group.spawn(again)
  return account
}

test('under load, time divides by shares within 5 %, whatever the tasks cost', () => {
  for (const [shares, costs] of [[[1000, 1000], [0.01, 0.01]], [[3000, 1000], [0.002, 0.3]], [[100, 900], [0.4, 0.001]], [[700, 200, 100], [0.01, 0.05, 0.2]]] as const) {
    const { exec, clock } = startExec()
    const accounts = shares.map((each, i) => saturate(exec, exec.group({ name: `g${i}`, shares: each }), clock, costs[i] ?? 1))
    const until = clock.ms + 4000
    while (clock.ms < until) exec.turn(10_000)
    const total = accounts.reduce((sum, { had }) => sum + had, 0)
    const all = shares.reduce((sum, each) => sum + each, 0)
    for (const [i, { had }] of accounts.entries()) {
      const part = had / total
      const due = (shares[i] ?? 0) / all
      assert.ok(Math.abs(part - due) < 0.05 * due, `group ${i} of ${shares.join()} has ${part}, not ${due}`)
    }
  }
})

test('shares can be changed while tasks run', () => {
  const { exec, clock } = startExec()
  const a = exec.group({ name: 'a', shares: 1000 })
  const one = saturate(exec, a, clock, 0.01)
  const two = saturate(exec, exec.group({ name: 'b', shares: 1000 }), clock, 0.01)
  for (const end = clock.ms + 200; clock.ms < end;) exec.turn(5000)
  a.shares = 4000
  const [before, other] = [one.had, two.had]
  for (const end = clock.ms + 1000; clock.ms < end;) exec.turn(5000)
  const ratio = (one.had - before) / (two.had - other)
  assert.ok(Math.abs(ratio - 4) < 0.2, String(ratio))
})

test('a group that was idle does not save up its time', () => {
  const { exec, clock } = startExec()
  const busy = saturate(exec, exec.group({ name: 'busy' }), clock, 0.01)
  const idler = exec.group({ name: 'idler' })
  for (const end = clock.ms + 1000; clock.ms < end;) exec.turn(5000)
  const late = saturate(exec, idler, clock, 0.01)
  const before = busy.had
  for (const end = clock.ms + 100; clock.ms < end;) exec.turn(5000)
  const ratio = late.had / (busy.had - before)
  assert.ok(Math.abs(ratio - 1) < 0.05, String(ratio))
})

test("a latency group's tasks start within its bound while a batch group saturates the core", () => {
  const { exec, clock } = startExec({ quantumMs: 50 })
  const latencyMs = 2
  const batchTaskMs = 0.3
  const urgent = exec.group({ name: 'urgent', shares: 200, latencyMs })
  saturate(exec, exec.group({ name: 'batch', shares: 800 }), clock, batchTaskMs)
  const waits: number[] = []
  for (const end = clock.ms + 2000; clock.ms < end;) {
    const from = clock.ms
    urgent.spawn(() => {
      waits.push(clock.ms - from)
      clock.ms += 0.1
    })
    exec.turn(3000)
  }
  waits.sort((a, b) => a - b)
  assert.ok(waits.length > 100)
  assert.ok((waits[Math.floor(waits.length * 0.99)] ?? Infinity) <= latencyMs + batchTaskMs, `p99 ${waits[Math.floor(waits.length * 0.99)]} ms`)
})

test('spawning into a group from a task of another keeps each where it was spawned', () => {
  const { exec, clock } = startExec()
  const seen: string[] = []
  const a = exec.group({ name: 'a' })
  const nameOf = (): string => exec.core.current.name
  a.spawn(function* () {
    seen.push(nameOf())
    exec.spawn(() => seen.push(nameOf()))
    yield* exec.sleep(1)
    seen.push(nameOf())
  })
  exec.spawn(() => a.spawn(() => seen.push(nameOf())))
  exec.runUntilIdle()
  clock.ms += 2
  exec.runUntilIdle()
  assert.deepEqual(seen.toSorted(), ['a', 'a', 'a', 'a'])
})

test('a coroutine that asks yieldIfNeeded gives way after its quantum, not before', () => {
  const { exec, clock } = startExec({ quantumMs: 1 })
  const ran: string[] = []
  const work = function* (name: string): Coroutine<void> {
    for (let i = 0; i < 6; i++) {
      ran.push(name)
      clock.ms += 0.4
      yield* exec.yieldIfNeeded()
    }
  }
  exec.spawn(work, 'a')
  exec.spawn(work, 'b')
  exec.runUntilIdle()
  assert.equal(ran.join(''), 'aaabbbaaabbb')
})

test('bad groups are refused with the value', () => {
  const { exec } = startExec()
  assert.throws(() => exec.group({ name: 'x', shares: 0 }), code('ERR_PERCORE_INVALID_OPTION'))
  assert.throws(() => exec.group({ name: 'x', latencyMs: -1 }), code('ERR_PERCORE_INVALID_OPTION'))
  const group = exec.group({ name: 'x' })
  assert.throws(() => { group.shares = NaN }, code('ERR_PERCORE_INVALID_OPTION'))
  assert.equal(group.shares, 1000)
})
