/**
 * How the caller and a worker go to sleep and wake each other: the real poller and idle policy, with tasks of both priorities, tasks that are called off while
 * they run, and the plain hints: that more may lie in the lane of high priority, and that the caller looks for completions. A hint may be old news
 * at any time; each mistake trusts one, or does not look again, and must leave somebody asleep for ever.
 */
import assert from 'node:assert/strict'
import { type Play, scenarioOf, type Task } from './group-stage.js'
import type { Outcome, Scenario } from './scenario.js'

const echo = 0
const later = 1
const untilCalledOff = 2

const handlers: Play['handlers'] = (stage, { whenCalledOff }) => [
  ((value: number) => {
    stage.note(value)
    return value
  }) as never,
  ((value: number) => new Promise((resolve) => {
    setTimeout(() => resolve(value))
  })) as never,
  (() => whenCalledOff()) as never,
]

const sizes = { workers: 1, lane: 2, nested: 1 } as const
const base = { handlers, sizes, idle: 'block', busy: false } as const
const normal = (value: number, rest: Partial<Task> = {}): Task => ({ worker: 0, handler: echo, value, gives: value, ...rest })
const high = (value: number, rest: Partial<Task> = {}): Task => normal(value, { high: true, ...rest })

/** A task of each priority, the second just when the worker may go to sleep after the first; and then one more. */
const highLast = [normal(1), high(11, { after: 1 })]
const highFirst = [high(11), normal(1, { after: 1 })]
const mixed = [normal(1), normal(2), high(11, { later: true }), high(12), normal(3)]
const oneByOne = [normal(1), normal(2, { after: 1 })]
const off = [normal(0, { handler: untilCalledOff, calledOff: true })]
const offInLane = [normal(1), normal(0, { handler: untilCalledOff, calledOff: true })]

/** Tasks of one priority run in the order in which they were pushed, and none twice. */
function inOrder({ notes }: Outcome): void {
  for (const lane of [notes[1].filter((value) => value < 10), notes[1].filter((value) => value > 10)]) {
    assert.deepEqual(lane, [...new Set(lane)].toSorted((a, b) => a - b), `in order, and once: ${lane.join(' ')}`)
  }
}

const scenario = (play: Partial<Play> & Pick<Play, 'tasks'>): Scenario => scenarioOf({ ...base, ...play }, inOrder)

export const right: Record<string, Scenario> = {
  'a high task for a worker that blocks': scenario({ tasks: highLast }),
  'a high task for a worker that sleeps in its event loop': scenario({ tasks: highLast, busy: true }),
  'a normal task for a worker that slept after a high one': scenario({ tasks: highFirst }),
  'high and normal tasks': scenario({ tasks: mixed }),
  'high and normal tasks for a worker that dies': scenario({ tasks: mixed, mortal: true }),
  'tasks one by one': scenario({ tasks: oneByOne }),
  'tasks one by one, a caller that naps': scenario({ tasks: oneByOne, naps: true }),
  'tasks one by one, a worker that spins while the caller looks': scenario({ tasks: oneByOne, idle: 'auto' }),
  'tasks one by one, a worker that always thinks that the caller looks': scenario({ tasks: oneByOne, idle: 'auto', flaws: { idle: { callerLooks: () => true } } }),
  'tasks one by one, a worker that never thinks that the caller looks': scenario({ tasks: oneByOne, idle: 'auto', flaws: { idle: { callerLooks: () => false } } }),
  'a task that waits for a timer': scenario({ tasks: [normal(1, { handler: later })] }),
  'a task is called off while it waits': scenario({ tasks: off }),
  'a task is called off, perhaps before it starts': scenario({ tasks: offInLane, busy: true }),
}

export const broken: Record<string, Scenario> = {
  'a worker looks only into the normal lane before it sleeps': scenario({ tasks: highLast, flaws: { workerLooks: (_loop, nested, lanes) => lanes.poll(0) > 0 || nested.hasWork() } }),
  'a worker takes the hint for the look before it sleeps': scenario({ tasks: highLast, flaws: { workerLooks: (_loop, nested, lanes) => lanes.poll(0) > 0 || lanes.mayHaveMore(1) || nested.hasWork() } }),
  'a worker does not look again before it sleeps': scenario({ tasks: oneByOne, flaws: { workerLooks: () => false } }),
  'the caller does not look again before it sleeps': scenario({ tasks: oneByOne, flaws: { callerLooks: () => false } }),
  'a worker rings only a caller that does not seem to look': scenario({
    tasks: oneByOne,
    flaws: {
      ringCaller: (really, callerLooks) => {
        if (!callerLooks()) really()
      },
    },
  }),
  'a worker blocks while its event loop has something to wait for': scenario({ tasks: [normal(1, { handler: later })], flaws: { withNested: (loop) => ({ ...loop, outstanding: () => 0 }), idle: { eventLoopIsBusy: () => false } } }),
  'a worker does not look for tasks that were called off before it sleeps': scenario({ tasks: off, flaws: { workerLooks: (_loop, nested, lanes) => lanes.poll(0) > 0 || lanes.poll(1) > 0 || nested.hasWork() } }),
  'a worker is rung before a task that was called off is counted': scenario({ tasks: off, flaws: { ringsFirst: true } }),
}

export const scenarios: Record<string, Scenario> = { ...right, ...broken }
