import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PercoreError } from '../../src/base/index.js'
import { runOut, startExec } from './clock.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected

test('a handle can be awaited from many places, before and after the end', async () => {
  const { exec } = startExec()
  const join = exec.fork(function* () {
    yield
    return 42
  })
  const seen: number[] = []
  for (let i = 0; i < 3; i++) exec.spawn(function* () { seen.push(yield* join) })
  const promise = join.then((value) => value + 1)
  exec.runUntilIdle()
  exec.spawn(function* () { seen.push(yield* join) })
  exec.runUntilIdle()
  assert.deepEqual(seen, [42, 42, 42, 42])
  assert.equal(await promise, 43)
  assert.equal(await join, 42)
  assert.equal(join.done, true)
})

test('an error of a forked task reaches whoever waits, and not onError', async () => {
  const { exec, errors } = startExec()
  const join = exec.fork(() => { throw new RangeError('bad') })
  let caught: unknown
  exec.spawn(function* () {
    try {
      yield* join
    } catch (error) {
      caught = error
    }
  })
  exec.runUntilIdle()
  assert.ok(caught instanceof RangeError)
  await assert.rejects(async () => join, RangeError)
  assert.deepEqual(errors, [])
})

test('a live task can be joined by its number, one that is over cannot', async () => {
  const { exec } = startExec()
  const task = exec.spawn(() => 'value')
  const join = exec.join(task)
  const again = exec.join(task)
  exec.runUntilIdle()
  assert.equal(await join, 'value')
  assert.equal(await again, 'value')
  exec.spawn(() => 'another in the same slot')
  assert.throws(() => exec.join(task), code('ERR_PERCORE_TASK_OVER'))
})

test('dropping a handle neither cancels the task nor keeps anything alive', () => {
  const { exec, errors } = startExec()
  let ran = 0
  for (let n = 0; n < 1000; n++) exec.fork(() => ran++)
  exec.runUntilIdle()
  assert.equal(ran, 1000)
  assert.equal(exec.tasks, 0)
  assert.ok(exec.core.slab.extra.every((extra) => extra === undefined))
  assert.deepEqual(errors, [])
})

test('a detached task goes on, its error goes to onError, and its waiters are cancelled', async () => {
  const { exec, errors } = startExec()
  let ran = false
  const join = exec.fork(function* () {
    yield
    ran = true
    throw new Error('nobody looks')
  })
  const waiter = exec.fork(function* () { return yield* join })
  exec.turn(0)
  join.detach()
  join.detach()
  exec.runUntilIdle()
  assert.equal(ran, true)
  assert.deepEqual(errors.map((error) => (error as Error).message), ['nobody looks'])
  await assert.rejects(async () => waiter, code('ERR_PERCORE_CANCELLED'))
})

test('a call cancelled before it begins never runs', async () => {
  const { exec, errors } = startExec()
  const join = exec.fork(() => assert.fail('it ran'))
  const task = exec.spawn(() => assert.fail('it ran'))
  assert.equal(join.cancel(), true)
  assert.equal(exec.cancel(task), true)
  exec.runUntilIdle()
  await assert.rejects(async () => join, code('ERR_PERCORE_CANCELLED'))
  assert.equal(join.cancel(), false)
  assert.equal(exec.cancel(task), false)
  assert.deepEqual(errors, [])
})

test('a coroutine is cancelled where it waits, and its finally blocks may wait', async () => {
  const { exec, clock } = startExec()
  const seen: string[] = []
  const join = exec.fork(function* () {
    try {
      yield* exec.sleep(1000)
    } finally {
      seen.push('cleaning')
      yield* exec.sleep(1)
      seen.push('clean')
    }
  })
  exec.runUntilIdle()
  join.cancel(new Error('enough'))
  runOut(exec, clock)
  assert.deepEqual(seen, ['cleaning', 'clean'])
  await assert.rejects(async () => join, { message: 'enough' })
  assert.ok(clock.ms < 1900, 'the sleep was cut short')
})

test('a coroutine may refuse to be cancelled', async () => {
  const { exec } = startExec()
  const join = exec.fork(function* () {
    try {
      yield
    } catch {
      return 'no'
    }
    return 'not cancelled'
  })
  exec.turn(0)
  join.cancel()
  exec.runUntilIdle()
  assert.equal(await join, 'no')
})

test('a coroutine that cancels itself is thrown into at its next wait', async () => {
  const { exec } = startExec()
  const join = exec.fork(function* () {
    join.cancel(new Error('myself'))
    yield* exec.sleep(1000)
  })
  exec.runUntilIdle()
  await assert.rejects(async () => join, { message: 'myself' })
})

test('the task of an async function ends at once when cancelled, and what its promise gives is ignored', async () => {
  const { exec, errors } = startExec()
  let finish: (value: string) => void = () => {}
  const join = exec.fork(() => new Promise<string>((resolve) => { finish = resolve }))
  exec.runUntilIdle()
  join.cancel()
  assert.equal(exec.tasks, 0)
  const next = exec.fork(() => new Promise<string>(() => {}))
  exec.runUntilIdle()
  finish('late')
  await new Promise((resolve) => setTimeout(resolve, 1))
  assert.equal(next.done, false, 'the slot is another task\'s now')
  await assert.rejects(async () => join, code('ERR_PERCORE_CANCELLED'))
  assert.deepEqual(errors, [])
})

test('a call at a later time can be cancelled, and its slot used by another', () => {
  const { exec, clock } = startExec({ tasksMax: 1 })
  let ran = 0
  const task = exec.after(5, () => assert.fail('it ran'))
  assert.equal(exec.cancel(task), true)
  exec.runUntilIdle()
  exec.after(20, () => ran++)
  clock.ms += 6
  exec.runUntilIdle()
  assert.equal(ran, 0, 'the old timer is not the new call\'s')
  clock.ms += 20
  exec.runUntilIdle()
  assert.equal(ran, 1)
})
