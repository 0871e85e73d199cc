/**
 * The real worker loop (src/group/loop.ts) and the real ways out and back of a group's thread (submission.ts, completion.ts, packed.ts) over two
 * lanes; the caller settles, credits and recovers as the dispatcher and the supervisor do, each asleep whenever it has nothing to do. The worker
 * may die anywhere.
 */
import assert from 'node:assert/strict'
import { shared } from '../../src/base/index.js'
import type { Codec } from '../../src/codec/index.js'
import { createCompletion } from '../../src/group/completion.js'
import type { Context } from '../../src/group/index.js'
import { Ledger } from '../../src/group/ledger.js'
import { createLoop } from '../../src/group/loop.js'
import { createMeters, Meter } from '../../src/group/meter.js'
import { hasStarted, recoverTasks } from '../../src/group/packed.js'
import { createTaskSlab } from '../../src/group/slab.js'
import { createSubmission } from '../../src/group/submission.js'
import { stampWords } from '../../src/group/stamps.js'
import type { SharedHeap } from '../../src/memory/index.js'
import { initLane, laneReaders, laneWords, laneWriters, recoverConsumed, recoverProduced, ring, Sleeper } from '../../src/ring/index.js'
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
/** The tasks' stamps lie behind the lanes, those of tasks and of completions. */
const stampsAt = (capacity: number): number => lanesAt + 2 * laneWords(capacity)
/** Lanes start two below the wrap of u32. */
const first = -2

/** A codec for halves. What is whole does not come here, see packed.ts. */
function codecOf(i32: Int32Array): Codec {
  return {
    encode: (value, at) => {
      i32[at + 1] = 2 * Number(value)
      return 0
    },
    encodeError: () => assert.fail('no handler fails here'),
    decode: (_tag, at) => i32[at + 1] / 2,
    encodeList: () => assert.fail('nobody runs many here'),
    relay: () => assert.fail('nothing comes over a port here'),
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
    stampsAt: stampsAt(capacity),
    heap: noHeap,
    codec: codecOf(i32),
    inboxAt: lanesAt,
    outboxAt: lanesAt + laneWords(capacity),
    capacity,
    handlers: [(value: unknown) => {
      stage.note(Math.floor(Number(value)))
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

/** What is run. */
interface Run {
  readonly capacity: number
  readonly tasks: number
  /** What the worker's clock advances by at each reading. */
  readonly clockStepMs: number
  readonly mortal?: readonly number[]
  readonly carry?: Value
  readonly recoverLane?: typeof recoverTasks
  /** Tasks that have stamps. */
  readonly stamps?: readonly number[]
}

/** What task n carries. */
type Value = (n: number) => number
const whole: Value = (n) => n
const half: Value = (n) => n + 0.5
const mixed: Value = (n) => (n === 2 ? half(n) : n)

/** The caller: pushes while it has credits, settles completions, recovers a dead worker, sleeps in its event loop. */
function call(stage: Stage, { capacity, tasks, carry = whole, recoverLane = recoverTasks, stamps = [] }: Run): void {
  const { i32, words: { f64 } } = stage
  const doneAt = lanesAt + laneWords(capacity)
  const memory = { i32, f64, heap: noHeap, codec: codecOf(i32) }
  const slab = createTaskSlab(tasks + capacity)
  const ledger = new Ledger(i32, [workersBell], capacity, 1, 1)
  const done = laneReaders(i32, [doneAt], capacity)
  const completion = createCompletion({ memory, slab, ledger, lanes: done })
  const submission = createSubmission({
    memory, stampsAt: stampsAt(capacity), slab, ledger, lanes: laneWriters(i32, [lanesAt], capacity), highLanes: 1, doorbells: [workersBell],
    bells: [() => assert.fail('the worker does not sleep in its event loop here')], poll: { polling: true, start: () => {} }, ended: () => {},
  })
  const isExited = (): boolean => shared.load(i32, exited) === 1
  const sleeper = new Sleeper(i32, callersBell, () => done.poll(0) > 0)
  let pushed = 0
  const settled = new Set<number>()
  let didRecover = false

  const settle = (n: number, outcome: number): void => {
    assert.ok(!settled.has(n), `task ${n} is settled once`)
    stage.note(outcome * n)
    settled.add(n)
  }
  const push = (): void => {
    while (pushed < tasks && ledger.credits[0] > 0) {
      const n = ++pushed
      const succeeded = (value: unknown): void => {
        assert.equal(value, carry(n))
        settle(n, 1)
      }
      const failed = (): void => settle(n, -1)
      if (stamps.includes(n)) submission.submitWaited(0, 0, 0, carry(n), succeeded, failed, 0, 1, 0)
      else submission.submit(0, 0, 0, carry(n), succeeded, failed, 0)
    }
    submission.endTurn()
  }
  const recover = (): void => {
    didRecover = true
    const started = recoverLane(i32, lanesAt, capacity)
    recoverProduced(i32, doneAt)
    completion.drain(0, Infinity)
    for (const { task, position, entry } of slab.heldBy(0)) {
      if (!hasStarted(started, position, entry)) continue
      const reject = slab.reject(task)
      slab.retire(task)
      ledger.credits[0]++
      reject?.(undefined)
    }
    shared.store(i32, workersBell, 0)
    shared.store(i32, recovered, 1)
  }

  while (settled.size < tasks) {
    push()
    if (!didRecover && isExited()) recover()
    else if (completion.drain(0, Infinity) === 0 && sleeper.parkInLoop()) {
      stage.receive(box) // a worker's bell, or the event of its thread's end
      sleeper.unpark()
    }
  }
  shared.store(i32, stop, 1)
  ring(i32, workersBell, () => {})
}

function scenario(run: Run): Scenario {
  const { capacity, tasks, clockStepMs, mortal = [] } = run
  return {
    words: stampsAt(capacity) + stampWords * (tasks + capacity),
    mortal,
    setup: ({ i32 }) => {
      initLane(i32, lanesAt, first)
      initLane(i32, lanesAt + laneWords(capacity), first)
    },
    threads: [
      (stage) => call(stage, run),
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

/** As if descriptors held one task each. */
const skipping: typeof recoverTasks = (i32, at) => ({ position: recoverConsumed(i32, at), parts: 0 })

export const scenarios: Record<string, Scenario> = {
  'a worker with fast handlers': scenario({ capacity: 2, tasks: 3, clockStepMs: fast }),
  'a worker with fast handlers of other values': scenario({ capacity: 2, tasks: 3, clockStepMs: fast, carry: half }),
  'a worker with fast handlers of some other values': scenario({ capacity: 4, tasks: 4, clockStepMs: fast, carry: mixed }),
  'a worker with fast handlers of tasks some of which have stamps': scenario({ capacity: 4, tasks: 4, clockStepMs: fast, carry: mixed, stamps: [2, 3] }),
  'a worker with slow handlers': scenario({ capacity: 2, tasks: 3, clockStepMs: slow }),
  'a worker with a lane of 1': scenario({ capacity: 1, tasks: 3, clockStepMs: fast }),
  'a worker that dies, with fast handlers': scenario({ capacity: 2, tasks: 3, clockStepMs: fast, mortal: [1] }),
  'a worker that dies, with fast handlers of other values': scenario({ capacity: 2, tasks: 3, clockStepMs: fast, mortal: [1], carry: half }),
  'a worker that dies, with fast handlers of some other values': scenario({ capacity: 4, tasks: 4, clockStepMs: fast, mortal: [1], carry: mixed }),
  'a worker that dies, with fast handlers of tasks some of which have stamps': scenario({ capacity: 4, tasks: 3, clockStepMs: fast, mortal: [1], stamps: [2] }),
  'a worker that dies, with slow handlers': scenario({ capacity: 2, tasks: 3, clockStepMs: slow, mortal: [1] }),
  'the rest of the descriptor in which a worker died is skipped': scenario({ capacity: 2, tasks: 3, clockStepMs: fast, mortal: [1], recoverLane: skipping }),
}
