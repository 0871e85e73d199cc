/**
 * Progress (src/group/reports.ts): a worker that reports through a lane of 2 and then completes its task, and a caller that listens,
 * asleep when there is nothing to do. The worker may die anywhere.
 */
import assert from 'node:assert/strict'
import { shared } from '../../src/base/index.js'
import type { Codec } from '../../src/codec/index.js'
import { ReportListener, Reports, ReportSender } from '../../src/group/reports.js'
import { initLane, LaneConsumer, LaneProducer, laneWords, recoverProduced, ring, Sleeper } from '../../src/ring/index.js'
import type { Scenario, Stage } from './scenario.js'

const bell = 0
const box = 16
const listening = 17
const exited = 18
const reportsAt = 64
const capacity = 2
const doneAt = reportsAt + laneWords(capacity)
/** Lanes start two below the wrap of u32. */
const first = -2
const task = 7
const generation = 3
/** What the caller notes when the task has ended: completed, or its worker has died. */
const completed = 100
const died = 101

function codecOf(i32: Int32Array): Codec {
  return {
    encode: (value, at) => {
      i32[at + 1] = Number(value)
      return 0
    },
    encodeError: () => assert.fail('nothing fails here'),
    decode: (_tag, at) => i32[at + 1],
    encodeList: () => assert.fail('nobody runs many here'),
    relay: () => assert.fail('nothing comes over a port here'),
    lend: () => assert.fail('no handler takes a view here'),
    release: () => assert.fail('every report has its listener'),
  }
}

function work(stage: Stage, reports: number): void {
  const { i32 } = stage
  const ringCaller = (): void => ring(i32, bell, () => stage.send(box))
  const sender = new ReportSender(new LaneProducer(i32, reportsAt, capacity), codecOf(i32), () => i32[listening] > 0, ringCaller)
  const done = new LaneProducer(i32, doneAt, 1)
  for (let n = 1; n <= reports; n++) {
    stage.step()
    if (sender.send(task, generation, n)) stage.note(n)
  }
  done.claim()
  done.commit()
  done.publish()
  ringCaller()
}

function call(stage: Stage): void {
  const { i32 } = stage
  globalThis.queueMicrotask = (tell) => tell()
  const done = new LaneConsumer(i32, doneAt, 1)
  const reports = new Reports(i32, [new LaneConsumer(i32, reportsAt, capacity)], codecOf(i32), listening)
  const listener = new ReportListener((progress) => stage.note(Number(progress)))
  const sleeper = new Sleeper(i32, bell, () => done.poll() > 0 || reports.hasWork())
  reports.begin(listener, 0, task, generation)
  shared.store(i32, exited + 1, 1) // the task is published: the worker may start
  for (let outcome = 0; outcome === 0; ) {
    reports.drainAll()
    if (done.poll() > 0) outcome = completed
    else if (shared.load(i32, exited) === 1) {
      recoverProduced(i32, doneAt)
      recoverProduced(i32, reportsAt)
      outcome = done.poll() > 0 ? completed : died
    } else if (sleeper.parkInLoop()) {
      stage.receive(box)
      sleeper.unpark()
    }
    if (outcome !== 0) {
      reports.end(listener)
      stage.note(outcome)
    }
  }
}

function scenario(count: number, mortal: readonly number[]): Scenario {
  return {
    words: doneAt + laneWords(1),
    mortal,
    setup: ({ i32 }) => {
      initLane(i32, reportsAt, first)
      initLane(i32, doneAt, first)
    },
    threads: [
      call,
      (stage) => {
        while (shared.load(stage.i32, exited + 1) === 0) stage.pause()
        work(stage, count)
      },
      (stage) => {
        if (!stage.join(1)) return
        shared.store(stage.i32, exited, 1)
        stage.send(box)
      },
    ],
    check: ({ notes, died: dead }) => {
      const [heard = [], sent = []] = notes
      const told = heard.slice(0, -1)
      assert.equal(heard.at(-1), dead < 0 ? completed : heard.at(-1), 'the task has its outcome')
      assert.ok([completed, died].includes(heard.at(-1) ?? 0), `the outcome comes last: ${heard.join(' ')}`)
      assert.deepEqual(told, told.toSorted(), 'reports come in order')
      if (dead < 0) assert.deepEqual(told, sent, 'what was taken is heard')
      else assert.ok(sent.every((report) => told.includes(report)), `what was published is heard: ${sent.join(' ')}, not ${told.join(' ')}`)
      assert.ok(sent.length >= Math.min(count, capacity) || dead >= 0, 'only a full lane refuses')
    },
  }
}

export const scenarios: Record<string, Scenario> = {
  'a task that reports once': scenario(1, []),
  'a task that reports more than the lane holds': scenario(4, []),
  'a task that reports and dies': scenario(3, [1]),
}
