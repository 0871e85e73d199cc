/**
 * The scenarios of the three rings, right ones and ones with a mistake made at the seam, at the smallest sizes that still wrap. A thread
 * that sleeps does so for ever unless it is woken, so that a lost wake-up is a stuck run.
 */
import assert from 'node:assert/strict'
import { shared, wordsOf } from '../../src/base/index.js'
import type { RingConsumer } from '../../src/ring/consumer.js'
import { EventCount } from '../../src/ring/event-count.js'
import { MpmcConsumer } from '../../src/ring/mpmc.js'
import { MpscConsumer } from '../../src/ring/mpsc.js'
import { RingProducer } from '../../src/ring/producer.js'
import { laneAt, laneWordsOf, layOut, readLayout, type RingKind, type RingLayout } from '../../src/ring/ring-layout.js'
import { SpscConsumer } from '../../src/ring/spsc.js'
import { brokenCounts, countScenarios } from './event-count.scenarios.js'
import { type Mistake, tornCompare, withMistake } from './mistakes.js'
import type { Scenario, Stage } from './scenario.js'

/** Indices start two below the wrap of u32, and so wrap in every scenario. */
const first = -2
const recordWords = 2
const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1)

interface Shape { readonly kind: RingKind, readonly capacity: number, readonly producers: number, readonly consumers: number }

/** Where things are in a ring of this shape at the start of the memory: known without looking into it. */
function layoutOf({ kind, ...shape }: Shape): RingLayout {
  return readLayout(kind, layOut(kind, { ...shape, recordWords }, { capacity: shape.capacity, recordWords }))
}

function scenarioOf(shape: Shape, rest: Omit<Scenario, 'words' | 'setup'>): Scenario {
  const layout = layoutOf(shape)
  return {
    ...rest,
    words: layout.words,
    setup: ({ buffer, i32 }) => {
      layOut(shape.kind, { ...shape, recordWords }, { capacity: shape.capacity, recordWords, buffer })
      for (let lane = 0; lane < shape.producers; lane++) {
        for (const word of [laneWordsOf.tail, laneWordsOf.head]) i32[laneAt(layout, lane) + word] = first
      }
    },
  }
}

const noMessage = (): void => assert.fail('nobody sleeps in its event loop here')
const bellOf = (stage: Stage, at: number): EventCount => new EventCount(stage.i32, at, noMessage)

const alarm = (stage: Stage, at: number): void => new EventCount(stage.i32, at, () => {}).alarm()

/** Pushes the producer's items from `item` to `last`, in bursts of `batch`, sleeping for room. They are 10 · lane + 1, …. */
function produce(stage: Stage, layout: RingLayout, lane: number, item: number, last: number, batch: number, timeoutMs?: number): void {
  const producer = new RingProducer(stage.words, layout, lane)
  const room = bellOf(stage, laneAt(layout, lane) + laneWordsOf.room)
  while (item <= last) {
    const count = Math.min(producer.claim(batch), last - item + 1)
    if (count === 0) room.block(() => producer.look(1), timeoutMs)
    for (let n = 0; n < count; n++, item++) {
      const slot = producer.slot(n)
      stage.i32[slot] = 10 * lane + item
      stage.i32[slot + 1] = -(10 * lane + item)
    }
    if (count > 0) producer.publish(count)
  }
}

/**
 * The plain reads of a consumer of several are races by design: it reads by a view that is not watched, with a point within each record.
 */
function openConsumer(stage: Stage, layout: RingLayout, index: number): RingConsumer {
  if (layout.kind === 'mpmc') return new MpmcConsumer(wordsOf(stage.words.buffer), layout, index)
  return layout.kind === 'mpsc' ? new MpscConsumer(stage.words, layout, index) : new SpscConsumer(stage.words, layout, index)
}

/** Takes what is ready, at most `batch`, and notes it; returns how many. */
function take(stage: Stage, consumer: RingConsumer, batch: number): number {
  const items: number[] = []
  const torn: boolean[] = []
  const ready = consumer.peek(batch)
  for (let n = 0; n < ready; n++) {
    const slot = consumer.slot(n)
    const item = consumer.i32[slot]
    if (consumer instanceof MpmcConsumer) stage.step()
    items.push(item)
    torn.push(consumer.i32[slot + 1] !== -item)
  }
  if (ready === 0 || !consumer.release(ready)) return 0
  assert.ok(!torn.includes(true), `a record that is taken is whole: ${items.join(' ')}`)
  for (const item of items) stage.note(item)
  return ready
}

/** Takes `count` records; when there are none (or fewer than `wanted`) it sleeps, or polls and so sees nothing but the mask. */
function consume(stage: Stage, layout: RingLayout, index: number, count: number, batch: number, wanted = 1, polls = false): void {
  const consumer = openConsumer(stage, layout, index)
  const items = bellOf(stage, layout.itemsAt)
  for (let got = 0; got < count;) {
    if (wanted > 1) while (!consumer.look(wanted)) items.block(() => consumer.look(wanted))
    const taken = take(stage, consumer, Math.min(batch, count - got))
    got += taken
    if (taken > 0) continue
    if (polls) stage.pause()
    else items.block(() => consumer.look(1))
  }
}

/** Everything of each producer arrives at one of the consumers, once, and at each consumer in order. */
function checkArrival(shape: Shape, items: readonly number[], got: readonly (readonly number[])[]): void {
  const all = items.flatMap((count, lane) => range(count).map((item) => 10 * lane + item))
  assert.deepEqual(got.flat().toSorted((a, b) => a - b), all, 'everything arrives, once')
  for (const mine of got) {
    for (let lane = 0; lane < shape.producers; lane++) {
      const ofLane = mine.filter((item) => Math.floor(item / 10) === lane)
      assert.deepEqual(ofLane, ofLane.toSorted((a, b) => a - b), 'in order')
    }
  }
}

interface Flow {
  /** How many each producer pushes, and each consumer takes. */
  readonly items: readonly number[]
  readonly takes: readonly number[]
  readonly pushBatch: number
  readonly takeBatch: number
  readonly wanted?: number
  readonly polls?: boolean
}

function flow(shape: Shape, { items, takes, pushBatch, takeBatch, wanted, polls }: Flow, mistake?: Mistake): Scenario {
  const layout = layoutOf(shape)
  return scenarioOf(shape, {
    threads: [
      ...takes.map((count, index) => (stage: Stage) => withMistake(mistake, () => consume(stage, layout, index, count, takeBatch, wanted, polls))),
      ...items.map((count, lane) => (stage: Stage) => withMistake(mistake, () => produce(stage, layout, lane, 1, count, pushBatch))),
    ],
    check: ({ notes }) => checkArrival(shape, items, notes.slice(0, takes.length)),
  })
}

/**
 * A producer may die anywhere, and nobody recovers it: the consumer, which looks for itself now and then, gets all that the others push.
 * Whatever it sees of the dead one's is whole and in order.
 */
function producerDies(shape: Shape, items: number): Scenario {
  const layout = layoutOf(shape)
  return scenarioOf(shape, {
    mortal: [0],
    threads: [
      (stage) => produce(stage, layout, 0, 1, items, 1),
      (stage) => produce(stage, layout, 1, 1, items, 1),
      (stage) => {
        const consumer = openConsumer(stage, layout, 0)
        const bell = bellOf(stage, layout.itemsAt)
        const others = (): boolean => shared.load(stage.i32, laneAt(layout, 1) + laneWordsOf.head) === first + items
        while (!others()) if (take(stage, consumer, 2) === 0) bell.block(() => consumer.look(1), 1)
      },
    ],
    check: ({ notes }) => {
      const [, , got = []] = notes
      assert.deepEqual(got.filter((item) => item > 10), range(items).map((item) => 10 + item), 'all of the living')
      const dead = got.filter((item) => item < 10)
      assert.deepEqual(dead, range(dead.length), 'of the dead a beginning')
    },
  })
}

/** A producer may die anywhere; whoever joined it recovers its place and goes on behind it. Sleeps are for ever. */
function producerRecovered(shape: Shape, items: number): Scenario {
  const layout = layoutOf(shape)
  return scenarioOf(shape, {
    mortal: [0],
    threads: [
      (stage) => produce(stage, layout, 0, 1, items, 1),
      (stage) => consume(stage, layout, 0, items, 2),
      (stage) => {
        if (!stage.join(0)) return
        alarm(stage, layout.itemsAt)
        produce(stage, layout, 0, ((shared.load(stage.i32, laneAt(layout, 0) + laneWordsOf.tail) - first) | 0) + 1, items, 1)
      },
    ],
    check: ({ notes }) => assert.deepEqual(notes[1], range(items)),
  })
}

/** A consumer may die anywhere; the other one, or its successor, gets all that was not in its hands. */
function consumerDies(shape: Shape, items: number, batch: number): Scenario {
  const layout = layoutOf(shape)
  const successor = shape.consumers === 1
  const drain = (stage: Stage, index: number): void => {
    const consumer = openConsumer(stage, layout, index)
    const empty = (): boolean => shared.load(stage.i32, laneAt(layout, 0) + laneWordsOf.head) === first + items
    // A consumer that polls looks at every lane now and then; here, each time.
    while (!empty()) if (take(stage, consumer, batch) === 0 && !consumer.look(1)) stage.pause()
  }
  return scenarioOf(shape, {
    mortal: [0],
    threads: [
      (stage) => drain(stage, 0),
      (stage) => {
        if (successor) {
          if (!stage.join(0)) return
          alarm(stage, laneAt(layout, 0) + laneWordsOf.room) // it may have given slots back and not rung
        }
        drain(stage, successor ? 0 : 1)
      },
      // With another consumer nobody recovers the dead one: the producer looks for itself now and then.
      (stage) => produce(stage, layout, 0, 1, items, 1, successor ? undefined : 1),
    ],
    check: ({ notes, died }) => {
      const got = [...notes[0] ?? [], ...notes[1] ?? []]
      const lost = range(items).filter((item) => !got.includes(item))
      assert.equal(new Set(got).size, got.length, `nothing twice: ${got.join(' ')}`)
      assert.ok(lost.length <= (died < 0 ? 0 : batch), `nothing is lost but what was in its hands: ${lost.join(' ')}`)
    },
  })
}

const one: Shape = { kind: 'spsc', capacity: 2, producers: 1, consumers: 1 }
const two: Shape = { kind: 'mpsc', capacity: 2, producers: 2, consumers: 1 }
const pair: Shape = { kind: 'mpmc', capacity: 1, producers: 1, consumers: 2 }
const [mpsc, mpmc] = [layoutOf(two), layoutOf(pair)]
const wordOfLane = ({ lanesAt, laneWords }: RingLayout, index: number): number => index < lanesAt ? -1 : (index - lanesAt) % laneWords
const isHead = (layout: RingLayout, index: number): boolean => wordOfLane(layout, index) === laneWordsOf.head
const isTail = (layout: RingLayout, index: number): boolean => wordOfLane(layout, index) === laneWordsOf.tail
const bulk: Flow = { items: [2], takes: [2], pushBatch: 1, takeBatch: 2, wanted: 2 }
const twoToOne: Flow = { items: [2, 1], takes: [3], pushBatch: 1, takeBatch: 2 }
const polled: Flow = { ...twoToOne, polls: true }
const oneToTwo: Flow = { items: [2], takes: [1, 1], pushBatch: 1, takeBatch: 1 }

const broken: Record<string, Scenario> = {
  'mpsc ring, broken: the mask is not taken before a sleep': flow({ ...two, producers: 1 }, bulk, (right) => ({
    exchange: (words, index, value) => index === mpsc.readyAt ? right.load(words, index) : right.exchange(words, index, value),
  })),
  'mpsc ring, broken: the mask is taken by a load and a store': flow(two, polled, (right) => ({
    exchange: (words, index, value) => {
      const old = right.load(words, index)
      right.store(words, index, value)
      return old
    },
  })),
  'mpsc ring, broken: a producer looks at the mask before it publishes': flow(two, polled, (right) => {
    let seen = 0
    return {
      store: (words, index, value) => {
        if (isTail(mpsc, index)) seen = right.load(words, mpsc.readyAt)
        return right.store(words, index, value)
      },
      load: (words, index) => {
        const early = index === mpsc.readyAt ? seen : 0
        seen = 0
        return early === 0 ? right.load(words, index) : early
      },
    }
  }),
  'mpsc ring, broken: a bit is set by a load and a store': flow(two, polled, (right) => tornCompare(right, (index) => index === mpsc.readyAt)),
  'mpmc ring, broken: the head moves by a load and a store': flow(pair, oneToTwo, (right) => tornCompare(right, (index) => isHead(mpmc, index))),
  'mpmc ring, broken: a loser keeps what it has read': flow(pair, oneToTwo, (right) => ({
    compareExchange: (words, index, expected, value) => {
      const old = right.compareExchange(words, index, expected, value)
      return isHead(mpmc, index) ? expected : old
    },
  })),
}
Object.assign(broken, brokenCounts)

export const brokenNames: readonly string[] = Object.keys(broken)
export const scenarios: Record<string, Scenario> = {
  ...countScenarios,
  'spsc ring of 1': flow({ ...one, capacity: 1 }, { items: [3], takes: [3], pushBatch: 1, takeBatch: 1 }),
  'spsc ring of 3 in slots of 4': flow({ ...one, capacity: 3 }, { items: [5], takes: [5], pushBatch: 2, takeBatch: 3 }),
  'spsc ring of 8, its producer told of a quarter': flow({ ...one, capacity: 8 }, { items: [11], takes: [11], pushBatch: 8, takeBatch: 1 }),
  'mpsc ring, two producers': flow(two, twoToOne),
  'mpsc ring of 1, two producers': flow({ ...two, capacity: 1 }, { ...twoToOne, items: [2, 2], takes: [4] }),
  'mpsc ring, two producers, a consumer that polls': flow(two, polled),
  'mpmc ring, two producers, consumers that poll': flow({ ...two, kind: 'mpmc' }, polled),
  'mpsc ring, a consumer that waits for two': flow({ ...two, producers: 1 }, bulk),
  'mpmc ring, two consumers': flow(pair, oneToTwo),
  'mpmc ring, two of each': flow({ ...pair, producers: 2, capacity: 2 }, { items: [1, 1], takes: [1, 1], pushBatch: 1, takeBatch: 1 }),
  'mpmc ring, bursts that overlap': flow({ ...pair, capacity: 2 }, { items: [4], takes: [2, 2], pushBatch: 2, takeBatch: 2 }),
  'mpsc ring, a producer dies': producerDies(two, 2),
  'mpmc ring, a producer dies': producerDies({ ...two, kind: 'mpmc' }, 2),
  'spsc ring, a producer dies and is recovered': producerRecovered({ ...one, capacity: 1 }, 3),
  'mpsc ring, a producer dies and is recovered': producerRecovered({ ...two, capacity: 1 }, 3),
  'spsc ring, a consumer dies': consumerDies(one, 3, 2),
  'mpsc ring, a consumer dies': consumerDies({ ...two, producers: 1 }, 3, 2),
  'mpmc ring, a consumer dies': consumerDies({ ...pair, capacity: 2 }, 3, 2),
  ...broken,
}
