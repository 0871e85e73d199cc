import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { shared } from '../../src/base/index.js'
import { alarm, doorbellMode, doorbellWords, ring, Sleeper } from '../../src/ring/index.js'

const at = 16
const words = (): Int32Array => new Int32Array(new SharedArrayBuffer((at + doorbellWords) * 4))

/** Runs `act` with a seam in which `wait` does not sleep: it records what would have been waited for. */
function withoutSleeping(act: () => void, whileAsleep: () => void = () => {}): [value: number, timeoutMs: number][] {
  const wait = shared.wait
  const waits: [number, number][] = []
  shared.wait = (_words, _index, value, timeoutMs = Infinity) => {
    waits.push([value, timeoutMs])
    whileAsleep()
    return 'ok'
  }
  try {
    act()
  } finally {
    shared.wait = wait
  }
  return waits
}

void describe('a doorbell', () => {
  test('rung while its thread is awake does nothing', () => {
    const i32 = words()
    ring(i32, at, () => assert.fail('no message'))
    assert.ok(i32.every((word) => word === 0))
  })

  test('sends one message to a thread in its event loop, however many ring', () => {
    const i32 = words()
    let messages = 0
    assert.equal(new Sleeper(i32, at, () => false).parkInLoop(), true)
    assert.equal(i32[at], doorbellMode.inLoop)
    for (let i = 0; i < 3; i++) ring(i32, at, () => { messages++ })
    assert.equal(messages, 1)
    assert.equal(i32[at], doorbellMode.running)
  })

  test('does not let its thread sleep when there is work, either way', () => {
    const i32 = words()
    const modesSeen: (number | undefined)[] = []
    const sleeper = new Sleeper(i32, at, () => modesSeen.push(i32[at]) > 0)
    assert.equal(sleeper.parkInLoop(), false)
    assert.deepEqual(withoutSleeping(() => sleeper.block()), [])
    assert.equal(i32[at], doorbellMode.running)
    assert.deepEqual(modesSeen, [doorbellMode.inLoop, doorbellMode.blocked], 'it looked after it announced how it would sleep')
  })

  test('blocks on the mode it has announced, for as long as it was told', () => {
    const i32 = words()
    const sleeper = new Sleeper(i32, at, () => false)
    const mode: (number | undefined)[] = []
    assert.deepEqual(withoutSleeping(() => {
      sleeper.block()
      sleeper.block(25)
    }, () => mode.push(i32[at])), [[doorbellMode.blocked, Infinity], [doorbellMode.blocked, 25]])
    assert.deepEqual(mode, [doorbellMode.blocked, doorbellMode.blocked])
    assert.equal(i32[at], doorbellMode.running, 'and is up afterwards, whoever woke it')
  })

  test('rung by a producer that saw an earlier sleep wakes the later one the way that one sleeps, or not at all', () => {
    const i32 = words()
    const sleeper = new Sleeper(i32, at, () => false)
    sleeper.parkInLoop()
    const load = shared.load
    shared.load = (words, index) => {
      const seen = load(words, index)
      withoutSleeping(() => sleeper.block(), () => {}) // it woke and slept again in between …
      i32[at] = doorbellMode.blocked // … and now blocks
      return seen
    }
    try {
      ring(i32, at, () => assert.fail('a blocked thread cannot receive a message'))
    } finally {
      shared.load = load
    }
    assert.equal(i32[at], doorbellMode.blocked, 'the stale producer leaves the later sleep alone: that one looked after its publish')
  })

  test('returns from a timed sleep that nobody rings', () => {
    const i32 = words()
    new Sleeper(i32, at, () => false).block(1)
    assert.equal(i32[at], doorbellMode.running)
  })

  test('sounded as an alarm wakes even a thread whose mode word was already cleared', async () => {
    const i32 = words()
    const sleeps = new Worker(`
      const { workerData, parentPort } = require('node:worker_threads')
      const { i32, at } = workerData
      Atomics.store(i32, at, ${doorbellMode.blocked})
      parentPort.postMessage('blocking')
      parentPort.postMessage(Atomics.wait(i32, at, ${doorbellMode.blocked}))
    `, { eval: true, workerData: { i32, at } })
    const messages: unknown[] = []
    sleeps.on('message', (message) => messages.push(message))
    await new Promise((resolve) => sleeps.once('message', resolve))
    Atomics.store(i32, at, doorbellMode.running) // a producer cleared it, and died before it could wake
    let posted = 0
    while (messages.length < 2) {
      alarm(i32, at, () => { posted++ })
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    assert.match(String(messages[1]), /^(ok|not-equal)$/)
    assert.ok(posted > 0, 'and it posts the message, since the word does not tell which way the thread sleeps')
  })
})
