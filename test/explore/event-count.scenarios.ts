/** The scenarios of the event count, right ones and ones with a mistake made at the seam. A sleep is for ever, unless somebody ends it. */
import assert from 'node:assert/strict'
import { shared } from '../../src/base/index.js'
import { EventCount } from '../../src/ring/event-count.js'
import { type Mistake, tornCompare, withMistake } from './mistakes.js'
import type { Scenario, Stage } from './scenario.js'

const countAt = 16
const workAt = 32
const box = 48

type Sleep = 'block' | 'timed' | 'loop'

/** Takes one piece of work, if there is one: a compare-exchange of the number of pieces. */
function takeWork(stage: Stage): boolean {
  for (;;) {
    const left = shared.load(stage.i32, workAt)
    if (left === 0) return false
    if (shared.compareExchange(stage.i32, workAt, left, left - 1) === left) return true
  }
}

function sleepOnce(stage: Stage, count: EventCount, hasWork: () => boolean, how: Sleep): void {
  if (how === 'block') count.block(hasWork)
  else if (how === 'timed') count.block(hasWork, 1)
  else if (count.parkInLoop(hasWork)) stage.receive(box)
}

/**
 * Each sleeper wants one piece of work, each ringer brings some, once or several times; sleepers in their loops share the box, so only
 * one may sleep so.
 */
function eventCount(sleeps: readonly Sleep[], pieces: readonly (readonly number[])[], mistake?: Mistake): Scenario {
  return {
    words: 64,
    threads: [
      ...sleeps.map((how) => (stage: Stage) => withMistake(mistake, () => {
        const count = new EventCount(stage.i32, countAt, () => stage.send(box))
        while (!takeWork(stage)) sleepOnce(stage, count, () => shared.load(stage.i32, workAt) > 0, how)
        stage.note(1)
      })),
      ...pieces.map((brought) => (stage: Stage) => withMistake(mistake, () => {
        const count = new EventCount(stage.i32, countAt, () => stage.send(box))
        for (const some of brought) {
          shared.add(stage.i32, workAt, some)
          count.ring(some)
        }
      })),
    ],
    check: ({ notes }) => assert.equal(notes.flat().length, sleeps.length),
  }
}

/** A ringer may die anywhere; whoever joins it sounds the alarm. Or a sleeper may, and its successor gets the work. */
function eventCountDeath(how: Sleep, dies: 'ringer' | 'sleeper'): Scenario {
  const sleep = (stage: Stage): void => {
    const count = new EventCount(stage.i32, countAt, () => stage.send(box))
    while (!takeWork(stage)) sleepOnce(stage, count, () => shared.load(stage.i32, workAt) > 0, how)
    stage.note(1)
  }
  const ring = (stage: Stage, pieces: number): void => {
    const count = new EventCount(stage.i32, countAt, () => stage.send(box))
    shared.add(stage.i32, workAt, pieces)
    count.ring(pieces)
  }
  /** The dead one may have taken the work, or the wake-up, with it. */
  const recover = (stage: Stage): void => {
    if (shared.load(stage.i32, workAt) === 0) shared.add(stage.i32, workAt, 1)
    new EventCount(stage.i32, countAt, () => stage.send(box)).alarm()
  }
  return {
    words: 64,
    mortal: [0],
    threads: dies === 'ringer'
      ? [(stage) => ring(stage, 1), sleep, (stage) => { if (stage.join(0)) recover(stage) }]
      : [sleep, sleep, (stage) => ring(stage, 2), (stage) => { if (stage.join(0)) recover(stage) }],
    check: ({ notes, died }) => assert.ok(notes[1]?.length === 1 && (died >= 0 || dies === 'ringer' || notes[0]?.length === 1)),
  }
}

const countMistakes: Record<string, readonly [sleeps: readonly Sleep[], pieces: readonly (readonly number[])[], Mistake]> = {
  'the epoch stays': [['block'], [[1]], (right) => ({
    compareExchange: (words, index, expected, value) =>
      right.compareExchange(words, index, expected, value - expected === 4 ? expected : value),
  })],
  'one is woken for two pieces': [['block', 'block'], [[2]], (right) => ({
    notify: (words, index, count = 1) => {
      right.notify(words, index, 1)
      return count
    },
  })],
  'the flag is taken off and nobody woken after it': [['block', 'block'], [[1], [1]], (right) => ({
    notify: (words, index, count) => count === undefined ? 0 : right.notify(words, index, count),
  })],
  'the flag is set by a load and a store': [['block', 'block'], [[1], [1]], (right) => tornCompare(right, (index) => index === countAt)],
  'sleeps without a second look': [['block'], [[1]], (right) => {
    let announced = false
    return {
      compareExchange: (words, index, expected, value) => {
        announced = index === countAt && (value & 1) !== 0 && value - expected === 1
        return right.compareExchange(words, index, expected, value)
      },
      load: (words, index) => {
        const blind = announced && index === workAt
        announced = false
        return blind ? 0 : right.load(words, index)
      },
    }
  }],
}

export const countScenarios: Record<string, Scenario> = {
  'event count, one blocked': eventCount(['block'], [[1]]),
  'event count, one in its loop': eventCount(['loop'], [[1]]),
  'event count, two blocked, one ringer for both': eventCount(['block', 'block'], [[2]]),
  'event count, two blocked, two ringers': eventCount(['block', 'block'], [[1], [1]]),
  'event count, three blocked, one ringer time and again': eventCount(['block', 'block', 'block'], [[1, 1, 1]]),
  'event count, one each way': eventCount(['block', 'loop'], [[1], [1]]),
  'event count, one with a time-out': eventCount(['timed', 'block'], [[1], [1]]),
  'event count, a ringer of a blocked one dies': eventCountDeath('block', 'ringer'),
  'event count, a ringer of one in its loop dies': eventCountDeath('loop', 'ringer'),
  'event count, a blocked one dies': eventCountDeath('block', 'sleeper'),
}
export const brokenCounts: Record<string, Scenario> = Object.fromEntries(Object.entries(countMistakes).map(([mistake, [sleeps, pieces, seam]]) =>
  [`event count, broken: ${mistake}`, eventCount(sleeps, pieces, seam)]))
