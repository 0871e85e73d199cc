import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { type Timer, Wheel } from '../../src/exec/wheel.js'
import { runOut, startExec } from './clock.js'

const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)

test(`timers fire at their tick, in order, none early, none lost; cancelled ones never (PERCORE_SEED=${seed})`, (t) => {
  t.diagnostic(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  const ranges = [1, 10, 1023, 1024, 1025, 5000, 65_536, 65_537, 1 << 22, 1 << 28, 2 ** 32, 2 ** 33]
  for (const start of [0, 255, 2 ** 31 - 3, 2 ** 32 - 200, 1_763_655_225_000]) {
    const wheel = new Wheel(start)
    const model = new Map<number, { tick: number; from: number; timer: Timer }>()
    let number = 0
    for (let step = 0; step < 200; step++) {
      for (let i = prng.below(8); i > 0; i--) {
        const range = ranges[prng.below(ranges.length)] ?? 1
        const tick = wheel.tick + Math.floor((prng.next() / 2 ** 32) * range)
        number++
        model.set(number, { tick, from: Math.max(tick, wheel.tick), timer: wheel.timerAt(wheel.set(tick, number, number)) })
      }
      for (const [name, { timer }] of model) {
        if (prng.below(20) > 0) continue
        assert.equal(wheel.cancel(timer), true)
        assert.equal(wheel.cancel(timer), false)
        model.delete(name)
      }
      const earliest = Math.min(...[...model.values()].map(({ tick }) => tick))
      assert.ok(wheel.nextTick() <= Math.max(earliest, wheel.tick), `next ${wheel.nextTick()}, earliest ${earliest}`)
      assert.equal(wheel.nextTick() === Infinity, model.size === 0)
      const jump = [1, 3, 200, 300, 20_000, 2 ** 21, 2 ** 27][prng.below(7)] ?? 1
      const to = prng.below(3) === 0 && Number.isFinite(wheel.nextTick()) ? wheel.nextTick() : wheel.tick + Math.floor(prng.next() / 2 ** 32 * jump)
      let last = -Infinity
      const fire = (target: unknown, generation: number): void => {
        const due = model.get(target as number)
        assert.ok(due !== undefined, 'it was set and neither fired nor cancelled')
        assert.equal(generation, target)
        assert.ok(due.tick <= wheel.tick, 'not early')
        assert.ok(due.from >= last, 'in order')
        last = due.from
        model.delete(target as number)
      }
      while (wheel.advance(Math.max(to, wheel.tick), 1 + prng.below(5), fire) > 0 || wheel.isDue);
      for (const { tick } of model.values()) assert.ok(tick > wheel.tick, 'none late')
      assert.equal(wheel.count, model.size)
    }
  }
})

test('a million timers live, and each fires once in its millisecond', () => {
  const { exec, clock } = startExec({ tasksMax: 1 })
  const start = clock.ms
  let fired = 0
  for (let n = 0; n < 1_000_000; n++) {
    const ms = (n * 7919) % 50_000
    exec.sleep(ms).listen(() => {
      fired++
      if (clock.ms < start + ms || clock.ms > start + ms + 100) assert.fail(`${ms}: after ${clock.ms - start}`)
    })
  }
  for (let ms = 0; ms <= 50_000; ms += 100) {
    clock.ms = start + ms
    exec.runUntilIdle()
  }
  assert.equal(fired, 1_000_000)
  assert.equal(exec.nextDeadline(), Infinity)
})

test('a sleep is never shorter than asked, and at most one tick of 0.25 ms longer', () => {
  const { exec, clock } = startExec()
  const slept: number[] = []
  for (const ms of [0, 0.1, 1, 1.5, 255.9, 256, 300, 70_000]) {
    exec.spawn(function* () {
      const start = clock.ms
      yield* exec.sleep(ms)
      slept.push(clock.ms - start - ms)
    })
  }
  clock.ms += 0.25
  runOut(exec, clock)
  assert.equal(slept.length, 8)
  for (const over of slept) assert.ok(over >= 0 && over <= 0.25, String(over))
})

test('sleepers of no time give way to each other and to the turn', () => {
  const { exec } = startExec()
  let turns = 0
  exec.spawn(function* () {
    for (;;) {
      turns++
      yield* exec.sleep(0)
    }
  })
  exec.turn(0)
  exec.turn(0)
  assert.ok(turns >= 1 && turns <= 3, String(turns))
})
