/**
 * The real worker loop (src/group/loop.ts) between two lanes, with a caller that settles, credits and recovers as the
 * dispatcher and the supervisor do, each asleep whenever it has nothing to do. The worker may die anywhere.
 */
import assert from 'node:assert/strict'
import { invariant, shared } from '../../src/base/index.js'
import type { Codec } from '../../src/codec/index.js'
import type { Context } from '../../src/group/index.js'
import { createLoop } from '../../src/group/loop.js'
import { createMeters, Meter } from '../../src/group/meter.js'
import { descriptor, status } from '../../src/group/task.js'
import type { SharedHeap } from '../../src/memory/index.js'
import { initLane, LaneConsumer, LaneProducer, laneWords, recoverConsumed, recoverProduced, ring, Sleeper } from '../../src/ring/index.js'
import type { Scenario, Stage } from './scenario.js'

const callersBell = 0
const workersBell = 16
const box = 32
/** Set when the worker's thread has ended early; when its successor may start; when no task will come any more. */
const exited = 33
const recovered = 34
const stop = 35
/** The worker's thread slot, whose counters the loop writes. */
const slot = 48
const lanesAt = 112
/** Lanes start two below the wrap of u32. */
const first = -2

/** A codec for numbers that fit into a word. */
function codecOf(i32: Int32Array): Codec {
  return {
    encode: (value, at) => {
      i32[at + 1] = Number(value)
      return 0
    },
    encodeError: () => assert.fail('no handler fails here'),
    decode: (_tag, at) => i32[at + 1],
    lend: () => assert.fail('no handler takes a view here'),
    release: () => {},
  }
}

const noHeap = { flush: () => {} } as unknown as SharedHeap
const noCancels = { isCalledOff: () => false, begin: () => assert.fail(), end: () => {}, pending: () => false, look: () => {} }
const noContext = { worker: 0 } as unknown as Context<never>

/** The body of a worker's thread. `clockStepMs` is what its clock advances by at each reading. */
function work(stage: Stage, capacity: number, clockStepMs: number): void {
  const { i32, words: { f64 } } = stage
  let nowMs = 0
  performance.now = () => (nowMs += clockStepMs)
  const loop = createLoop({
    i32, f64, slot,
    heap: noHeap,
    codec: codecOf(i32),
    inboxAt: lanesAt,
    outboxAt: lanesAt + laneWords(capacity),
    capacity,
    handlers: [(value: unknown) => {
      stage.note(Number(value))
      stage.step()
      return value
    }],
    lends: new Uint8Array(1),
    context: noContext,
    cancels: noCancels,
    instead: () => undefined,
    meter: new Meter(createMeters(1), 0, 1),
    ringCaller: () => ring(i32, callersBell, () => stage.send(box)),
  })
  const stopped = (): boolean => shared.load(i32, stop) === 1
  const sleeper = new Sleeper(i32, workersBell, () => loop.hasWork() || stopped())
  for (;;) {
    if (loop.turn(Infinity) > 0) continue
    if (stopped()) return
    sleeper.block()
  }
}

/** The caller: pushes while it has credits, settles completions, recovers a dead worker, sleeps in its event loop. */
function call(stage: Stage, capacity: number, tasks: number): void {
  const { i32 } = stage
  const codec = codecOf(i32)
  const doneAt = lanesAt + laneWords(capacity)
  const lane = new LaneProducer(i32, lanesAt, capacity)
  const done = new LaneConsumer(i32, doneAt, capacity)
  const isExited = (): boolean => shared.load(i32, exited) === 1
  const sleeper = new Sleeper(i32, callersBell, () => done.poll() > 0)
  const inFlight = new Map<number, number>()
  let pushed = 0
  const settled = new Set<number>()
  let didRecover = false

  const push = (): void => {
    while (pushed < tasks && inFlight.size < capacity) {
      const at = lane.claim()
      invariant(at >= 0, 'a credit finds room in its lane')
      inFlight.set(++pushed, lane.written)
      i32[at + descriptor.head] = codec.encode(pushed, at + descriptor.payload) << 16
      i32[at + descriptor.task] = pushed
      i32[at + descriptor.generation] = 0
      lane.commit()
    }
    if (lane.pending === 0) return
    lane.publish()
    ring(i32, workersBell, () => assert.fail('the worker does not sleep in its event loop here'))
  }
  const settle = (task: number, outcome: number): void => {
    assert.ok(inFlight.delete(task), `task ${task} is settled once`)
    stage.note(outcome * task)
    settled.add(task)
  }
  const drain = (): number => {
    const ready = done.poll()
    for (let i = 0; i < ready; i++) {
      const at = done.peek()
      done.advance()
      assert.equal((i32[at + descriptor.head] ?? 0) & 0xffff, status.ok)
      assert.equal(codec.decode(0, at + descriptor.payload), i32[at + descriptor.task])
      settle(i32[at + descriptor.task] ?? 0, 1)
    }
    if (ready > 0) done.release()
    return ready
  }
  const recover = (): void => {
    didRecover = true
    const started = recoverConsumed(i32, lanesAt)
    recoverProduced(i32, doneAt)
    drain()
    for (const [task, position] of inFlight) if (((position - started) | 0) < 0) settle(task, -1)
    shared.store(i32, workersBell, 0)
    shared.store(i32, recovered, 1)
  }

  while (settled.size < tasks) {
    push()
    if (!didRecover && isExited()) recover()
    else if (drain() === 0 && sleeper.parkInLoop()) {
      stage.receive(box) // a worker's bell, or the event of its thread's end
      sleeper.unpark()
    }
  }
  shared.store(i32, stop, 1)
  ring(i32, workersBell, () => {})
}

function scenario(capacity: number, tasks: number, clockStepMs: number, mortal: readonly number[]): Scenario {
  return {
    words: lanesAt + 2 * laneWords(capacity),
    mortal,
    setup: ({ i32 }) => {
      initLane(i32, lanesAt, first)
      initLane(i32, lanesAt + laneWords(capacity), first)
    },
    threads: [
      (stage) => call(stage, capacity, tasks),
      (stage) => work(stage, capacity, clockStepMs),
      (stage) => {
        if (!stage.join(1)) return
        shared.store(stage.i32, exited, 1)
        stage.send(box)
        while (shared.load(stage.i32, recovered) === 0) {
          if (shared.load(stage.i32, stop) === 1) return
          stage.pause()
        }
        work(stage, capacity, clockStepMs)
      },
    ],
    check: ({ notes, died }) => {
      const [outcomes = [], before = [], after = []] = notes
      const ran = [...before, ...after]
      const failed = outcomes.filter((outcome) => outcome < 0)
      assert.equal(new Set(ran).size, ran.length, `no task runs twice: ${ran.join(' ')}`)
      assert.deepEqual(outcomes.map(Math.abs).toSorted(), Array.from({ length: tasks }, (_, i) => i + 1), 'each task has one outcome')
      assert.ok(failed.length <= (died < 0 ? 0 : 1), `only the task that was running fails: ${failed.join(' ')}`)
      for (const task of outcomes) if (task > 0) assert.ok(ran.includes(task), 'what completes has run')
    },
  }
}

const fast = 0
/** A handler that seems to take longer than a completion may stay unpublished. */
const slow = 0.2

export const scenarios: Record<string, Scenario> = {
  'a worker with fast handlers': scenario(2, 3, fast, []),
  'a worker with slow handlers': scenario(2, 3, slow, []),
  'a worker with a lane of 1': scenario(1, 3, fast, []),
  'a worker that dies, with fast handlers': scenario(2, 3, fast, [1]),
  'a worker that dies, with slow handlers': scenario(2, 3, slow, [1]),
}
