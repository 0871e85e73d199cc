import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng, PercoreError } from '../../src/base/index.js'
import { Broadcast, Channel, type Coroutine, Event, Gate, join, Mutex, Oneshot, race, Semaphore, Watch } from '../../src/exec/index.js'
import { runOut, startExec } from './clock.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected
const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)

test(`channels of any capacity lose nothing, repeat nothing and keep each sender's order, though tasks are cancelled (PERCORE_SEED=${seed})`, (t) => {
  t.diagnostic(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  for (let round = 0; round < 200; round++) {
    const { exec, clock, errors } = startExec()
    const channel = new Channel<number>(prng.below(4))
    const sent: number[] = []
    const got: number[] = []
    const senders = 1 + prng.below(3)
    for (let s = 0; s < senders; s++) {
      exec.spawn(function* () {
        for (let n = 0; n < 20; n++) {
          yield* channel.send(s * 100 + n)
          sent.push(s * 100 + n)
          if (prng.below(3) === 0) yield* exec.sleep(prng.below(3))
        }
      })
    }
    const receivers = Array.from({ length: 3 }, () => exec.fork(function* () {
      for (;;) {
        const n = yield* channel.receive()
        if (n === undefined) return
        got.push(n)
        if (prng.below(3) === 0) yield* exec.sleep(prng.below(3))
      }
    }))
    for (let step = 0; step < 40; step++) {
      exec.turn(0)
      if (prng.below(10) === 0) {
        const victim = receivers[prng.below(receivers.length)]
        victim?.cancel()
        receivers.push(exec.fork(function* () {
          for (let n = yield* channel.receive(); n !== undefined; n = yield* channel.receive()) got.push(n)
        }))
      }
      clock.ms += prng.below(2)
    }
    for (let i = 0; i < 300; i++) {
      exec.runUntilIdle()
      clock.ms++
    }
    channel.close()
    runOut(exec, clock)
    assert.deepEqual(errors, [])
    assert.deepEqual(got.toSorted((a, b) => a - b), sent.toSorted((a, b) => a - b), `round ${round}`)
    assert.equal(sent.length, senders * 20)
  }
})

test('a channel bounds its sender, and a closed one refuses senders and drains receivers', async () => {
  const { exec } = startExec()
  const channel = new Channel<string>(1)
  assert.equal(channel.trySend('a'), true)
  assert.equal(channel.trySend('b'), false)
  const blocked = exec.fork(function* () { yield* channel.send('b') })
  exec.runUntilIdle()
  assert.equal(blocked.done, false)
  assert.equal(channel.tryReceive(), 'a')
  exec.runUntilIdle()
  assert.equal(blocked.done, true)
  const late = exec.fork(function* () { yield* channel.send('c') })
  exec.runUntilIdle()
  channel.close()
  exec.runUntilIdle()
  await assert.rejects(async () => late, code('ERR_PERCORE_CLOSED'))
  assert.equal(await channel.receive(), 'b')
  assert.equal(await channel.receive(), undefined)
  assert.equal(channel.trySend('d'), false)
})

test('a channel without capacity hands over hand to hand', () => {
  const { exec } = startExec()
  const channel = new Channel<number>(0)
  const order: string[] = []
  exec.spawn(function* () {
    yield* channel.send(1)
    order.push('sent')
  })
  exec.runUntilIdle()
  assert.equal(order.length, 0)
  exec.spawn(function* () { order.push(`got ${yield* channel.receive()}`) })
  exec.runUntilIdle()
  assert.deepEqual(order.toSorted(), ['got 1', 'sent'])
})

test(`a semaphore never has more holders than permits, serves in order, and gets back what cancelled tasks held (PERCORE_SEED=${seed})`, () => {
  const prng = createPrng(seed, 1)
  for (let round = 0; round < 100; round++) {
    const { exec, clock } = startExec()
    const permits = 1 + prng.below(3)
    const semaphore = new Semaphore(permits)
    let held = 0
    const joins = Array.from({ length: 20 }, () => exec.fork(function* () {
      const want = 1 + prng.below(permits)
      yield* semaphore.acquire(want)
      held += want
      assert.ok(held <= permits)
      try {
        yield* exec.sleep(prng.below(3))
      } finally {
        held -= want
        semaphore.release(want)
      }
    }))
    for (let i = 0; i < 10; i++) {
      exec.turn(0)
      joins[prng.below(20)]?.cancel()
      clock.ms++
    }
    runOut(exec, clock)
    assert.equal(semaphore.available, permits)
    assert.ok(joins.every((each) => each.done))
  }
})

test('a large request of a semaphore is not starved by small ones behind it', () => {
  const { exec } = startExec()
  const semaphore = new Semaphore(2)
  const order: string[] = []
  semaphore.tryAcquire(1)
  exec.spawn(function* () {
    yield* semaphore.acquire(2)
    order.push('large')
    semaphore.release(2)
  })
  exec.spawn(function* () {
    yield* semaphore.acquire(1)
    order.push('small')
  })
  exec.runUntilIdle()
  assert.equal(semaphore.tryAcquire(1), false, 'nobody overtakes')
  assert.deepEqual(order, [])
  semaphore.release(1)
  exec.runUntilIdle()
  assert.deepEqual(order, ['large', 'small'])
})

test('a mutex lets one in at a time, in order, and cannot be unlocked by mistake', () => {
  const { exec, clock } = startExec()
  const mutex = new Mutex()
  const order: string[] = []
  for (const name of ['a', 'b', 'c']) {
    exec.spawn(function* () {
      yield* mutex.lock()
      order.push(`${name}+`)
      yield* exec.sleep(1)
      order.push(`${name}-`)
      mutex.unlock()
    })
  }
  runOut(exec, clock)
  assert.equal(order.join(' '), 'a+ a- b+ b- c+ c-')
  assert.throws(() => mutex.unlock(), code('ERR_PERCORE_INVALID_OPTION'))
  assert.equal(mutex.tryLock(), true)
  assert.equal(mutex.tryLock(), false)
})

test('an event lets all go when it is set, and holds those who come after a reset', () => {
  const { exec } = startExec()
  const event = new Event()
  let gone = 0
  const go = function* (): Coroutine<void> {
    yield* event
    gone++
  }
  exec.spawn(go)
  exec.spawn(go)
  exec.runUntilIdle()
  event.set()
  exec.spawn(go)
  exec.runUntilIdle()
  assert.equal(gone, 3)
  event.reset()
  exec.spawn(go)
  exec.runUntilIdle()
  assert.equal(gone, 3)
})

test('a oneshot is settled once', async () => {
  const ok = new Oneshot<number>()
  assert.equal(ok.resolve(1), true)
  assert.equal(ok.reject(new Error('late')), false)
  assert.equal(await ok, 1)
  const bad = new Oneshot<number>()
  bad.reject(new RangeError('no'))
  await assert.rejects(async () => bad, RangeError)
})

test('a watch tells of a change since the version that was seen, even if it came before the wait', async () => {
  const watch = new Watch('a')
  const seen = watch.version
  watch.set('b')
  assert.equal(await watch.after(seen), 'b')
  const next = watch.after(watch.version).then((value) => value)
  watch.set('c')
  watch.set('d')
  assert.equal(await next, 'c')
  assert.equal(watch.value, 'd')
})

test('a broadcast reaches every subscriber from then on; a slow one misses the oldest and knows how many', async () => {
  const broadcast = new Broadcast<number>(2)
  const fast = broadcast.subscribe()
  broadcast.send(1)
  const slow = broadcast.subscribe()
  assert.equal(await fast.receive(), 1)
  for (const n of [2, 3]) assert.equal(broadcast.send(n), 2)
  assert.deepEqual([await fast.receive(), await fast.receive()], [2, 3])
  broadcast.send(4)
  assert.deepEqual([await slow.receive(), await slow.receive(), slow.missed], [3, 4, 1])
  slow.close()
  assert.equal(broadcast.subscribers, 1)
  broadcast.close()
  assert.deepEqual([await fast.receive(), await fast.receive(), await slow.receive()], [4, undefined, undefined])
})

test('a gate that is closed lets nobody in and waits for the last to leave', async () => {
  const gate = new Gate()
  gate.enter()
  gate.enter()
  const closed = gate.close()
  let over = false
  void closed.then(() => { over = true })
  assert.throws(() => gate.enter(), code('ERR_PERCORE_CLOSED'))
  gate.leave()
  await Promise.resolve()
  assert.equal(over, false)
  gate.leave()
  await gate.close()
  assert.equal(over, true)
  assert.throws(() => gate.leave(), code('ERR_PERCORE_INVALID_OPTION'))
})

test('join gives all values in order, and fails with the first failure, cancelling the rest', async () => {
  const { exec, clock } = startExec()
  const values = exec.fork(function* () {
    return yield* join([exec.sleep(3), exec.fork(() => 'x'), exec.fork(() => 7)])
  })
  runOut(exec, clock)
  assert.deepEqual(await values, [undefined, 'x', 7])
  const semaphore = new Semaphore(1)
  const failing = exec.fork(function* () {
    yield* join([semaphore.acquire(), exec.sleep(1000), exec.fork(() => { throw new RangeError('part') })])
  })
  runOut(exec, clock)
  await assert.rejects(async () => failing, RangeError)
  assert.equal(semaphore.available, 1, 'what a part was given went back')
  assert.equal(exec.nextDeadline(), Infinity, 'no timer is left')
  assert.deepEqual(await join([]), [])
})

test('race gives the first, cancels the others, and takes nothing from them', async () => {
  const { exec, clock } = startExec()
  const channel = new Channel<number>(1)
  const first = exec.fork(function* () { return yield* race([channel.receive(), exec.sleep(5)]) })
  runOut(exec, clock)
  assert.equal(await first, undefined)
  channel.trySend(7)
  assert.equal(await channel.receive(), 7, 'the loser does not wait any more')
  channel.trySend(8)
  const both = exec.fork(function* () { return yield* race([exec.sleep(0), channel.receive()]) })
  runOut(exec, clock)
  assert.equal(await both, 8)
  assert.equal(exec.nextDeadline(), Infinity)
  assert.throws(() => race([]), code('ERR_PERCORE_INVALID_OPTION'))
})

test('a coroutine cancelled within join, race or timeout leaves nothing waiting', async () => {
  const { exec } = startExec()
  const channel = new Channel<number>(1)
  const semaphore = new Semaphore(0)
  const joins = [
    exec.fork(function* () { yield* join([channel.receive(), semaphore.acquire()]) }),
    exec.fork(function* () { yield* race([channel.receive(), exec.sleep(100)]) }),
    exec.fork(function* () { yield* exec.timeout(100, channel.receive()) }),
  ]
  exec.runUntilIdle()
  for (const each of joins) each.cancel(new Error('why'))
  exec.runUntilIdle()
  for (const each of joins) await assert.rejects(async () => each, { message: 'why' })
  assert.equal(exec.nextDeadline(), Infinity)
  assert.equal(channel.trySend(1), true)
  assert.equal(channel.size, 1, 'nobody received it')
  semaphore.release()
  assert.equal(semaphore.available, 1)
})

test('a value that was handed to a coroutine in the moment of its cancellation goes to the next', async () => {
  const { exec } = startExec()
  const channel = new Channel<number>(1)
  const mutex = new Mutex()
  mutex.tryLock()
  const first = exec.fork(function* () { return yield* channel.receive() })
  const locker = exec.fork(function* () { yield* mutex.lock() })
  exec.runUntilIdle()
  channel.trySend(1) // both are woken, and cancelled before they run
  mutex.unlock()
  first.cancel()
  locker.cancel()
  exec.runUntilIdle()
  assert.equal(await channel.receive(), 1)
  assert.equal(mutex.locked, false)
})

test('timeout fails when nothing comes in time, and leaves no timer when it does', async () => {
  const { exec, clock } = startExec()
  const event = new Event()
  const late = exec.fork(function* () { yield* exec.timeout(10, event) })
  runOut(exec, clock)
  await assert.rejects(async () => late, code('ERR_PERCORE_TIMEOUT'))
  const quick = exec.fork(function* () { return yield* exec.timeout(1000, exec.fork(() => 'quick')) })
  runOut(exec, clock)
  assert.equal(await quick, 'quick')
  assert.equal(exec.nextDeadline(), Infinity)
})

test('yield* outside a coroutine of an executor says what is wrong', () => {
  const channel = new Channel<number>(1)
  const stray = (function* () { yield* channel.receive() })()
  assert.throws(() => stray.next(), code('ERR_PERCORE_INVALID_OPTION'))
})
