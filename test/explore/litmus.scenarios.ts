/** Tiny scenarios with known outcomes, to show that the explorer sees all of them and nothing else. */
import assert from 'node:assert/strict'
import { shared } from '../../src/base/index.js'
import type { Scenario } from './scenario.js'

/** Outcomes seen so far by the litmus tests of this process. */
export const seen: Set<string> = new Set<string>()

const x = 0
const y = 1
const box = 2

export const scenarios: Record<string, Scenario> = {
  'store buffering': {
    words: 16,
    threads: [
      (stage) => {
        shared.store(stage.i32, x, 1)
        stage.note(shared.load(stage.i32, y))
      },
      (stage) => {
        shared.store(stage.i32, y, 1)
        stage.note(shared.load(stage.i32, x))
      },
    ],
    check: ({ notes }) => { seen.add(notes.join(' ')) },
  },
  'message passing': {
    words: 16,
    threads: [
      ({ i32 }) => {
        i32[x] = 1
        shared.store(i32, y, 1)
      },
      (stage) => {
        while (shared.load(stage.i32, y) === 0) stage.pause()
        stage.note(stage.i32[x] ?? 0)
      },
    ],
    check: ({ notes }) => assert.deepEqual(notes[1], [1]),
  },
  'lost update': {
    words: 16,
    threads: [0, 1].map(() => ({ i32 }) => { shared.store(i32, x, shared.load(i32, x) + 1) }),
    check: ({ words }) => assert.equal(words.i32[x], 2),
  },
  'atomic update': {
    words: 16,
    threads: [0, 1, 2].map(() => ({ i32 }) => { shared.add(i32, x, 1) }),
    check: ({ words }) => assert.equal(words.i32[x], 3),
  },
  'plain update': {
    words: 16,
    threads: [0, 1].map(() => ({ i32 }) => { i32[x] = 1 }),
    check: () => {},
  },
  'wait without a notify': {
    words: 16,
    threads: [
      ({ i32 }) => { shared.wait(i32, x, 0) },
      ({ i32 }) => { shared.store(i32, x, 1) },
    ],
    check: () => {},
  },
  'wait with a time-out': {
    words: 16,
    threads: [
      (stage) => { stage.note(['ok', 'not-equal', 'timed-out'].indexOf(shared.wait(stage.i32, x, 0, 1))) },
      ({ i32 }) => {
        shared.store(i32, x, 1)
        shared.notify(i32, x)
      },
    ],
    check: ({ notes }) => { seen.add(String(notes[0])) },
  },
  'a message comes before the wait for it': {
    words: 16,
    threads: [(stage) => stage.send(box), (stage) => stage.receive(box)],
    check: () => {},
  },
  'polling for ever': {
    words: 16,
    threads: [(stage) => { while (shared.load(stage.i32, x) === 0) stage.pause() }],
    check: () => {},
  },
  'a hint': {
    words: 16,
    hints: [x],
    threads: [
      ({ i32 }) => {
        shared.store(i32, x, 1)
        i32[x] = 2
        shared.store(i32, y, 1)
      },
      (stage) => {
        const first = stage.i32[x]
        const second = stage.i32[x]
        const knows = shared.load(stage.i32, y)
        stage.note(first)
        stage.note(second)
        stage.note(knows)
        stage.note(stage.i32[x])
      },
    ],
    check: ({ notes }) => { seen.add(notes[1].join(' ')) },
  },
  death: {
    words: 16,
    mortal: [0],
    threads: [
      (stage) => {
        stage.i32[x] = 1
        stage.step()
        stage.i32[x] = 2
      },
      (stage) => {
        const died = stage.join(0)
        stage.note(Number(died))
        stage.note(stage.i32[x] ?? 0)
      },
    ],
    check: ({ notes }) => { seen.add(notes[1]?.join(' ') ?? '') },
  },
}
