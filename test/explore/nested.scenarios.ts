/**
 * Calls from inside handlers: nested.ts on the workers, router.ts on the caller, through lanes of one or two descriptors that are full most of the time.
 * Each mistake must leave somebody asleep, or waiting for ever.
 */
import assert from 'node:assert/strict'
import { Nested, withNested } from '../../src/group/nested.js'
import { Router } from '../../src/group/router.js'
import { LaneProducer } from '../../src/ring/index.js'
import { type Play, scenarioOf, type Task } from './group-stage.js'
import type { Scenario } from './scenario.js'

const echo = 0
const relay = 1
const fan = 2
const meet = 3
const forget = 4
const later = 5
const leave = 6
const fanLater = 7

/**
 * echo; relay, which is as deep as it is told; fan, which makes so many calls at once; meet, which does with calls that main answers together; forget,
 * which does not wait for them; later, which a timer answers; and leave,
 * whose calls a timer makes, when it has long ended.
 */
const handlers: Play['handlers'] = (stage, { call, callMain }) => [
  ((value: number) => {
    stage.step()
    return value
  }) as never,
  ((levels: number) => (levels === 0 ? 0 : call(relay, levels - 1).then((below) => below + 1))) as never,
  ((calls: number) => Promise.all(Array.from({ length: calls }, (_, n) => call(echo, 50 + n))).then((answers) => {
    assert.deepEqual(answers, Array.from({ length: calls }, (_, n) => 50 + n), 'each call has its own answer')
    return answers.length
  })) as never,
  ((calls: number) => Promise.all(Array.from({ length: calls }, () => callMain(0, calls))).then((answers) => answers.length)) as never,
  ((calls: number) => {
    for (let n = 0; n < calls; n++) void callMain(0, n)
    return calls
  }) as never,
  (() => new Promise((resolve) => {
    setTimeout(() => resolve(1))
  })) as never,
  ((calls: number) => {
    setTimeout(() => {
      for (let n = 0; n < calls; n++) void callMain(0, calls)
    })
    return calls
  }) as never,
  ((calls: number) => Promise.all(Array.from({ length: calls }, () => call(later, 1))).then((answers) => answers.length)) as never,
]

/** Answers nobody before so many have called. */
function meeting(): (calls: number) => unknown {
  let arrived: ((value: number) => void)[] = []
  return (calls) => new Promise((resolve) => {
    arrived.push(resolve)
    if (arrived.length < calls) return
    for (const answer of arrived) answer(calls)
    arrived = []
  })
}

const task = (worker: number, handler: number, value: number): Task => ({ worker, handler, value, gives: value })
const base = { handlers, main: meeting, idle: 'block', busy: false } as const
const two = { workers: 2, lane: 2, nested: 1 } as const
const one = { workers: 1, lane: 2, nested: 1 } as const

/** Both workers call each other. */
const circles = [task(0, relay, 1), task(1, relay, 1)]
const fans = [task(0, fan, 2), task(1, fan, 2)]
const forgetful = { main: () => (value: number) => value, tasks: [task(0, forget, 3)], mainCalls: 3, leaves: true }
const leaving = { ...forgetful, main: meeting, tasks: [task(0, leave, 3)] }
/** A successor calls as its predecessor did, and would get another answer. */
const recalls = [task(0, relay, 2), task(0, fan, 2), task(0, relay, 1)]
const timers = [task(0, fanLater, 4)]
const meetings = [task(0, meet, 3)]

/** Publishes nothing that a turn sends. */
class PublishesLater extends Nested {
  #inTurn = false

  override turn(): number {
    this.#inTurn = true
    const took = super.turn()
    this.#inTurn = false
    return took
  }

  override publish(): void {
    if (!this.#inTurn) super.publish()
  }
}

/** Sleeps on what waits for room. */
class ForgetsUnsent extends Nested {
  override hasWork(): boolean {
    return !this.waits && super.hasWork()
  }

  override get outstanding(): number {
    return 0
  }
}

class ForgetsHeld extends Router {
  override hasWork(): boolean {
    return this.active && this.ups.some((lane) => lane.poll() > 0)
  }

  readonly ups: ConstructorParameters<typeof Router>[0]['ups']

  constructor(parts: ConstructorParameters<typeof Router>[0]) {
    super(parts)
    this.ups = parts.ups
  }
}

/** The bell is rung before the lane is published. */
class RingsFirst extends LaneProducer {
  override publish(): void {}
}

/** Of this thread: lanes that {@link RingsFirst} leaves to be published. */
const unpublished: LaneProducer[] = []

/** Every life of a worker numbers its calls alike. */
function sameGeneration(parts: ConstructorParameters<typeof Nested>[0]): Nested {
  const { random } = Math
  Math.random = () => 0
  try {
    return new Nested(parts)
  } finally {
    Math.random = random
  }
}

const onlyOnceOpen: typeof withNested = (loop, nested, i32, openAt) => ({
  ...withNested(loop, nested, i32, openAt),
  turn: (budgetUs) => loop.turn(budgetUs) + (i32[openAt] === 0 ? 0 : nested.turn()),
  hasWork: () => loop.hasWork() || (i32[openAt] !== 0 && nested.hasWork()),
})

export const right: Record<string, Scenario> = {
  'circles of calls, lanes of 1, blocked': scenarioOf({ ...base, sizes: two, tasks: circles }),
  'circles of calls, lanes of 1, in the event loop': scenarioOf({ ...base, sizes: two, tasks: circles, busy: true }),
  'more calls at once than have room': scenarioOf({ ...base, sizes: two, tasks: fans }),
  'more calls at once than have room, in the event loop': scenarioOf({ ...base, sizes: two, tasks: fans, busy: true }),
  'calls for main that are answered together': scenarioOf({ ...base, sizes: one, tasks: meetings }),
  'calls for main that nobody awaits': scenarioOf({ ...base, sizes: one, ...forgetful }),
  'calls made by a timer, more than have room': scenarioOf({ ...base, sizes: one, ...leaving }),
  'answers given by a timer, more than have room': scenarioOf({ ...base, sizes: two, tasks: timers }),
  'a worker calls itself': scenarioOf({ ...base, sizes: one, tasks: [task(0, relay, 2), task(0, fan, 3)] }),
  'a caller that waits on the spot': scenarioOf({ ...base, sizes: one, tasks: [task(0, relay, 2), task(0, fan, 2)], onTheSpot: true }),
  'a caller that waits on the spot, and is called itself': scenarioOf({ ...base, main: () => (value) => value, sizes: one, tasks: meetings, onTheSpot: true }),
  'a worker dies among calls': scenarioOf({ ...base, sizes: two, tasks: circles, mortal: true }),
  'a worker dies with more calls than have room': scenarioOf({ ...base, sizes: two, tasks: fans, mortal: true, busy: true }),
  'a worker dies with calls for main': scenarioOf({ ...base, main: () => (value) => value, sizes: one, tasks: [task(0, meet, 2), task(0, echo, 1)], mortal: true }),
}

export const broken: Record<string, Scenario> = {
  'a worker sleeps on what waits for room': scenarioOf({ ...base, sizes: one, tasks: meetings, flaws: { nested: (parts) => new ForgetsUnsent(parts) } }),
  'what a turn sends is published by a later one': scenarioOf({ ...base, sizes: one, ...leaving, flaws: { nested: (parts) => new PublishesLater(parts) } }),
  'a worker takes turns only once it was sent something': scenarioOf({ ...base, sizes: one, tasks: meetings, flaws: { withNested: onlyOnceOpen } }),
  'a worker does not look for nested calls before it sleeps': scenarioOf({ ...base, sizes: two, tasks: circles, flaws: { workerLooks: (loop) => loop.hasWork() } }),
  'the caller sleeps on what waits for room': scenarioOf({ ...base, sizes: one, tasks: [task(0, fan, 3)], flaws: { router: (parts) => new ForgetsHeld(parts) } }),
  'the caller does not look for nested calls before it sleeps': scenarioOf({ ...base, sizes: one, tasks: [task(0, fan, 3)], flaws: { callerLooks: (completions) => completions() } }),
  "a successor takes answers to a dead thread's calls for its own": scenarioOf({ ...base, sizes: two, tasks: recalls, mortal: true, flaws: { nested: sameGeneration } }),
  'a caller that waits on the spot does not hear of the first call': scenarioOf({ ...base, sizes: one, tasks: [task(0, relay, 2)], onTheSpot: true, flaws: { deaf: true } }),
  'a caller that waits on the spot does not look for calls before it sleeps': scenarioOf({
    ...base, sizes: one, tasks: [task(0, relay, 2)], onTheSpot: true, flaws: { callerLooks: (completions) => completions() },
  }),
  'a worker rings before it publishes': scenarioOf({
    ...base, sizes: one, tasks: [task(0, fan, 3)],
    flaws: {
      up: (i32, at, capacity) => {
        const lane = new RingsFirst(i32, at, capacity)
        unpublished.push(lane)
        return lane
      },
      ringCaller: (really) => {
        really()
        for (const lane of unpublished) if (lane.pending > 0) LaneProducer.prototype.publish.call(lane)
      },
    },
  }),
}


export const scenarios: Record<string, Scenario> = { ...right, ...broken }
