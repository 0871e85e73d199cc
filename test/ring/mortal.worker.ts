/**
 * One end of a lane whose threads are killed at any moment: the producer numbers its descriptors, the consumer checks that
 * none is missing but one that a predecessor was running, and that none comes twice.
 */
import assert from 'node:assert/strict'
import { workerData } from 'node:worker_threads'
import { createPrng, shared } from '../../src/base/index.js'
import { descriptorWords, LaneConsumer, LaneProducer, ring, Sleeper } from '../../src/ring/index.js'

export interface MortalData {
  readonly buffer: SharedArrayBuffer
  readonly role: 'producer' | 'consumer'
  readonly capacity: number
  readonly seed: number
}

/** Words of the shared memory. `last` and `gaps` are the consumer's, written plainly. */
export const layout = { producerBell: 0, consumerBell: 16, stop: 32, last: 48, gaps: 49, lane: 64 } as const
/** The index the lane starts at; item n has index first + n − 1. */
export const first = -1000

function produce(i32: Int32Array, capacity: number, seed: number): void {
  const prng = createPrng(seed)
  const lane = new LaneProducer(i32, layout.lane, capacity)
  const stopped = (): boolean => shared.load(i32, layout.stop) === 1
  const sleeper = new Sleeper(i32, layout.producerBell, () => lane.claim() >= 0 || stopped())
  const publish = (): void => {
    lane.publish()
    ring(i32, layout.consumerBell, noMessage)
  }
  while (!stopped()) {
    const batch = 1 + prng.below(capacity)
    while (lane.pending < batch) {
      const slot = lane.claim()
      if (slot < 0) break
      i32.fill(lane.written - first + 1, slot, slot + descriptorWords)
      lane.commit()
    }
    if (lane.pending > 0) publish()
    else sleeper.block()
  }
}

function consume(i32: Int32Array, capacity: number): void {
  const lane = new LaneConsumer(i32, layout.lane, capacity)
  const stopped = (): boolean => shared.load(i32, layout.stop) === 2
  const sleeper = new Sleeper(i32, layout.consumerBell, () => lane.poll() > 0 || stopped())
  let fresh = true
  for (;;) {
    const last = stopped()
    const ready = lane.poll()
    for (let i = 0; i < ready; i++) {
      const slot = lane.peek()
      lane.advance()
      const item = i32[slot] ?? 0
      const expected = (i32[layout.last] ?? 0) + 1
      assert.equal(i32[slot + descriptorWords - 1], item, 'whole')
      if (fresh && item === expected + 1) i32[layout.gaps]++
      else assert.equal(item, expected, 'in order, none lost, none twice')
      fresh = false
      i32[layout.last] = item
    }
    if (ready > 0) {
      lane.release()
      ring(i32, layout.producerBell, noMessage)
    } else if (last) return
    else sleeper.block()
  }
}

function noMessage(): void {
  assert.fail('nobody sleeps in its event loop here')
}

const { buffer, role, capacity, seed } = (workerData ?? {}) as Partial<MortalData>
if (buffer !== undefined && capacity !== undefined && seed !== undefined) {
  if (role === 'producer') produce(new Int32Array(buffer), capacity, seed)
  else consume(new Int32Array(buffer), capacity)
}
