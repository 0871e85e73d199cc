/** A thread may be ended at any call boundary; these tests end it before each of its atomic operations in turn, one after the other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng, shared } from '../../src/base/index.js'
import { attachHeap, createHeap, type Ptr, type SharedHeap } from '../../src/memory/index.js'
import { geometryOf, R_STATE, RECORD_BORROWED, RECORD_POOLED } from '../../src/memory/layout.js'
import { recordWord } from '../../src/memory/view.js'

const MIB = 1 << 20
class Killed extends Error {}
const original = { ...shared }

/** Runs `work`, ending it before its `at`-th atomic operation; whether it got that far. */
function killedAt(at: number, work: () => void): boolean {
  let left = at
  const step = (): void => {
    if (left-- === 0) throw new Killed()
  }
  for (const name of ['load', 'store', 'exchange', 'compareExchange', 'add'] as const) {
    const real = original[name] as (...args: unknown[]) => number
    Object.assign(shared, { [name]: (...args: unknown[]) => (step(), real(...args)) })
  }
  try {
    work()
    return false
  } catch (error) {
    if (error instanceof Killed) return true
    throw error
  } finally {
    Object.assign(shared, original)
  }
}

/** Blocks are kept here as soon as malloc returns them, and forgotten as soon as free is called: what a thread can know. */
function churn(heap: SharedHeap, blocks: Ptr[], steps: number, seed: number, sizes: readonly number[]): void {
  const prng = createPrng(seed)
  for (let k = 0; k < steps; k++) {
    if (blocks.length > 0 && prng.below(2) === 0) {
      const at = prng.below(blocks.length)
      const ptr = blocks[at]!
      blocks[at] = blocks.at(-1)!
      blocks.pop()
      heap.free(ptr)
    } else {
      blocks.push(heap.malloc(sizes[prng.below(sizes.length)]!))
    }
  }
}

test('a page that its owner was about to arm when it died is found again, by its next owner and by frees', () => {
  for (const adoption of ['off', 'eager'] as const) {
    const heap = createHeap({ bytes: 2 * 65_536, records: 2, adoption })
    const victim = attachHeap(heap.handle)
    const blocks = Array.from({ length: 9 }, () => victim.malloc(7168))
    shared.compareExchange = () => { throw new Killed() }
    assert.throws(() => victim.malloc(7168), Killed)
    Object.assign(shared, original)
    heap.reclaim(victim.record)
    assert.deepEqual(heap.audit({ quiet: true }).problems, [])
    for (const ptr of blocks) heap.free(ptr)
    heap.flush()
    for (let k = 0; k < 9; k++) assert.ok(heap.tryMalloc(7168) !== 0, 'all its blocks are within reach')
    assert.deepEqual(heap.audit({ quiet: true }).problems, [])
  }
})

test('who attaches waits for a record that is lent for the moment, but not for ever', () => {
  const heap = createHeap({ bytes: 2 * 65_536, records: 2 })
  const i32 = new Int32Array(heap.handle.buffer)
  const gone = attachHeap(heap.handle)
  gone.detach()
  const state = recordWord(geometryOf(0, 2 * 65_536, 2, false), gone.record) + R_STATE
  i32[state] = RECORD_BORROWED
  try {
    let waits = 0
    shared.wait = (_, index, value) => {
      assert.deepEqual([index, value], [state, RECORD_BORROWED])
      waits++
      return 'timed-out'
    }
    assert.throws(() => attachHeap(heap.handle), { code: 'ERR_PERCORE_OUT_OF_MEMORY' })
    assert.ok(waits > 10 && waits < 1000, `after ${waits} waits`)
    shared.wait = () => {
      i32[state] = RECORD_POOLED
      return 'timed-out'
    }
    assert.equal(attachHeap(heap.handle).record, gone.record)
  } finally {
    Object.assign(shared, original)
  }
})

const scenes: readonly { readonly name: string; readonly run: (victim: SharedHeap, blocks: Ptr[], kept: Ptr[]) => void }[] = [
  {
    name: 'allocating and freeing its own and large blocks',
    run: (victim, blocks) => churn(victim, blocks, 300, 7, [3000, 16_000, 52_000, 200_000, 3_000_000]),
  },
  {
    name: 'freeing blocks of another thread',
    run: (victim, _blocks, kept) => {
      while (kept.length > 0) victim.free(kept.pop()!)
      victim.flush()
    },
  },
  {
    name: 'reusing what others gave back, and trimming',
    run: (victim, blocks, kept) => {
      churn(victim, blocks, 120, 3, [1024, 4096])
      while (kept.length > 0) victim.free(kept.pop()!)
      churn(victim, blocks, 120, 5, [1024, 4096, 30_000])
      for (const ptr of blocks.splice(0)) victim.free(ptr)
      victim.trim()
    },
  },
]

for (const { name, run } of scenes) for (const adoption of ['off', 'eager'] as const) {
  test(`a thread killed before any of its atomic operations while ${name} leaves a heap that adds up (adoption ${adoption})`, () => {
    let at = 0
    for (let killed = true; killed; at++) {
      const heap = createHeap({ bytes: 32 * MIB, records: 3, adoption })
      const kept: Ptr[] = []
      churn(heap, kept, 400, 11, [1024, 4096, 40_000, 100_000])
      const gone = attachHeap(heap.handle)
      const spare = Array.from({ length: 40 }, () => gone.malloc(1024))
      const victim = attachHeap(heap.handle)
      gone.detach()
      for (const ptr of spare.splice(0, 30)) heap.free(ptr)
      heap.flush()
      const blocks: Ptr[] = []
      killed = killedAt(at, () => run(victim, blocks, kept))
      heap.reclaim(victim.record)
      const report = heap.audit({ quiet: true })
      assert.deepEqual(report.problems, [], `killed before operation ${at}`)
      const lost = report.blocks.out + report.largeBlocks - blocks.length - kept.length - spare.length
      assert.ok(lost >= 0 && lost <= 1, `killed before operation ${at}: ${lost} blocks lost`)
      for (const ptr of [...blocks, ...kept, ...spare]) heap.free(ptr)
      heap.idle()
      assert.deepEqual(heap.audit({ quiet: true }).problems, [], `after operation ${at}`)
    }
    assert.ok(at > 10, `${at} places to die`)
  })
}
