import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PercoreError } from '../../src/base/index.js'
import type { Coroutine, Exec } from '../../src/exec/index.js'
import { runOut, startExec } from './clock.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected

/** A tree of tasks, each spawned by its parent. Notes which were cancelled. */
function* tree(exec: Exec, depth: number, cancelled: number[]): Coroutine<void> {
  if (depth > 0) for (let i = 0; i < 2; i++) exec.spawn(() => tree(exec, depth - 1, cancelled))
  try {
    yield* exec.sleep(1000)
  } catch (error) {
    cancelled.push(depth)
    throw error
  }
}

test('cancelling a scope reaches every task that its members spawned, and no other', () => {
  const { exec, clock, errors } = startExec()
  const scope = exec.scope()
  const cancelled: number[] = []
  scope.spawn(() => tree(exec, 3, cancelled))
  const outside = exec.fork(() => tree(exec, 0, []))
  exec.runUntilIdle()
  assert.equal(scope.tasks, 15)
  scope.cancel()
  exec.runUntilIdle()
  assert.equal(cancelled.length, 15)
  assert.equal(scope.tasks, 0)
  assert.equal(outside.done, false)
  assert.deepEqual(errors, [])
  runOut(exec, clock)
})

test('cancelling reaches tasks that have not begun, calls at a later time, promises, and scopes made by members', async () => {
  const { exec, errors } = startExec()
  const scope = exec.scope()
  let inner = 0
  scope.spawn(() => {
    const nested = exec.scope()
    nested.spawn(function* () {
      try {
        yield* exec.sleep(1000)
      } finally {
        inner++
      }
    })
    exec.after(500, () => assert.fail('it ran'))
    exec.spawn(() => new Promise(() => {}))
  })
  exec.runUntilIdle()
  scope.spawn(() => assert.fail('it ran'))
  assert.equal(scope.tasks, 4)
  scope.cancel(new Error('enough'))
  exec.runUntilIdle()
  assert.equal(inner, 1)
  assert.equal(scope.tasks, 0)
  assert.equal(exec.tasks, 0)
  const late = scope.fork(() => assert.fail('it ran'))
  exec.runUntilIdle()
  await assert.rejects(async () => late, { message: 'enough' })
  assert.deepEqual(errors, [])
})

test('waiting for a scope waits for its last member, nested ones too', () => {
  const { exec, clock } = startExec()
  const scope = exec.scope()
  const order: string[] = []
  scope.spawn(function* () {
    exec.spawn(function* () {
      yield* exec.sleep(5)
      order.push('grandchild')
    })
    yield* exec.sleep(1)
    order.push('child')
  })
  exec.spawn(function* () {
    yield* scope
    order.push('scope')
  })
  runOut(exec, clock)
  assert.deepEqual(order, ['child', 'grandchild', 'scope'])
})

test('a member that fails cancels the others, and whoever waits for the scope is told', async () => {
  const { exec, clock, errors } = startExec()
  const scope = exec.scope()
  scope.spawn(function* () { yield* exec.sleep(1000) })
  scope.spawn(function* () {
    yield* exec.sleep(1)
    throw new RangeError('member')
  })
  const waiter = exec.fork(function* () { yield* scope })
  runOut(exec, clock)
  await assert.rejects(async () => waiter, RangeError)
  assert.ok(clock.ms < 1900, 'the sleeper was cancelled')
  assert.deepEqual(errors, [])
})

test('when nobody waits for the scope, the error of its member goes to onError', () => {
  const { exec, errors } = startExec()
  const scope = exec.scope()
  scope.spawn(() => { throw new RangeError('member') })
  exec.runUntilIdle()
  assert.ok(errors[0] instanceof RangeError)
  assert.equal(errors.length, 1)
})

test('an error that a join handle gets does not cancel the scope', async () => {
  const { exec, clock } = startExec()
  const scope = exec.scope()
  const handled = scope.fork(() => { throw new RangeError('handled') })
  const other = scope.fork(function* () {
    yield* exec.sleep(5)
    return 'done'
  })
  runOut(exec, clock)
  await assert.rejects(async () => handled, RangeError)
  assert.equal(await other, 'done')
})

test('a scope has a signal for those who know signals', () => {
  const { exec } = startExec()
  const scope = exec.scope()
  const { signal } = scope
  assert.equal(signal.aborted, false)
  scope.cancel()
  assert.ok(code('ERR_PERCORE_CANCELLED')(signal.reason))
  const late = exec.scope()
  late.cancel(new Error('late'))
  assert.equal(late.signal.reason.message, 'late')
})

test('a scope can be used again after it was empty', async () => {
  const { exec } = startExec()
  const scope = exec.scope()
  for (let i = 0; i < 3; i++) {
    scope.spawn(() => undefined)
    exec.runUntilIdle()
    await scope
    assert.equal(scope.tasks, 0)
  }
})
