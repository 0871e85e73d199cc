import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng, hashKey } from '../../src/base/index.js'
import { balance, type Balancer, type LoadView, PercoreError, type TaskView } from '../../src/index.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected

/** Workers that hold so many tasks of `depth`, and may be gone. */
class FakeLoad implements LoadView {
  membership = 0
  readonly held: number[]
  readonly depth: number
  readonly gone = new Set<number>()

  constructor(held: readonly number[], depth = 8) {
    this.held = [...held]
    this.depth = depth
  }
  get workers(): number {
    return this.held.length
  }
  get inFlightTotal(): number {
    return this.held.reduce((sum, held) => sum + held, 0)
  }
  room(worker: number): number {
    return this.serves(worker) ? this.depth - this.held[worker] : 0
  }
  inFlight(worker: number): number {
    return this.held[worker]
  }
  isAwake(): boolean {
    return true
  }
  serves(worker: number): boolean {
    return worker < this.workers && !this.gone.has(worker)
  }
  remove(worker: number): void {
    this.gone.add(worker)
    this.membership++
  }
}

const task = (key?: string | number, value?: unknown): TaskView => ({ handler: 'echo', value, key })

for (const [name, make] of [['roundRobin', balance.roundRobin], ['leastDepth', balance.leastDepth], ['twoChoices', balance.twoChoices]] as const) {
  test(`${name} fills every worker to its depth, gives none to one that is gone, and says so when all are full`, () => {
    const balancer: Balancer = make()
    const load = new FakeLoad([0, 0, 0, 0, 0])
    load.remove(3)
    for (let i = 0; i < 4 * load.depth; i++) {
      const worker = balancer.pick(load)
      assert.ok(load.room(worker) > 0, `worker ${worker} has no room`)
      load.held[worker]++
    }
    assert.deepEqual(load.held, [8, 8, 8, 0, 8])
    assert.equal(balancer.pick(load), -1)
    load.held[1]--
    assert.equal(balancer.pick(load), 1)
  })
}

test('while the group is idle, round robin, least depth and two choices stay with a worker that is awake', () => {
  for (const balancer of [balance.roundRobin(), balance.leastDepth(), balance.twoChoices()]) {
    const load = new FakeLoad([0, 0, 0])
    const first = balancer.pick(load)
    for (let i = 0; i < 10; i++) assert.equal(balancer.pick(load), first)
  }
})

test('round robin takes turns, and passes over a worker that has fallen behind', () => {
  const balancer = balance.roundRobin()
  const load = new FakeLoad([70, 70, 70], 1000)
  const turns = Array.from({ length: 6 }, () => balancer.pick(load))
  assert.deepEqual(turns, [1, 2, 0, 1, 2, 0])
  load.held[1] = 170
  assert.deepEqual(Array.from({ length: 4 }, () => balancer.pick(load)), [2, 0, 2, 0])
  load.held[2] = 107
  assert.deepEqual(Array.from({ length: 3 }, () => balancer.pick(load)), [1, 2, 0])
})

test('least depth takes the worker that holds fewest', () => {
  const balancer = balance.leastDepth()
  assert.equal(balancer.pick(new FakeLoad([3, 1, 2])), 1)
  assert.equal(balancer.pick(new FakeLoad([3, 8, 2])), 2)
})

test('two choices keep tasks of very different lengths far more even than chance', () => {
  const prng = createPrng(7)
  const spread = (pick: (load: LoadView) => number): number => {
    const load = new FakeLoad(Array.from({ length: 32 }, () => 0), 1e6)
    for (let i = 0; i < 32_000; i++) load.held[pick(load)]++
    return Math.max(...load.held) - 1000
  }
  const balancer = balance.twoChoices(3)
  const even = spread((load) => balancer.pick(load))
  const chance = spread(() => prng.below(32))
  assert.ok(even <= 5, `${even} above the mean`)
  assert.ok(chance > 5 * even)
})

test('a key always goes to the same worker, keys spread evenly, and a task without one goes round', () => {
  const place = balance.key()
  const load = new FakeLoad([0, 0, 0, 0])
  const counts = [0, 0, 0, 0]
  for (let i = 0; i < 10_000; i++) {
    const worker = place(task(`user ${i}`), load)
    counts[worker]++
    load.held[i % 4] = i % 8 // load changes nothing
    assert.equal(place(task(`user ${i}`), load), worker)
  }
  for (const count of counts) assert.ok(Math.abs(count - 2500) < 250, String(counts))
  assert.equal(place(task(3), load), place(task(3), load))
  load.held.fill(8)
  assert.ok(place(task('a key waits for its worker'), load) >= 0)
  assert.equal(place(task(), load), -1)
})

test('few keys move when a worker leaves or joins, and none between those that stay', () => {
  const place = balance.key()
  const load = new FakeLoad([0, 0, 0, 0, 0])
  const keys = Array.from({ length: 5000 }, (_, i) => i * 0.5)
  const before = keys.map((key) => place(task(key), load))
  load.remove(2)
  const without = keys.map((key) => place(task(key), load))
  keys.forEach((_, i) => assert.ok(before[i] === 2 ? without[i] !== 2 : without[i] === before[i]))
  load.held.push(0)
  load.membership++
  const joined = keys.map((key) => place(task(key), load))
  const moved = keys.filter((_, i) => joined[i] !== without[i])
  keys.forEach((_, i) => assert.ok(joined[i] === without[i] || joined[i] === 5))
  assert.ok(moved.length > 700 && moved.length < 1300, `${moved.length} of 5000 moved to the fifth`)
})

test('the key is that of the call, else what the function finds in the value', () => {
  const place = balance.key((row: { id: string }) => row.id)
  const load = new FakeLoad([0, 0, 0, 0, 0, 0, 0, 0])
  assert.equal(place(task(undefined, { id: 'x' }), load), place(task('x', { id: 'y' }), load))
  assert.throws(() => place(task(undefined, { id: {} }), load), code('ERR_PERCORE_INVALID_OPTION'))
  assert.throws(() => place(task(undefined, { id: 3n }), load), code('ERR_PERCORE_INVALID_OPTION'))
})

test('keys that a Map takes for one hash alike; others differ', () => {
  assert.equal(hashKey(0), hashKey(-0))
  assert.equal(hashKey(Number.NaN), hashKey(Number.NaN))
  const keys = ['', '1', 1, 1.5, 2 ** 40, -1, 'a', 'b', 'aa', Infinity, -Infinity, '\u00e9', '\ud800']
  assert.equal(new Set(keys.map(hashKey)).size, keys.length)
})
