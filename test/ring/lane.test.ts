import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { shared } from '../../src/base/index.js'
import { descriptorWords, initLane, LaneConsumer, LaneProducer, laneWords, recoverConsumed, recoverProduced } from '../../src/ring/index.js'

/** Where every lane of these tests begins: three below the wrap of u32. */
const first = -3

interface Ends { i32: Int32Array; producer: LaneProducer; consumer: LaneConsumer; capacity: number }

function lane(capacity: number, index = first, at = 32): Ends {
  const i32 = new Int32Array(new SharedArrayBuffer((at + laneWords(capacity)) * 4))
  initLane(i32, at, index)
  return { i32, capacity, producer: new LaneProducer(i32, at, capacity), consumer: new LaneConsumer(i32, at, capacity) }
}

/** Commits items until the lane is full or all are in; returns how many went in. */
function push({ i32, producer }: Ends, ...items: number[]): number {
  let count = 0
  for (const item of items) {
    const slot = producer.claim()
    if (slot < 0) break
    i32.fill(item, slot, slot + descriptorWords)
    producer.commit()
    count++
  }
  return count
}

/** Takes up to `limit` ready items; does not release. */
function take({ i32, consumer }: Ends, limit = Infinity): number[] {
  const items: number[] = []
  for (let ready = Math.min(consumer.poll(), limit); ready > 0; ready--) {
    const slot = consumer.peek()
    consumer.advance()
    const words = i32.subarray(slot, slot + descriptorWords)
    assert.ok(words.every((word) => word === words[0]), 'a descriptor is whole')
    items.push(words[0] ?? 0)
  }
  return items
}

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

void describe('a lane', () => {
  for (const capacity of [1, 2, 4, 64]) {
    test(`of ${capacity} takes ${capacity} descriptors and no more, and takes them again once released`, () => {
      const ends = lane(capacity)
      const items = Array.from({ length: capacity + 1 }, (_, index) => index + 1)
      for (let round = 0; round < 5; round++) {
        assert.equal(push(ends, ...items), capacity)
        assert.equal(ends.producer.claim(), -1, 'full is an answer')
        ends.producer.publish()
        assert.deepEqual(take(ends), items.slice(0, capacity))
        assert.equal(ends.producer.claim(), -1, 'taken is not yet released')
        ends.consumer.release()
        assert.equal(ends.consumer.poll(), 0)
      }
    })
  }

  test('shows nothing before it is published, and everything after', () => {
    const ends = lane(4)
    assert.equal(ends.consumer.poll(), 0)
    push(ends, 1, 2)
    assert.equal(ends.producer.pending, 2)
    assert.equal(ends.consumer.poll(), 0)
    ends.producer.publish()
    assert.equal(ends.producer.pending, 0)
    assert.equal(ends.consumer.poll(), 2)
  })

  test('gives the same slot to every claim until one is committed', () => {
    const ends = lane(2)
    const slot = ends.producer.claim()
    assert.equal(ends.producer.claim(), slot)
    ends.producer.publish()
    assert.equal(ends.consumer.poll(), 0, 'a claim without a commit leaves nothing behind')
    ends.producer.commit()
    assert.notEqual(ends.producer.claim(), slot)
  })

  test('may be read in part and released in part', () => {
    const ends = lane(4)
    push(ends, 1, 2, 3, 4)
    ends.producer.publish()
    assert.deepEqual(take(ends, 1), [1])
    ends.consumer.release()
    assert.equal(push(ends, 5, 6), 1)
    ends.producer.publish()
    assert.deepEqual(take(ends), [2, 3, 4, 5])
  })

  for (const [index, name] of [[-1, '2^32'], [0x7fffffff, '2^31'], [0, '0']] as const) {
    test(`keeps order and count while its indices pass ${name}`, () => {
      const ends = lane(4, (index - 5) | 0)
      let pushed = 0
      let taken = 0
      for (let round = 0; round < 12; round++) {
        pushed += push(ends, pushed + 1, pushed + 2, pushed + 3)
        ends.producer.publish()
        for (const item of take(ends, 2)) assert.equal(item, ++taken)
        ends.consumer.release()
      }
      assert.ok(taken > 20)
    })
  }

  test('costs one atomic operation each way for a batch, and none for a task', () => {
    const ends = lane(64)
    const items = Array.from({ length: 64 }, (_, index) => index)
    assert.equal(atomicsOf(() => push(ends, ...items)), 0)
    assert.equal(atomicsOf(() => ends.producer.publish()), 1)
    assert.equal(atomicsOf(() => take(ends)), 1)
    assert.equal(atomicsOf(() => ends.consumer.release()), 1)
    assert.equal(atomicsOf(() => push(ends, ...items)), 1, 'and the producer looks once at the head')
  })

  test('touches no word beside its own', () => {
    const at = 32
    const i32 = new Int32Array(new SharedArrayBuffer((at + laneWords(2) + 16) * 4))
    initLane(i32, at, first)
    const ends = { i32, capacity: 2, producer: new LaneProducer(i32, at, 2), consumer: new LaneConsumer(i32, at, 2) }
    for (let round = 0; round < 3; round++) {
      push(ends, 7, 8)
      ends.producer.publish()
      take(ends)
      ends.consumer.release()
    }
    assert.ok([...i32.subarray(0, at), ...i32.subarray(at + laneWords(2))].every((word) => word === 0))
  })

  test('of a capacity that is no power of two is refused', () => {
    for (const capacity of [0, 3, -4, 1.5, Number.NaN]) {
      assert.throws(() => laneWords(capacity), { code: 'ERR_PERCORE_INVALID_OPTION' })
    }
  })

  test('whose indices make no sense stops its reader loudly', () => {
    const { i32, consumer } = lane(2)
    initLane(i32, 32, first + 3)
    assert.throws(() => consumer.poll(), { code: 'ERR_PERCORE_INVARIANT' })
    initLane(i32, 32, first - 1)
    assert.throws(() => consumer.poll(), { code: 'ERR_PERCORE_INVARIANT' })
  })
})

void describe('a lane whose threads have died', () => {
  test('keeps for the next consumer what was never started', () => {
    const ends = lane(4)
    push(ends, 1, 2, 3, 4)
    ends.producer.publish()
    assert.deepEqual(take(ends, 2), [1, 2])
    recoverConsumed(ends.i32, 32)
    const next = { ...ends, consumer: new LaneConsumer(ends.i32, 32, 4) }
    assert.deepEqual(take(next), [3, 4])
    assert.equal(push(ends, 5, 6, 7), 2, 'and gives back the slots of what was started')
  })

  test('publishes for a dead producer all it had committed, and nothing it had only claimed', () => {
    const ends = lane(4)
    push(ends, 1, 2)
    ends.i32.fill(99, ends.producer.claim(), ends.producer.claim() + descriptorWords)
    recoverProduced(ends.i32, 32)
    const next = { ...ends, producer: new LaneProducer(ends.i32, 32, 4) }
    assert.deepEqual(take(ends), [1, 2])
    push(next, 3)
    next.producer.publish()
    assert.deepEqual(take(ends), [3])
  })

  test('is left as it is when nothing was in between', () => {
    const ends = lane(4)
    push(ends, 1, 2, 3)
    ends.producer.publish()
    take(ends, 2)
    ends.consumer.release()
    const before = [...ends.i32]
    recoverConsumed(ends.i32, 32)
    recoverProduced(ends.i32, 32)
    assert.deepEqual([...ends.i32], before)
  })
})
