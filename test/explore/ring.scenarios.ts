/** The scenarios of lanes and doorbells, right and broken ones, at the smallest sizes that still wrap. */
import assert from 'node:assert/strict'
import { shared } from '../../src/base/index.js'
import { alarm, initLane, laneWords, type LaneConsumer, type LaneProducer, recoverConsumed, recoverProduced } from '../../src/ring/index.js'
import { brokenDoorbells, brokenLanes, type Doorbell, type Lane, rightDoorbell, rightLane, startsLate } from './mutants.js'
import type { Outcome, Scenario, Stage } from './scenario.js'

const bell = 0
const box = 16
const lanesAt = 32
/** Indices start two below the wrap of u32, and so wrap in every scenario. */
const first = -2
/** Words of a lane that recovery reads. */
const writtenAt = 32
const startedAt = 48

type Sleep = 'block' | 'blockTimed' | 'loop' | 'both'
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)
const laneAt = (lane: number, capacity: number): number => lanesAt + lane * laneWords(capacity)

/** Pushes the items from `item` to `last`, publishing every `batch`; `announce` is called after each publish. */
function produce(stage: Stage, lane: LaneProducer, item: number, last: number, batch: number, announce: () => void): void {
  const publish = (): void => {
    lane.publish()
    announce()
  }
  while (item <= last) {
    const slot = lane.claim()
    if (slot < 0) {
      if (lane.pending > 0) publish()
      stage.pause()
      continue
    }
    stage.i32[slot] = item
    stage.i32[slot + 15] = -item
    lane.commit()
    item++
    if (lane.pending === batch) publish()
  }
  if (lane.pending > 0) publish()
}

/** Takes what is ready, at most `batch`, notes it and gives the slots back. Each item takes a step to run. */
function consume(stage: Stage, lane: LaneConsumer, batch: number, run: () => void): number {
  const ready = Math.min(lane.poll(), batch)
  for (let i = 0; i < ready; i++) {
    const slot = lane.peek()
    lane.advance()
    const item = stage.i32[slot] ?? 0
    assert.equal(stage.i32[slot + 15], -item, 'a descriptor arrives whole')
    run()
    stage.note(item)
  }
  if (ready > 0) lane.release()
  return ready
}

function laneScenario({ Producer, Consumer }: Lane, capacity: number, items: number, publishBatch: number, takeBatch: number): Scenario {
  return {
    words: laneAt(1, capacity),
    setup: ({ i32 }) => initLane(i32, lanesAt, first),
    threads: [
      (stage) => produce(stage, new Producer(stage.i32, lanesAt, capacity), 1, items, publishBatch, () => {}),
      (stage) => {
        const lane = new Consumer(stage.i32, lanesAt, capacity)
        for (let got = 0; got < items;) {
          const taken = consume(stage, lane, takeBatch, () => {})
          got += taken
          if (taken === 0) stage.pause()
        }
      },
    ],
    check: ({ notes }) => assert.deepEqual(notes[1], range(items)),
  }
}

/** Sleeps once in the given way. */
function sleep(stage: Stage, sleeper: InstanceType<Doorbell['Sleeper']>, how: Sleep, turn: number): void {
  if (how === 'loop' || (how === 'both' && turn % 2 === 1)) {
    if (!sleeper.parkInLoop()) return
    stage.receive(box)
    sleeper.unpark()
  } else {
    sleeper.block(how === 'blockTimed' ? 1 : undefined)
  }
}

/** One consumer with a doorbell and a lane from each producer. */
function doorbellScenario(doorbell: Doorbell, producers: number, items: number, how: Sleep): Scenario {
  const capacity = 2
  return {
    words: laneAt(producers, capacity),
    setup: ({ i32 }) => {
      for (let lane = 0; lane < producers; lane++) initLane(i32, laneAt(lane, capacity), first)
    },
    threads: [
      (stage) => {
        const lanes = Array.from({ length: producers }, (_, lane) => new rightLane.Consumer(stage.i32, laneAt(lane, capacity), capacity))
        const sleeper = new doorbell.Sleeper(stage.i32, bell, () => lanes.some((lane) => lane.poll() > 0))
        for (let got = 0, sleeps = 0; got < producers * items;) {
          const before = got
          for (const lane of lanes) got += consume(stage, lane, capacity, () => {})
          if (got === before) sleep(stage, sleeper, how, sleeps++)
        }
      },
      ...Array.from({ length: producers }, (_, lane) => (stage: Stage) => {
        const producer = new rightLane.Producer(stage.i32, laneAt(lane, capacity), capacity)
        const send = (): void => stage.send(box)
        produce(stage, producer, lane * items + 1, (lane + 1) * items, 1, () => doorbell.ring(stage.i32, bell, send))
      }),
    ],
    check: ({ notes }) => {
      const got = notes[0] ?? []
      for (let lane = 0; lane < producers; lane++) {
        const mine = got.filter((item) => Math.ceil(item / items) === lane + 1)
        assert.deepEqual(mine, range(items).map((item) => lane * items + item), `lane ${lane} keeps its order`)
      }
      assert.equal(got.length, producers * items)
    },
  }
}

/** The consumer may die anywhere; its successor takes over what was never started. */
function consumerDies({ Producer, Consumer }: Lane, how: Sleep): Scenario {
  const capacity = 2
  const items = 3
  const body = (stage: Stage, expected: number): void => {
    const lane = new Consumer(stage.i32, lanesAt, capacity)
    const sleeper = new rightDoorbell.Sleeper(stage.i32, bell, () => lane.poll() > 0)
    for (let got = 0, sleeps = 0; got < expected;) {
      const taken = consume(stage, lane, capacity, () => stage.step())
      got += taken
      if (taken === 0) sleep(stage, sleeper, how, sleeps++)
    }
  }
  return {
    words: laneAt(1, capacity),
    mortal: [1],
    setup: ({ i32 }) => initLane(i32, lanesAt, first),
    threads: [
      (stage) => {
        const send = (): void => stage.send(box)
        produce(stage, new Producer(stage.i32, lanesAt, capacity), 1, items, 1, () => rightDoorbell.ring(stage.i32, bell, send))
      },
      (stage) => body(stage, items),
      (stage) => {
        if (!stage.join(1)) return
        recoverConsumed(stage.i32, lanesAt)
        const started = ((stage.i32[lanesAt + startedAt] ?? 0) - first) | 0
        body(stage, items - started)
      },
    ],
    check: ({ notes, died }) => {
      const [, before = [], after = []] = notes
      const ran = [...before, ...after]
      const lost = range(items).filter((item) => !ran.includes(item))
      assert.equal(new Set(ran).size, ran.length, `nothing is delivered twice: ${ran.join(' ')}`)
      assert.deepEqual(ran, ran.toSorted((a, b) => a - b), 'order is kept')
      assert.ok(lost.length <= (died < 0 ? 0 : 1), `nothing is lost but the one that was running: ${lost.join(' ')}`)
      if (lost[0] !== undefined) assert.equal(lost[0], before.length + 1, 'and it was running')
    },
  }
}

/** The producer may die anywhere; what it had finished writing arrives, its successor goes on behind it. */
function producerDies(how: Sleep, batch: number, wake: typeof alarm): Scenario {
  const capacity = 2
  const items = 3
  const body = (stage: Stage, item: number): void => {
    const send = (): void => stage.send(box)
    const lane = new rightLane.Producer(stage.i32, lanesAt, capacity)
    produce(stage, lane, item, items, batch, () => rightDoorbell.ring(stage.i32, bell, send))
  }
  return {
    words: laneAt(1, capacity),
    mortal: [0],
    setup: ({ i32 }) => initLane(i32, lanesAt, first),
    threads: [
      (stage) => body(stage, 1),
      (stage) => {
        const lane = new rightLane.Consumer(stage.i32, lanesAt, capacity)
        const sleeper = new rightDoorbell.Sleeper(stage.i32, bell, () => lane.poll() > 0)
        for (let got = 0, sleeps = 0; got < items;) {
          const taken = consume(stage, lane, capacity, () => {})
          got += taken
          if (taken === 0) sleep(stage, sleeper, how, sleeps++)
        }
      },
      (stage) => {
        if (!stage.join(0)) return
        recoverProduced(stage.i32, lanesAt)
        wake(stage.i32, bell, () => stage.send(box))
        body(stage, (((stage.i32[lanesAt + writtenAt] ?? 0) - first) | 0) + 1)
      },
    ],
    check: ({ notes }: Outcome) => assert.deepEqual(notes[1], range(items)),
  }
}

/**
 * The whole of it, as proof/death.pml: a worker that may die anywhere takes tasks from one lane and puts completions into
 * another. A supervisor fails the task that was running, recovers both lanes and starts a successor. The worker must release
 * the tasks before it publishes their completions: a completion is a credit, and there must be room for the task it allows.
 */
function workerDies(how: Sleep, releaseFirst = true): Scenario {
  const capacity = 2
  const tasks = 3
  const failedAt = 8
  const taskLane = laneAt(0, capacity)
  const doneLane = laneAt(1, capacity)
  const work = (stage: Stage, count: number): void => {
    const lane = new rightLane.Consumer(stage.i32, taskLane, capacity)
    const done = new rightLane.Producer(stage.i32, doneLane, capacity)
    while (count > 0) {
      const ready = lane.poll()
      for (let i = 0; i < ready; i++) {
        const task = stage.i32[lane.peek()] ?? 0
        lane.advance()
        stage.note(task)
        stage.step()
        const slot = done.claim()
        assert.ok(slot >= 0, 'a worker never waits for room for a completion')
        stage.i32[slot] = task
        done.commit()
      }
      count -= ready
      if (ready === 0) stage.pause()
      else {
        if (releaseFirst) lane.release()
        done.publish()
        rightDoorbell.ring(stage.i32, bell, () => stage.send(box))
        if (!releaseFirst) lane.release()
      }
    }
  }
  return {
    words: laneAt(2, capacity),
    mortal: [1],
    setup: ({ i32 }) => {
      initLane(i32, taskLane, first)
      initLane(i32, doneLane, first)
    },
    threads: [
      (stage) => {
        const lane = new rightLane.Producer(stage.i32, taskLane, capacity)
        const done = new rightLane.Consumer(stage.i32, doneLane, capacity)
        const failed = (): number => shared.load(stage.i32, failedAt)
        const sleeper = new rightDoorbell.Sleeper(stage.i32, bell, () => done.poll() > 0 || failed() > seenFailed)
        let pushed = 0
        let got = 0
        let seenFailed = 0
        for (let sleeps = 0; got + seenFailed < tasks;) {
          while (pushed < tasks && pushed - got - seenFailed < capacity) {
            const slot = lane.claim()
            if (slot < 0) break
            stage.i32[slot] = ++pushed
            lane.commit()
          }
          if (lane.pending > 0) lane.publish()
          const taken = done.poll()
          for (let i = 0; i < taken; i++) {
            stage.note(stage.i32[done.peek()] ?? 0)
            done.advance()
          }
          if (taken > 0) done.release()
          got += taken
          const before = seenFailed
          seenFailed = failed()
          if (taken === 0 && seenFailed === before) sleep(stage, sleeper, how, sleeps++)
        }
      },
      (stage) => work(stage, tasks),
      (stage) => {
        if (!stage.join(1)) return
        const started = ((stage.i32[taskLane + startedAt] ?? 0) - first) | 0
        const written = ((stage.i32[doneLane + writtenAt] ?? 0) - first) | 0
        recoverConsumed(stage.i32, taskLane)
        recoverProduced(stage.i32, doneLane)
        if (started !== written) shared.add(stage.i32, failedAt, 1)
        alarm(stage.i32, bell, () => stage.send(box))
        work(stage, tasks - started)
      },
    ],
    check: ({ words, notes, died }) => {
      const [completed = [], before = [], after = []] = notes
      const failed = words.i32[failedAt] ?? 0
      const ran = [...before, ...after]
      assert.equal(new Set(ran).size, ran.length, `no task runs twice: ${ran.join(' ')}`)
      assert.ok(failed <= (died < 0 ? 0 : 1))
      const lost = range(tasks).filter((task) => !completed.includes(task))
      assert.equal(lost.length, failed, 'each task completes or is failed')
      assert.equal(completed.length, new Set(completed).size, 'and that once')
    },
  }
}

const broken: Record<string, Scenario> = {
  'consumer dies, broken: started moves with the head': consumerDies(startsLate, 'block'),
  'producer dies, broken: its consumer is only rung': producerDies('loop', 1, rightDoorbell.ring),
  'worker, broken: publishes completions before it releases tasks': workerDies('loop', false),
}
for (const [mistake, lane] of Object.entries(brokenLanes)) broken[`lane, broken: ${mistake}`] = laneScenario(lane, 2, 4, 1, 2)
for (const [mistake, doorbell] of Object.entries(brokenDoorbells)) {
  broken[`doorbell, broken: ${mistake}`] = doorbellScenario(doorbell, 1, 3, mistake === 'clears the mode by a store' ? 'both' : 'block')
}

export const brokenNames: readonly string[] = Object.keys(broken)
export const scenarios: Record<string, Scenario> = {
  'lane of 1': laneScenario(rightLane, 1, 4, 1, 1),
  'lane of 2, batches of 2': laneScenario(rightLane, 2, 5, 2, 2),
  'lane of 4, batches of 3 and 2': laneScenario(rightLane, 4, 7, 3, 2),
  'doorbell, blocked': doorbellScenario(rightDoorbell, 1, 3, 'block'),
  'doorbell, blocked with a time-out': doorbellScenario(rightDoorbell, 1, 3, 'blockTimed'),
  'doorbell, in its loop': doorbellScenario(rightDoorbell, 1, 3, 'loop'),
  'doorbell, both ways': doorbellScenario(rightDoorbell, 1, 3, 'both'),
  'doorbell of two producers': doorbellScenario(rightDoorbell, 2, 1, 'both'),
  'consumer dies, blocked': consumerDies(rightLane, 'block'),
  'consumer dies, in its loop': consumerDies(rightLane, 'loop'),
  'producer dies, consumer blocked': producerDies('block', 2, alarm),
  'producer dies, consumer in its loop': producerDies('loop', 1, alarm),
  'worker dies, its caller blocked': workerDies('block'),
  'worker dies, its caller in its loop': workerDies('loop'),
  ...broken,
}
