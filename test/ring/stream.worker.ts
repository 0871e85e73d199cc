/**
 * One end of a stress: streams numbered descriptors to its peer and checks those it gets, with random batch sizes, and sleeps
 * whenever it can do nothing, in a random one of all the ways. All randomness comes from the seed; time decides only who waits.
 */
import assert from 'node:assert/strict'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { createPrng } from '../../src/base/index.js'
import { descriptorWords, LaneConsumer, LaneProducer, ring, Sleeper } from '../../src/ring/index.js'

export interface StreamData {
  readonly buffer: SharedArrayBuffer
  readonly capacity: number
  /** Word indices of the two lanes and the two doorbells. */
  readonly outAt: number
  readonly inAt: number
  readonly ownBell: number
  readonly peerBell: number
  readonly items: number
  readonly seed: number
  readonly thread: number
  /** A port whose other end the peer listens to. */
  readonly port: MessagePort
}

const { buffer, capacity, outAt, inAt, ownBell, peerBell, items, seed, thread, port } = workerData as StreamData
const i32 = new Int32Array(buffer)
const prng = createPrng(seed, thread)
const outbox = new LaneProducer(i32, outAt, capacity)
const inbox = new LaneConsumer(i32, inAt, capacity)
let sent = 0
let got = 0
let parks = 0

const ringPeer = (): void => ring(i32, peerBell, () => port.postMessage(0))
const sleeper = new Sleeper(i32, ownBell, () => inbox.poll() > 0 || (sent < items && outbox.claim() >= 0))

function send(): number {
  const batch = 1 + prng.below(capacity * 2)
  let count = 0
  while (count < batch && sent < items) {
    const slot = outbox.claim()
    if (slot < 0) break
    for (let word = 0; word < descriptorWords; word++) i32[slot + word] = Math.imul(sent + 1, word + 1)
    outbox.commit()
    sent++
    count++
  }
  if (count > 0) {
    outbox.publish()
    ringPeer()
  }
  return count
}

function receive(): number {
  const count = Math.min(inbox.poll(), 1 + prng.below(capacity * 2))
  for (let i = 0; i < count; i++) {
    const slot = inbox.peek()
    inbox.advance()
    got++
    for (let word = 0; word < descriptorWords; word++) {
      if (i32[slot + word] !== Math.imul(got, word + 1)) assert.fail(`item ${got} has ${i32[slot + word]} in word ${word}`)
    }
  }
  if (count > 0) {
    inbox.release()
    ringPeer()
  }
  return count
}

function run(): void {
  for (;;) {
    if (send() + receive() > 0) continue
    if (sent === items && got === items) {
      parentPort?.postMessage({ sent, got, parks })
      port.close()
      return
    }
    parks++
    const how = prng.below(4)
    if (how === 0) sleeper.block()
    else if (how === 1) sleeper.block(prng.below(3))
    else if (how === 2) sleeper.block(prng.below(100) / 100)
    else if (sleeper.parkInLoop()) return
  }
}

/** A message may come late, when this thread is long awake and asleep again: it is then a spurious wake-up. */
port.on('message', () => {
  if (sent === items && got === items) return
  sleeper.unpark()
  run()
})
run()
