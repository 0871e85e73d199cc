/**
 * The real executor asleep behind a doorbell, woken by another thread through a lane: right, and with mistakes. A wake-up may come while it
 * runs, while it looks for the last time, or while it sleeps; it may be for a waker that is closed by then; and who sends it may die.
 */
import assert from 'node:assert/strict'
import { shared } from '../../src/base/index.js'
import { Exec, RemoteInbox, wakeRemote, type WakerToken } from '../../src/exec/index.js'
import { alarm, initLane, LaneConsumer, LaneProducer, laneWords, recoverProduced, ring, Sleeper } from '../../src/ring/index.js'
import type { Scenario, Stage } from './scenario.js'

const bell = 0
const box = 16
/** The generation of the second waker, plus one, once there is one. */
const second = 17
const laneAt = 32
/** Of a lane, as drawn in lanes.ts. */
const written = 32
/** Indices start two below the wrap of u32. */
const first = -2
const capacity = 2

interface Parts {
  readonly hasWork: (exec: Exec) => boolean
  /** The generation that a late sender uses for the slot of a closed waker, given that of the slot's next. */
  readonly late: (next: number) => number
}
const right: Parts = { hasWork: (exec) => exec.hasWork(), late: (next) => next - 1 }

/** The executor's thread: runs what `start` spawns to the end, blocked whenever nothing is ready. */
function execute(stage: Stage, parts: Parts, start: (exec: Exec, inbox: RemoteInbox) => void): void {
  const exec = new Exec({ tasksMax: 4, now: () => 0, onError: (error) => { throw error }, firstIndex: first })
  const inbox = new RemoteInbox(new LaneConsumer(stage.i32, laneAt, capacity))
  exec.inbox = inbox
  start(exec, inbox)
  const sleeper = new Sleeper(stage.i32, bell, () => parts.hasWork(exec))
  for (;;) {
    exec.runUntilIdle()
    if (exec.tasks === 0) return
    sleeper.block()
  }
}

function send(stage: Stage, lane: LaneProducer, token: WakerToken, value: number): void {
  while (!wakeRemote(lane, token, value)) stage.pause()
  lane.publish()
  ring(stage.i32, bell, () => stage.send(box))
}

/** Wake-ups 1 to `wakes` by another thread; the waiter sees the last, and never an older one after a newer. */
const woken = (wakes: number, parts: Parts = right): Scenario => ({
  words: laneAt + laneWords(capacity),
  setup: ({ i32 }) => initLane(i32, laneAt, first),
  threads: [
    (stage) => execute(stage, parts, (exec, inbox) => {
      const waker = inbox.waker()
      exec.spawn(function* () {
        for (let seen = 0; seen < wakes;) {
          seen = yield* waker
          stage.note(seen)
        }
      })
    }),
    (stage) => {
      const lane = new LaneProducer(stage.i32, laneAt, capacity)
      for (let value = 1; value <= wakes; value++) send(stage, lane, { slot: 0, generation: 0 }, value)
    },
  ],
  check: ({ notes }) => {
    const seen = notes[0] ?? []
    assert.equal(seen.at(-1), wakes, 'the last wake-up arrives')
    assert.deepEqual(seen, seen.toSorted((a, b) => a - b))
  },
})

/** A wake-up for a waker that is closed by then must not reach the next in its slot. */
const reused = (parts: Parts = right): Scenario => ({
  words: laneAt + laneWords(capacity),
  setup: ({ i32 }) => initLane(i32, laneAt, first),
  threads: [
    (stage) => execute(stage, parts, (exec, inbox) => {
      const waker = inbox.waker()
      exec.spawn(function* () {
        stage.note(yield* waker)
        waker.close()
        const next = inbox.waker()
        assert.equal(next.token.slot, waker.token.slot, 'the slot is used again')
        shared.store(stage.i32, second, next.token.generation + 1)
        stage.note(yield* next)
      })
    }),
    (stage) => {
      const lane = new LaneProducer(stage.i32, laneAt, capacity)
      send(stage, lane, { slot: 0, generation: 0 }, 1)
      send(stage, lane, { slot: 0, generation: 0 }, 2) // the first sees it, or it is stale
      while (shared.load(stage.i32, second) === 0) stage.pause()
      const generation = shared.load(stage.i32, second) - 1
      send(stage, lane, { slot: 0, generation: parts.late(generation) }, 3) // stale for sure
      send(stage, lane, { slot: 0, generation }, 4)
    },
  ],
  check: ({ notes }) => {
    const [seen = 0, next] = notes[0] ?? []
    assert.ok(seen === 1 || seen === 2, `the first waker saw ${seen}`)
    assert.equal(next, 4, 'the second sees what was sent to it, and nothing else')
  },
})

/** The waking thread may die anywhere: what it has committed arrives, and its successor sends the rest. */
const mortal = (wakes: number, wake: typeof alarm = alarm): Scenario => {
  const { threads, ...rest } = woken(wakes)
  const sendFrom = (stage: Stage, from: number): void => {
    const lane = new LaneProducer(stage.i32, laneAt, capacity)
    for (let value = from; value <= wakes; value++) send(stage, lane, { slot: 0, generation: 0 }, value)
  }
  return {
    ...rest,
    mortal: [1],
    threads: [
      threads[0],
      (stage) => sendFrom(stage, 1),
      (stage) => {
        if (!stage.join(1)) return
        recoverProduced(stage.i32, laneAt)
        wake(stage.i32, bell, () => stage.send(box))
        sendFrom(stage, ((stage.i32[laneAt + written] - first) | 0) + 1)
      },
    ],
  }
}

export const scenarios: Record<string, Scenario> = {
  'a remote wake-up': woken(1),
  'three remote wake-ups': woken(3),
  'a waker in a used slot': reused(),
  'a waking thread dies': mortal(2),
  'broken: looks only at its own tasks before it sleeps': woken(1, { ...right, hasWork: (exec) => exec.core.scheduler.hasReady }),
  'broken: after a death the executor is only rung': mortal(2, ring),
  'broken: a late sender knows a waker by its slot alone': reused({ ...right, late: (next) => next }),
}
