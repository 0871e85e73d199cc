import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { Explorer } from './explorer.js'
import { seen } from './litmus.scenarios.js'

const module = new URL('./litmus.scenarios.js', import.meta.url)
const explorer = await Explorer.open(module)

void describe('the explorer', () => {
  after(() => explorer.close())
  beforeEach(() => seen.clear())
  const all = { preemptions: 99 }

  test('takes every interleaving exactly once: two threads of three stretches have 6! / (3! 3!)', () => {
    assert.equal(explorer.explore('store buffering', all).schedules, 20)
    assert.deepEqual([...seen].toSorted(), ['0 1', '1 0', '1 1'], 'and sees every outcome that sequential consistency allows')
  })

  test('takes fewer when preemptions are bounded', () => {
    assert.equal(explorer.explore('store buffering', { preemptions: 0 }).schedules, 2)
    assert.deepEqual([...seen].toSorted(), ['0 1', '1 0'])
  })

  test('finds a lost update, and the schedule it prints shows it again', () => {
    const { failure } = explorer.explore('lost update', { preemptions: 1 })
    assert.match(failure?.message ?? '', /1 !== 2/)
    assert.deepEqual(explorer.replay('lost update', failure?.schedule ?? '').failure, failure)
    assert.equal(explorer.explore('lost update', { preemptions: 0 }).failure, undefined, 'and it takes a preemption')
  })

  test('finds it by random schedules too, and the same ones by the same seed', () => {
    const random = { preemptions: 0, random: 100, seed: 7 }
    const found = explorer.explore('lost update', random)
    assert.match(found.failure?.message ?? '', /1 !== 2/)
    assert.deepEqual(explorer.explore('lost update', random), found)
  })

  test('finds no fault where there is none', () => {
    for (const name of ['message passing', 'atomic update', 'a message comes before the wait for it']) {
      assert.equal(explorer.explore(name, { ...all, random: 50 }).failure, undefined, name)
    }
  })

  test('finds a data race whatever the order', () => {
    assert.match(explorer.explore('plain update', { preemptions: 0 }).failure?.message ?? '', /data race: the plain write of word 0/)
  })

  test('lets a hint be old news, later than newer ones too, until the reader knows better', () => {
    assert.equal(explorer.explore('a hint', all).failure, undefined)
    const told = [...seen].map((line) => line.split(' ').map(Number))
    for (const start of ['0 0', '1 1', '0 2', '2 0', '2 2']) assert.ok([...seen].some((line) => line.startsWith(start)), `${start} is seen`)
    for (const [, , knows, last] of told) assert.ok(knows === 0 || last === 2, 'who knows of the write behind it reads the last value')
    assert.ok(told.some(([, , knows, last]) => knows === 0 && last === 0))
  })

  test('calls a wait that nobody ends a failure, and says where it waits', () => {
    const { failure } = explorer.explore('wait without a notify', all)
    assert.equal(failure?.message, 'stuck: thread 0 is waiting at word 0, thread 1 is ended')
    assert.equal(explorer.explore('polling for ever', all).failure?.message, 'stuck: thread 0 is paused')
  })

  test('lets a wait be notified, find the word changed, and time out', () => {
    assert.equal(explorer.explore('wait with a time-out', all).failure, undefined)
    assert.deepEqual([...seen].toSorted(), ['0', '1', '2'])
  })

  test('kills a thread before each of its steps and plain stores', () => {
    assert.equal(explorer.explore('death', all).failure, undefined)
    assert.deepEqual([...seen].toSorted(), ['0 2', '1 0', '1 1'])
  })
})
