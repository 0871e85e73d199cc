import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PercoreError, type SharedBlock } from '../../src/index.js'
import { tidy } from '../../src/group/tidy.js'
import type { SharedHeap } from '../../src/memory/index.js'
import { startGroup } from './start.js'

const isFull = (error: unknown): boolean => error instanceof PercoreError && error.code === 'ERR_PERCORE_OUT_OF_MEMORY'
const bytes = 50_000

test('memory that came back to a worker that sleeps is there for the caller', async () => {
  await using group = await startGroup({ workers: 1, memoryBytes: 2 ** 25 })
  const held: SharedBlock[] = []
  const allocate = (): boolean => {
    try {
      held.push(group.alloc(bytes))
      return true
    } catch (error) {
      if (isFull(error)) return false
      throw error
    }
  }
  for (let full = false; !full; ) {
    try {
      held.push(await group.run('reverse', group.alloc(bytes)))
    } catch (error) {
      if (!isFull(error)) throw error
      full = true
    }
  }
  const theirs = held.length
  assert.ok(theirs > 200, `${theirs} blocks of the worker fill the heap`)
  await sleep(100) // the worker has gone to sleep, on any machine that is not very busy
  for (const block of held.splice(0)) block.free()
  for (let patience = 200; held.length < theirs * 0.9 && patience > 0; patience--) {
    while (allocate());
    if (held.length < theirs * 0.9) await sleep(20)
  }
  assert.ok(held.length >= theirs * 0.9, `${held.length} of ${theirs} blocks can be had`)
  for (const block of held) block.free()
  assert.equal(await group.run('sum', new Uint8Array(1000).fill(1)), 1000)
})

test('a thread that sleeps in its event loop gives back what holds no block once a second, while it has nothing to do', () => {
  const { setInterval, clearInterval } = globalThis
  let tick: (() => void) | undefined
  let [trims, unrefs, idle, ended] = [0, 0, true, false]
  const timer = { unref: () => unrefs++ }
  Object.assign(globalThis, {
    setInterval: (callback: () => void, ms: number) => {
      assert.equal(ms, 1000)
      tick = callback
      return timer
    },
    clearInterval: (cleared: unknown) => {
      assert.equal(cleared, timer)
      tick = undefined
    },
  })
  try {
    tidy({ trim: () => trims++ } as unknown as SharedHeap, () => idle, () => ended)
    tick?.()
    tick?.()
    assert.deepEqual([trims, unrefs], [2, 1])
    idle = false
    tick?.()
    idle = true
    ended = true
    tick?.()
    assert.deepEqual([trims, tick], [2, undefined], 'neither while it works nor after the end')
  } finally {
    Object.assign(globalThis, { setInterval, clearInterval })
  }
})
