/** The real router between lanes of one or two descriptors, turned by hand on one thread; its codec counts blocks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PercoreError } from '../../src/base/index.js'
import { type Codec, kind } from '../../src/codec/index.js'
import { nestedKind } from '../../src/group/nested.js'
import { Router } from '../../src/group/router.js'
import { descriptor } from '../../src/group/task.js'
import { initLane, LaneConsumer, LaneProducer, laneWords } from '../../src/ring/index.js'

interface Sent { readonly kind: number, readonly task: number, readonly value: number }

/** A router with that many workers, all of which the test plays; only those of `serving` are given calls. */
function setUp(workers: number, capacity: number, serving: readonly number[], main: (value: number) => unknown = () => 0) {
  const i32 = new Int32Array(new SharedArrayBuffer(4 * 2 * workers * laneWords(capacity)))
  const all = Array.from({ length: workers }, (_, worker) => worker)
  const upAt = (worker: number): number => 2 * worker * laneWords(capacity)
  const downAt = (worker: number): number => upAt(worker) + laneWords(capacity)
  for (const worker of all) for (const at of [upAt(worker), downAt(worker)]) initLane(i32, at, -1)
  const blocks = { out: 0 }
  const codec: Codec = {
    encode: (value, at) => {
      i32[at + 1] = Number(value)
      blocks.out++
      return kind.bytes
    },
    encodeError: (_, at) => codec.encode(-1, at),
    decode: (_tag, at) => {
      blocks.out--
      return i32[at + 1]
    },
    encodeList: () => assert.fail(),
    relay: () => assert.fail(),
    lend: () => assert.fail(),
    release: () => void blocks.out--,
  }
  const router = new Router({
    ups: all.map((worker) => new LaneConsumer(i32, upAt(worker), capacity)),
    downs: all.map((worker) => new LaneProducer(i32, downAt(worker), capacity)),
    codec, main: [main as never], serves: (worker) => serving.includes(worker), leaves: () => false, workers: () => workers,
    ring: () => {}, open: () => {}, settled: () => {}, wake: () => {},
  })
  router.active = true
  const ups = all.map((worker) => new LaneProducer(i32, upAt(worker), capacity))
  const downs = all.map((worker) => new LaneConsumer(i32, downAt(worker), capacity))

  function send(worker: number, what: number, task: number, value: number): void {
    const at = ups[worker].claim()
    assert.ok(at >= 0)
    i32[at + descriptor.head] = (codec.encode(value, at + descriptor.payload) << 16) | (what << 24)
    i32[at + descriptor.task] = task
    ups[worker].commit()
    ups[worker].publish()
  }
  function receive(worker: number): Sent[] {
    const down = downs[worker]
    const got: Sent[] = []
    for (let left = down.poll(); left > 0; left--) {
      const at = down.peek()
      got.push({ kind: i32[at + descriptor.head] >>> 24, task: i32[at + descriptor.task], value: codec.decode(0, at + descriptor.payload) as number })
      down.advance()
    }
    down.release()
    return got
  }
  return { router, blocks, send, receive }
}

const died = new PercoreError('ERR_PERCORE_WORKER_DIED', 'it died')

test('a worker that is given up leaves no block behind, although its lane is full and more wait for room', () => {
  const { router, blocks, send, receive } = setUp(2, 1, [1])
  for (let n = 0; n < 5; n++) {
    send(0, nestedKind.task, n, n)
    router.drain()
  }
  assert.deepEqual([router.inFlight, blocks.out], [5, 5])
  router.recover(1, died)
  router.abandon(1, died)
  const failed: Sent[] = []
  for (let n = 0; n < 5; n++) {
    failed.push(...receive(0))
    router.drain()
  }
  assert.deepEqual(failed.map((answer) => [answer.kind, answer.task]), [0, 1, 2, 3, 4].map((n) => [nestedKind.failed, n]))
  assert.deepEqual([router.inFlight, router.hasWork(), blocks.out], [0, false, 0])
})

test('an answer whose getter makes this thread look for calls does not share its place with one of them', async () => {
  const trap = { [Symbol.toPrimitive]: () => (router.drain(), 42) }
  const { router, blocks, send, receive } = setUp(2, 2, [0], () => trap)
  send(0, nestedKind.mainTask, 7, 0)
  router.drain()
  send(1, nestedKind.task, 8, 11)
  await Promise.resolve() // the function of this thread runs, and is answered
  router.drain()
  assert.deepEqual(receive(0).map(({ kind: what, value }) => [what, value]).toSorted(), [[nestedKind.task, 11], [nestedKind.done, 42]])
  assert.equal(blocks.out, 0)
})
