import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PercoreError, shared } from '../../src/base/index.js'
import { Exec, type Task } from '../../src/exec/index.js'
import { runOut, startExec } from './clock.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected

test('tasks run in the order in which they were spawned, and never inside spawn', () => {
  const { exec } = startExec()
  const ran: number[] = []
  for (let n = 0; n < 5; n++) exec.spawn((n: number) => ran.push(n), n)
  assert.deepEqual(ran, [])
  assert.equal(exec.runUntilIdle(), 5)
  assert.deepEqual(ran, [0, 1, 2, 3, 4])
  assert.equal(exec.tasks, 0)
})

test('what a task spawns runs behind what is ready', () => {
  const { exec } = startExec()
  const ran: string[] = []
  exec.spawn(() => {
    ran.push('a')
    exec.spawn(() => ran.push('c'))
  })
  exec.spawn(() => ran.push('b'))
  exec.runUntilIdle()
  assert.deepEqual(ran, ['a', 'b', 'c'])
})

test('a function that returns an object is over, and the object its result', async () => {
  const { exec } = startExec()
  const join = exec.fork(() => ({ next: 1 }))
  const list = exec.fork(() => [1, 2][Symbol.iterator]())
  exec.runUntilIdle()
  assert.deepEqual(await join, { next: 1 })
  assert.deepEqual([...await list], [1, 2])
})

test('a task gets its argument and nothing else: no this, no second argument', () => {
  const { exec, errors } = startExec()
  const seen: unknown[] = []
  function look(this: unknown, ...args: unknown[]): void { seen.push(this, args) }
  exec.spawn(look as (arg: string) => void, 'a')
  exec.fork(look as (arg: string) => void, 'b')
  exec.runUntilIdle()
  assert.deepEqual(seen, [undefined, ['a'], undefined, ['b']])
  assert.deepEqual(errors, [])
})

test('a coroutine gives way at a bare yield, and its return value is the result', async () => {
  const { exec } = startExec()
  const ran: string[] = []
  const join = exec.fork(function* (name: string) {
    for (let i = 0; i < 2; i++) {
      ran.push(name + i)
      yield
    }
    return name
  }, 'a')
  exec.spawn(function* () {
    ran.push('b0')
    yield
    ran.push('b1')
  })
  exec.runUntilIdle()
  assert.deepEqual(ran, ['a0', 'b0', 'a1', 'b1'])
  assert.equal(await join, 'a')
})

test('a coroutine that yields what cannot be waited for is thrown an error there', () => {
  const { exec, errors } = startExec()
  exec.spawn(function* () {
    yield 7 as never
  })
  exec.runUntilIdle()
  assert.ok(code('ERR_PERCORE_INVALID_OPTION')(errors[0]))
  assert.equal(exec.tasks, 0)
})

test('an async function is alive until its promise settles', async () => {
  const { exec, errors } = startExec()
  const join = exec.fork(async (n: number) => {
    await Promise.resolve()
    return n + 1
  }, 41)
  exec.spawn(async () => { throw new Error('async') })
  exec.runUntilIdle()
  assert.equal(exec.tasks, 2)
  assert.equal(await join, 42)
  assert.equal(exec.tasks, 0)
  assert.deepEqual(errors.map(String), ['Error: async'])
})

test('an error of one task goes to onError and harms no other', () => {
  const { exec, errors } = startExec()
  const ran: number[] = []
  for (let n = 0; n < 6; n++) {
    exec.spawn((n: number) => {
      if (n % 2 === 0) throw new Error(`no ${n}`)
      ran.push(n)
    }, n)
  }
  exec.spawn(function* () {
    yield
    throw new Error('coroutine')
  })
  exec.runUntilIdle()
  assert.deepEqual(ran, [1, 3, 5])
  assert.deepEqual(errors.map((error) => (error as Error).message), ['no 0', 'no 2', 'no 4', 'coroutine'])
  assert.equal(exec.tasks, 0)
})

test('what is no function is told when its turn comes, and harms no other', () => {
  const errors: { readonly code: string, readonly message: string }[] = []
  const done: number[] = []
  const exec = new Exec({ onError: (error) => errors.push(error as PercoreError) })
  exec.spawn(3 as never)
  exec.spawn((n: number) => done.push(n), 1)
  exec.spawnWith(16, null as never, 2)
  exec.spawn((n: number) => done.push(n), 3)
  exec.runUntilIdle()
  assert.deepEqual(done, [1, 3])
  assert.deepEqual(errors.map(({ code, message }) => [code, message.replace(/\..*/, '')]), [
    ['ERR_PERCORE_INVALID_OPTION', 'a task must be a function, not number'],
    ['ERR_PERCORE_INVALID_OPTION', 'a task must be a function, not null'],
  ])
})

test('a slot is reused at once, under another number', () => {
  const { exec } = startExec({ tasksMax: 1 })
  const seen = new Set<Task>()
  for (let n = 0; n < 100; n++) {
    seen.add(exec.spawn(() => undefined))
    assert.equal(exec.trySpawn(() => assert.fail('refused tasks never run')), 0)
    exec.runUntilIdle()
  }
  assert.equal(seen.size, 100)
})

test('an executor takes tasksMax tasks and no more: spawn throws, trySpawn says 0, and all that were taken run', () => {
  for (const tasksMax of [1, 7, 64, 100]) {
    const { exec } = startExec({ tasksMax })
    let ran = 0
    for (let n = 0; n < tasksMax; n++) exec.spawn(() => ran++)
    assert.throws(() => exec.spawn(() => ran++), code('ERR_PERCORE_EXEC_FULL'))
    assert.throws(() => exec.after(1, () => ran++), code('ERR_PERCORE_EXEC_FULL'))
    assert.equal(exec.trySpawn(() => ran++), 0)
    exec.runUntilIdle()
    assert.equal(ran, tasksMax)
    assert.notEqual(exec.trySpawn(() => ran++), 0)
  }
})

test('a full executor can still wake everyone: each live task has its place in the ready ring', () => {
  const { exec } = startExec({ tasksMax: 100 })
  let left = 100
  for (let n = 0; n < 100; n++) {
    exec.spawn(function* () {
      for (let i = 0; i < 10; i++) yield
      left--
    })
  }
  exec.runUntilIdle()
  assert.equal(left, 0)
})

test('bad options are refused with the value', () => {
  for (const tasksMax of [0, -1, 1.5, 2 ** 20 + 1, NaN]) assert.throws(() => new Exec({ tasksMax }), code('ERR_PERCORE_INVALID_OPTION'))
  assert.throws(() => new Exec({ quantumMs: 0 }), code('ERR_PERCORE_INVALID_OPTION'))
  for (const options of [null, 3, { maxTasks: 3 }, { stallMs: -1 }, { stallMs: NaN }, { timing: 'often' }]) {
    assert.throws(() => new Exec(options as never), code('ERR_PERCORE_INVALID_OPTION'), JSON.stringify(options))
  }
})

test('a turn keeps to its budget when a task spawns for ever', () => {
  const { exec, clock } = startExec()
  clock.stepMs = 0.01
  const again = (): void => { exec.spawn(again) }
  exec.spawn(again)
  const start = clock.ms
  assert.ok(exec.turn(1000) > 0)
  assert.ok(clock.ms - start < 1.5, `${clock.ms - start} ms`)
  assert.equal(exec.tasks, 1)
})

test('neither a task that spawns for ever nor one that wakes itself starves timers or I/O', async () => {
  const exec = new Exec()
  const until = { stop: false }
  const again = (): void => { if (!until.stop) exec.spawn(again) }
  exec.spawn(again)
  exec.spawn(function* () { while (!until.stop) yield })
  let timer = 0
  exec.after(5, () => timer++)
  setTimeout(() => { until.stop = true }, 20)
  await exec.run()
  assert.equal(timer, 1)
})

test('turn cannot be called from a task', () => {
  const { exec, errors } = startExec()
  exec.spawn(() => exec.turn())
  exec.runUntilIdle()
  assert.ok(code('ERR_PERCORE_INVALID_OPTION')(errors[0]))
})

test('one executor may turn another, coroutines and all', () => {
  const outer = startExec()
  const inner = startExec()
  const ran: string[] = []
  inner.exec.spawn(function* () {
    yield
    ran.push('inner')
  })
  outer.exec.spawn(function* () {
    inner.exec.runUntilIdle()
    yield* outer.exec.sleep(1)
    ran.push('outer')
  })
  runOut(outer.exec, outer.clock)
  assert.deepEqual(ran, ['inner', 'outer'])
  assert.deepEqual([...outer.errors, ...inner.errors], [])
})

test('run ends when the last task is over, or with the function it was given', async () => {
  const exec = new Exec()
  let slow = false
  let finish: () => void = () => {}
  exec.spawn(async () => {
    await new Promise<void>((resolve) => { finish = resolve })
    slow = true
  })
  assert.equal(await exec.run(function* () {
    yield* exec.sleep(2)
    return 'main'
  }), 'main')
  assert.equal(slow, false)
  finish()
  await exec.run()
  assert.equal(slow, true)
  await assert.rejects(exec.run(async () => { throw new TypeError('main') }), TypeError)
})

test('run sleeps in the event loop, and wakes when a promise makes a task ready', async () => {
  const exec = new Exec()
  const before = process.cpuUsage()
  const join = exec.fork(function* () {
    const inner = exec.fork(async () => new Promise<number>((resolve) => setTimeout(() => resolve(7), 150)))
    return yield* inner
  })
  await exec.run()
  assert.equal(await join, 7)
  const { user, system } = process.cpuUsage(before)
  assert.ok(user + system < 120_000, `${user + system} µs of CPU for 150 ms of waiting`)
})

test('several may run the same executor, and each ends when what it runs for is over', async () => {
  const exec = new Exec()
  const after = (ms: number) => function* () {
    yield* exec.sleep(ms)
    return ms
  }
  assert.deepEqual(await Promise.all([exec.run(after(2)), exec.run(after(10)), exec.run(after(5)), exec.run(), exec.run()]), [2, 10, 5, undefined, undefined])
  const late = exec.run(() => new Promise((resolve) => setTimeout(resolve, 20, 'late')))
  assert.equal(await exec.run(after(3)), 3)
  assert.equal(await late, 'late')
})

test('a time that is not a number is refused', () => {
  const { exec } = startExec()
  assert.throws(() => exec.sleep(NaN), code('ERR_PERCORE_INVALID_OPTION'))
  assert.throws(() => exec.after(NaN, () => undefined), code('ERR_PERCORE_INVALID_OPTION'))
  assert.equal(exec.tasks, 0)
})

/** Counts the atomic operations of `act`. */
function atomicsOf(act: () => void): number {
  const saved = { ...shared }
  let count = 0
  for (const name of Object.keys(saved) as (keyof typeof saved)[]) {
    Object.assign(shared, { [name]: (...args: unknown[]) => {
      count++
      return (saved[name] as (...args: unknown[]) => unknown)(...args)
    } })
  }
  try {
    act()
  } finally {
    Object.assign(shared, saved)
  }
  return count
}

test('no atomic operation happens, whatever the tasks are', () => {
  const { exec, clock } = startExec()
  assert.equal(atomicsOf(() => {
    for (let n = 0; n < 1000; n++) {
      exec.spawn(() => undefined)
      exec.fork(() => n)
      exec.after(n % 10, () => undefined)
      exec.spawn(function* () {
        yield
        yield* exec.sleep(n % 7)
      })
    }
    runOut(exec, clock)
  }), 0)
})

test('a timer set between two turns, from a promise or from outside, wakes whoever rests', async () => {
  const exec = new Exec()
  const seen: string[] = []
  await exec.run(async () => {
    await exec.sleep(1)
    seen.push('slept')
    await exec.sleep(1)
    seen.push('slept again')
  })
  await exec.run(() => new Promise<void>((resolve) => {
    setTimeout(() => exec.after(1, () => {
      seen.push('called')
      resolve()
    }), 5)
  }))
  assert.deepEqual(seen, ['slept', 'slept again', 'called'])
})
