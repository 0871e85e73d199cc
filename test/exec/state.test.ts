import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng, PercoreError } from '../../src/base/index.js'
import { createState } from '../../src/exec/state.js'
import { type StateBlock, type StateStrategyName, strategyNames } from '../../src/exec/state-memory.js'
import { runOut, startExec } from './clock.js'

const code = (expected: string) => (error: unknown) => error instanceof PercoreError && error.code === expected
const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)

for (const strategy of strategyNames) {
  test(`${strategy}: blocks never overlap, keep what is written, and are all given back (PERCORE_SEED=${seed})`, (t) => {
    t.diagnostic(`PERCORE_SEED=${seed}`)
    const prng = createPrng(seed)
    const state = createState({ strategy, arenaBytesMax: 256 << 10, slabBytesMax: 1 << 20, heapBytes: 64 << 20 })
    const live: { block: StateBlock; words: number; mark: number }[] = []
    for (let step = 0; step < 20_000; step++) {
      const slot = prng.below(1000)
      const old = live[slot]
      if (old !== undefined) {
        const words = state.words(old.block)
        const start = state.start(old.block)
        for (let i = 0; i < old.words; i++) if (words[start + i] !== old.mark) assert.fail(`word ${i} of ${old.words} was overwritten`)
        state.give(old.block)
        delete live[slot]
      } else {
        const bytes = [8, 16, 64, 128, 240, 256, 300, 512, 2048, 3000, 32_768, 70_000][prng.below(prng.below(40) === 0 ? 12 : 9)] ?? 8
        const block = state.take(bytes)
        assert.equal(state.start(block) % 4, 0)
        state.words(block).fill(step, state.start(block), state.start(block) + bytes / 4)
        live[slot] = { block, words: bytes / 4, mark: step }
      }
    }
    live.forEach(({ block }) => state.give(block))
    const { taken, given, arena, slab, heap, collected } = state.counters()
    assert.equal(taken, given)
    assert.equal(taken, arena + slab + heap + collected)
  })

  test(`${strategy}: a task owns its state until it is over, however it ends`, async () => {
    const { exec, clock, errors } = startExec({ state: { strategy } })
    const { state } = exec
    const seen: number[] = []
    const write = (n: number, block: StateBlock): void => { state.words(block)[state.start(block)] = n }
    const read = (block: StateBlock): number => state.words(block)[state.start(block)] ?? -1
    for (let n = 0; n < 50; n++) {
      exec.spawnWith(128, (n, block) => {
        write(n, block)
        seen.push(read(block))
      }, n)
      exec.spawnWith(128, function* (n, block) {
        write(n, block)
        yield* exec.sleep(n % 3)
        seen.push(read(block))
      }, n)
      exec.spawnWith(128, async (n, block) => {
        write(n, block)
        await Promise.resolve()
        seen.push(read(block))
      }, n)
      exec.spawnWith(128, () => { throw new Error('fails') }, n)
      exec.cancel(exec.spawnWith(128, () => assert.fail('cancelled'), n))
    }
    exec.runUntilIdle()
    await new Promise((resolve) => setTimeout(resolve, 1))
    runOut(exec, clock)
    assert.equal(seen.length, 150)
    for (let n = 0; n < 50; n++) assert.equal(seen.filter((each) => each === n).length, 3)
    assert.equal(errors.length, 50)
    const { taken, given } = state.counters()
    assert.deepEqual([taken, given], [250, 250])
  })
}

test('an async function that was cancelled keeps its state until its promise settles, for it may still write there', async () => {
  const { exec } = startExec({ tasksMax: 4 })
  const { state } = exec
  let finish: () => void = () => {}
  const task = exec.spawnWith(64, async (_: number, block) => {
    await new Promise<void>((resolve) => { finish = resolve })
    state.words(block)[state.start(block)] = 99
  }, 0)
  const join = exec.join(task)
  exec.runUntilIdle()
  assert.equal(exec.cancel(task), true)
  assert.equal(exec.cancel(task), false)
  assert.equal(join.done, true)
  assert.equal(state.counters().given, 0)
  const other = state.take(64)
  state.words(other)[state.start(other)] = 7
  finish()
  await new Promise((resolve) => setTimeout(resolve, 1))
  assert.equal(state.words(other)[state.start(other)], 7)
  assert.equal(state.counters().given, 1)
  assert.equal(exec.tasks, 0)
  await assert.rejects(async () => join, code('ERR_PERCORE_CANCELLED'))
})

test('small states go to the arena, those from 256 bytes to the slab, and what finds no room to the heap', () => {
  const state = createState({ arenaBytesMax: 64 << 10, slabBytesMax: 64 << 10 })
  const count = (kind: 'arena' | 'slab' | 'heap'): number => state.counters()[kind]
  for (let i = 0; i < 512; i++) state.take(128)
  assert.equal(count('arena'), 512, 'the arena holds 512 blocks of 128 bytes')
  state.take(128)
  assert.deepEqual([count('arena'), count('slab'), count('heap')], [512, 1, 0])
  state.take(512)
  assert.deepEqual([count('arena'), count('slab'), count('heap')], [512, 1, 1], 'the only chunk of the slab has another size')
  state.take(1 << 20)
  assert.equal(count('heap'), 2)
})

test('a chunk of the arena is used again once its blocks are back: memory does not grow with the number of tasks', () => {
  const state = createState()
  const queue: StateBlock[] = []
  for (let i = 0; i < 200_000; i++) {
    queue.push(state.take(128))
    if (queue.length > 1000) state.give(queue.shift() as StateBlock)
  }
  const { chunks, resets, heap } = state.counters()
  assert.ok(chunks <= 4, `${chunks} chunks`)
  assert.ok(resets > 100)
  assert.equal(heap, 0)
})

test('a bad strategy or size is refused with the value', () => {
  assert.throws(() => createState({ strategy: 'malloc' as StateStrategyName }), code('ERR_PERCORE_INVALID_OPTION'))
  for (const strategy of ['hybrid', 'slab', 'gc'] as const) {
    assert.throws(() => createState({ strategy }).take(-1), code('ERR_PERCORE_INVALID_OPTION'))
    assert.throws(() => createState({ strategy }).take(NaN), code('ERR_PERCORE_INVALID_OPTION'))
  }
  assert.throws(() => createState({ strategy: 'heap', heapBytes: 64 << 20 }).take(100 << 20), code('ERR_PERCORE_OUT_OF_MEMORY'))
})

test('an executor that keeps no state takes none', () => {
  const { exec } = startExec()
  exec.spawn(() => undefined)
  exec.runUntilIdle()
  assert.equal(exec.state.counters().bytes, 0)
})
