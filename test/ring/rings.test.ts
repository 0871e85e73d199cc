/** What holds for every ring: one suite, run for each kind, on one thread. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import type { Ring, RingConsumer, RingProducer } from '../../src/ring/index.js'
import { readLayout } from '../../src/ring/ring-layout.js'
import { atomicsOf, type Kind, kinds, mpmcOf, mpscOf, ringAt } from './kinds.js'

const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)
/** Below the wrap of u32 and of i32, and the usual beginning. */
const beginnings = [-3, 0x7fffffff - 2, 0]

interface Ends { ring: Ring, producer: RingProducer, consumer: RingConsumer }

function open(kind: Kind, capacity: number, recordWords = 1, index = beginnings[0]): Ends {
  const ring = ringAt(kind, { capacity, recordWords }, index)
  return { ring, producer: ring.producer(), consumer: ring.consumer() }
}

const from = (first: number, count: number): number[] => Array.from({ length: count }, (_, n) => first + n)

function popAll(consumer: RingConsumer, limit: number): number[] {
  const into = new Int32Array(limit * consumer.recordWords)
  return [...into.subarray(0, consumer.popBurst(into, limit) * consumer.recordWords)]
}

for (const kind of kinds) void describe(`a ring of kind ${kind.name}`, () => {
  for (const capacity of [1, 2, 3, 5, 8, 100]) {
    test(`of ${capacity} takes exactly ${capacity} records, and as many again as were given back`, () => {
      const { producer, consumer } = open(kind, capacity)
      for (let round = 0, next = 1; round < 5; round++) {
        assert.equal(producer.pushBurst(from(next, capacity + 1), capacity + 1), capacity)
        assert.deepEqual([producer.push([0]), producer.claim(), producer.depth()], [false, 0, capacity], 'full is an answer')
        assert.deepEqual(popAll(consumer, 1), [next])
        assert.deepEqual([producer.push([next + capacity]), producer.push([0])], [true, false])
        assert.deepEqual(popAll(consumer, capacity + 1), from(next + 1, capacity))
        assert.equal(consumer.pop(new Int32Array(1)), false, 'empty is an answer')
        next += capacity + 1
      }
    })
  }

  for (const recordWords of [1, 2, 3, 16, 17]) {
    test(`carries records of ${recordWords} words whole, in order, past every wrap`, () => {
      for (const index of beginnings) {
        const { producer, consumer } = open(kind, 3, recordWords, index)
        let [pushed, popped] = [0, 0]
        for (let round = 0; round < 10; round++) {
          const records = from(pushed, 2).flatMap((item) => from(item * 100, recordWords))
          assert.equal(producer.pushBulk(records, 2), 2)
          pushed += 2
          const into = new Int32Array(2 * recordWords + 2).fill(-1)
          assert.equal(consumer.popBulk(into, 2, 1), 2)
          assert.deepEqual([...into], [-1, ...from(popped, 2).flatMap((item) => from(item * 100, recordWords)), -1])
          popped += 2
        }
      }
    })
  }

  test('pushes and pops in bulk all or nothing, in bursts as many as possible', () => {
    const { producer, consumer } = open(kind, 5)
    const into = new Int32Array(8)
    assert.equal(producer.pushBulk(from(1, 6), 6), 0)
    assert.equal(producer.depth(), 0)
    assert.equal(producer.pushBulk(from(1, 3), 3), 3)
    assert.equal(producer.pushBulk(from(4, 3), 3), 0)
    assert.equal(producer.pushBurst(from(4, 3), 3), 2)
    assert.equal(consumer.popBulk(into, 6), 0)
    assert.equal(consumer.popBulk(into, 4), 4)
    assert.equal(consumer.popBulk(into, 2), 0)
    assert.equal(consumer.popBurst(into, 2, 4), 1)
    assert.equal(consumer.popBurst(into, 2), 0)
    assert.deepEqual([...into], [1, 2, 3, 4, 5, 0, 0, 0])
    assert.deepEqual([producer.pushBulk([], 0), producer.pushBurst([], 0)], [0, 0])
    assert.deepEqual([consumer.popBulk(into, 0), consumer.popBurst(into, 0)], [0, 0])
  })

  test('lets a record be written in place, and seen when it is published and not before', () => {
    const { producer, consumer } = open(kind, 4, 2)
    assert.equal(producer.claim(9), 4)
    for (let n = 0; n < 4; n++) producer.words.i32.set([n, -n], producer.slot(n))
    assert.equal(consumer.peek(), 0)
    producer.publish(3)
    assert.equal(consumer.peek(9), 3)
    assert.equal(producer.claim(9), 1, 'what is not published is not taken')
    const seen = from(0, 3).map((n) => [consumer.i32[consumer.slot(n)], consumer.i32[consumer.slot(n) + 1]])
    assert.deepEqual(seen, [[0, 0], [1, -1], [2, -2]])
    assert.equal(producer.claim(9), 1, 'what is looked at is not given back')
    assert.equal(consumer.release(2), true)
    assert.equal(producer.claim(9), 3)
    assert.equal(consumer.peek(9), 1)
    assert.equal(consumer.i32[consumer.slot()], 2)
    assert.equal(consumer.release(), true)
    assert.equal(consumer.peek(9), 0)
  })

  test('tells which of the records claimed or peeked at lie side by side', () => {
    const { producer, consumer } = open(kind, 3, 2, 2) // the third slot of four comes first
    assert.deepEqual([producer.claim(3), producer.run(3), producer.run(3, 1), producer.run(3, 2), producer.run(1)], [3, 2, 1, 1, 1])
    assert.deepEqual([producer.slot(1) - producer.slot(), producer.slot(2) - producer.slot()], [2, -4])
    producer.publish(3)
    assert.deepEqual([consumer.peek(3), consumer.run(3), consumer.run(3, 1), consumer.run(3, 2), consumer.run(1)], [3, 2, 1, 1, 1])
    assert.deepEqual([consumer.slot(1) - consumer.slot(), consumer.slot(2) - consumer.slot()], [2, -4])
  })

  test('behaves as a bounded queue of each producer, whatever is done in which order', (t) => {
    t.diagnostic(`PERCORE_SEED=${seed}`)
    for (let run = 0; run < 60; run++) {
      const prng = createPrng(seed, run)
      const capacity = 1 + prng.below(9)
      const ring = ringAt(kind, { capacity, recordWords: 2 }, beginnings[prng.below(3)])
      const producers = from(0, kind.producers).map(() => ring.producer())
      const consumers = from(0, kind.consumers).map(() => ring.consumer())
      const queues: number[][] = producers.map(() => [])
      const pushed = producers.map(() => 0)
      const take = (items: Int32Array, count: number): void => {
        for (let n = 0; n < 2 * count; n += 2) assert.equal(items[n + 1], queues[items[n]]?.shift(), 'in order, none lost, none twice')
      }
      for (let step = 0; step < 200; step++) {
        const count = 1 + prng.below(capacity + 2)
        if (prng.below(2) === 0) {
          const who = prng.below(producers.length)
          const producer = producers[who]
          const room = capacity - queues[who].length
          const records = from(pushed[who], count).flatMap((item) => [who, item])
          const bulk = prng.below(2) === 0
          const took = bulk ? producer.pushBulk(records, count) : producer.pushBurst(records, count)
          assert.equal(took, bulk && count > room ? 0 : Math.min(count, room))
          queues[who].push(...from(pushed[who], took))
          pushed[who] += took
        } else {
          const consumer = consumers[prng.below(consumers.length)]
          const there = queues.map((queue) => queue.length)
          const sum = there.reduce((a, b) => a + b)
          const into = new Int32Array(2 * count)
          if (prng.below(2) === 0) {
            const got = consumer.popBulk(into, count)
            const most = kind.name === 'mpmc' ? Math.max(...there) : sum
            assert.equal(got, most >= count ? count : 0)
            take(into, got)
          } else {
            const got = consumer.popBurst(into, count)
            assert.equal(got, Math.min(count, sum))
            take(into, got)
          }
        }
        assert.deepEqual(ring.stats().depths, queues.map((queue) => queue.length))
      }
    }
  })

  test('tells when it is filled to its high-water mark, and how full it has ever been found', () => {
    const ring = kind.create({ capacity: 10, recordWords: 1, highWater: 4 })
    const [producer, consumer] = [ring.producer(), ring.consumer()]
    producer.pushBulk(from(1, 3), 3)
    assert.equal(producer.isHigh(), false)
    producer.push([4])
    assert.equal(producer.isHigh(), true)
    consumer.pop(new Int32Array(1))
    assert.equal(producer.isHigh(), false)
    assert.equal(ring.stats().peak, 4)
    popAll(consumer, 10)
    producer.pushBulk(from(5, 7), 7)
    popAll(consumer, 10)
    assert.equal(ring.stats().peak, 7)
  })

  test('is one place for each thread: a taken one is refused, a closed or recovered one is free', () => {
    const ring = kind.create({ capacity: 2, recordWords: 1 })
    const producers = from(0, kind.producers).map(() => ring.producer())
    const consumers = from(0, kind.consumers).map(() => ring.consumer())
    assert.deepEqual(producers.map(({ index }) => index), from(0, kind.producers))
    const takenError = { code: 'ERR_PERCORE_RING_TAKEN', message: /place/ }
    assert.throws(() => ring.producer(), takenError)
    assert.throws(() => ring.consumer(), takenError)
    assert.throws(() => ring.producer(0), takenError)
    producers[0].push([7])
    producers[0].close()
    consumers[0].close()
    assert.equal(ring.stats().producers[0], false)
    const [producer, consumer] = [ring.producer(), ring.consumer()]
    producer.push([8])
    assert.deepEqual(popAll(consumer, 2), [7, 8], 'whoever comes next goes on where it stands')
    ring.recoverProducer(0)
    ring.recoverConsumer(0)
    assert.equal(ring.producer(0).index + ring.consumer(0).index, 0)
    for (const index of [-1, 0.5, 99]) {
      const noSuch = { code: 'ERR_PERCORE_INVALID_OPTION', message: /there is no/ }
      for (const name of ['producer', 'consumer', 'recoverProducer', 'recoverConsumer'] as const) assert.throws(() => ring[name](index), noSuch)
    }
  })

  test('lies in a region of your buffer and touches nothing beside it, and its handle can be cloned', () => {
    const options = { capacity: 3, recordWords: 5 }
    const bytes = kind.bytes(options)
    const buffer = new SharedArrayBuffer(128 + bytes + 64)
    const guards = new Int32Array(buffer).fill(0x55)
    const ring = kind.create({ ...options, buffer, byteOffset: 128 })
    const producer = ring.producer()
    const consumer = kind.attach({ ...structuredClone(ring.handle), buffer }).consumer()
    for (let round = 0; round < 4; round++) {
      assert.equal(producer.pushBulk(from(round, 15), 3), 3)
      assert.deepEqual(popAll(consumer, 3), from(round, 15))
    }
    assert.ok([...guards.subarray(0, 32), ...guards.subarray((128 + bytes) / 4)].every((word) => word === 0x55))
    assert.equal(kind.create(options).handle.buffer.byteLength, bytes)
  })

  test('refuses what cannot be used, and says what was wrong', () => {
    const wrong = (options: Record<string, unknown>, message: RegExp): void => {
      assert.throws(() => kind.create({ capacity: 4, recordWords: 4, ...options }), { code: 'ERR_PERCORE_INVALID_OPTION', message })
    }
    for (const capacity of [0, -1, 1.5, Number.NaN, 2 ** 31, undefined]) wrong({ capacity }, new RegExp(`capacity .* not ${capacity}`))
    for (const recordWords of [0, -4, 2.5, 16_385]) wrong({ recordWords }, new RegExp(`recordWords .* not ${recordWords}`))
    for (const highWater of [0, 5, 1.5]) wrong({ highWater }, /highWater .* capacity/)
    for (const byteOffset of [-64, 4, 32.5]) wrong({ byteOffset, buffer: new SharedArrayBuffer(100_000) }, /multiple of 64/)
    wrong({ buffer: new SharedArrayBuffer(64) }, /does not fit into a buffer of 64/)
    wrong({ buffer: new ArrayBuffer(100_000) }, /SharedArrayBuffer/)
    wrong({ capacity: 2 ** 30, recordWords: 16 }, /too large: at most 8 GiB/)
    wrong({ lanes: 2 }, /has no option 'lanes'. There are: capacity, recordWords/)
    for (const nothing of [undefined, null, 3]) {
      const refused = { code: 'ERR_PERCORE_INVALID_OPTION', message: /not (undefined|null|3)/ }
      assert.throws(() => kind.create(nothing as never), refused)
      assert.throws(() => kind.attach(nothing as never), refused)
    }
  })

  test('is not found where it is not, nor taken for another kind', () => {
    const invalid = (message: RegExp): object => ({ code: 'ERR_PERCORE_INVALID_OPTION', message })
    assert.throws(() => kind.attach({ buffer: new SharedArrayBuffer(1000), byteOffset: 0 }), invalid(/there is no ring at byte 0/))
    for (const other of kinds) {
      if (other === kind) continue
      const { handle } = other.create({ capacity: 1, recordWords: 1 })
      assert.throws(() => kind.attach(handle), invalid(new RegExp(`a ring of kind ${other.name}`)))
    }
  })

  test('refuses arrays that are shorter than what is to be copied', () => {
    const { producer, consumer } = open(kind, 4, 2)
    const short = { code: 'ERR_PERCORE_INVALID_OPTION', message: /records of 2 words/ }
    for (const act of [
      () => producer.push([1]), () => producer.push([1, 2], 1), () => producer.push([1, 2], -1), () => producer.pushBulk([1, 2, 3], 2),
      () => producer.pushBurst([1, 2, 3], 2), () => consumer.pop(new Int32Array(1)), () => consumer.pop(new Int32Array(2), 1),
      () => consumer.popBulk(new Int32Array(3), 2), () => consumer.popBurst(new Int32Array(3), 2),
      () => consumer.popBurst(new Int32Array(4), 1, -1),
    ]) assert.throws(act, short)
    assert.equal(producer.depth(), 0)
  })

  test('refuses to publish or release what there is not, and goes on as if nothing had been asked', () => {
    const refused = { code: 'ERR_PERCORE_INVALID_OPTION', message: /^(3|2|1|-1|NaN) records cannot be (published: publish|released: release) at most as many/ }
    const { producer, consumer } = open(kind, 2)
    for (const count of [3, -1, Number.NaN]) assert.throws(() => producer.publish(count), refused)
    assert.throws(() => consumer.release(), refused)
    producer.push([1])
    consumer.peek(2)
    for (const count of [2, -1, Number.NaN]) assert.throws(() => consumer.release(count), refused)
    assert.deepEqual([producer.depth(), consumer.i32[consumer.slot()], consumer.release(), producer.depth()], [1, 1, true, 0])
  })

  test('costs a handful of atomics for a batch on either side, however many records', () => {
    const { producer, consumer } = open(kind, 64)
    const publish = { spsc: 2, mpsc: 4, mpmc: 4 }[kind.name]
    const publishAgain = { spsc: 2, mpsc: 2, mpmc: 3 }[kind.name]
    const peek = { spsc: 1, mpsc: 3, mpmc: 3 }[kind.name]
    for (let round = 0; round < 3; round++) {
      producer.claim(32)
      const first = atomicsOf(() => producer.publish(16))
      const second = atomicsOf(() => producer.publish(16))
      const look = atomicsOf(() => consumer.peek(32))
      const release = atomicsOf(() => consumer.release(32))
      const costs = [first, second, look, release]
      assert.ok(costs.every((cost, n) => cost <= [publish, publishAgain, peek, 2][n]), costs.join(' '))
    }
  })
})

for (const [name, kindOf] of [['mpsc', mpscOf], ['mpmc', (producers: number) => mpmcOf(producers, 2)]] as const) {
  test(`the consumer of an ${name} ring does not pay for silent producers`, () => {
    const costs = [2, 64].map((count) => {
      const ring = kindOf(count).create({ capacity: 8, recordWords: 1 })
      const [first, last, consumer] = [ring.producer(0), ring.producer(count - 1), ring.consumer()]
      const into = new Int32Array(8)
      const cost = (): number => atomicsOf(() => {
        for (let round = 0; round < 10; round++) {
          first.push([1])
          last.push([2])
          assert.equal(consumer.popBurst(into, 2), 2)
        }
      })
      cost()
      return cost()
    })
    assert.ok(costs[1] <= costs[0] * 1.5, `20 records cost ${costs[0]} atomics with 2 producers, ${costs[1]} with 64`)
  })

  test(`the consumer of an ${name} ring finds each of many producers, and starves none`, () => {
    const ring = kindOf(70).create({ capacity: 4, recordWords: 1 })
    const producers = from(0, 70).map(() => ring.producer())
    const consumer = ring.consumer()
    for (const producer of producers) producer.pushBulk(from(0, 4).map(() => producer.index), 4)
    const seen = new Map<number, number>()
    const into = new Int32Array(1)
    for (let turn = 0; turn < 70 * 4; turn++) {
      assert.ok(consumer.pop(into))
      seen.set(into[0], (seen.get(into[0]) ?? 0) + 1)
      producers[3].push([3]) // who never stops
    }
    assert.deepEqual([...seen].filter(([who, count]) => who !== 3 && count !== 4), [])
    assert.equal(seen.size, 70)
  })

  test(`a consumer of an ${name} ring that only polls finds what a dead thread left unmarked`, () => {
    const ring = kindOf(40).create({ capacity: 4, recordWords: 1 })
    const consumer = ring.consumer()
    ring.producer(35).push([7])
    const { readyAt } = readLayout(name, ring.handle)
    new Int32Array(ring.handle.buffer).fill(0, readyAt, readyAt + 2)
    const into = new Int32Array(1)
    let tries = 1
    while (tries < 1000 && !consumer.pop(into)) tries++
    assert.ok(into[0] === 7 && tries <= 64, `${tries} tries`)
  })

  test(`an ${name} ring refuses numbers of threads it cannot have`, () => {
    for (const producers of [0, 513, 1.5]) {
      assert.throws(() => kindOf(producers).create({ capacity: 1, recordWords: 1 }), { code: 'ERR_PERCORE_INVALID_OPTION' })
    }
  })
}

test('two consumers of an mpmc ring may read the same record, and one of them has it', () => {
  const ring = mpmcOf(1, 2).create({ capacity: 4, recordWords: 1 })
  const [producer, one, two] = [ring.producer(), ring.consumer(), ring.consumer()]
  producer.pushBulk([1, 2, 3], 3)
  assert.deepEqual([one.peek(2), two.peek(1)], [2, 1])
  assert.deepEqual([one.release(2), two.release(1)], [true, false])
  assert.equal(two.peek(4), 1)
  assert.equal(two.i32[two.slot()], 3)
  assert.throws(() => mpmcOf(1, 65).create({ capacity: 1, recordWords: 1 }), { code: 'ERR_PERCORE_INVALID_OPTION' })
})
