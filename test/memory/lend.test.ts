import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { shared } from '../../src/base/index.js'
import { attachHeap, createHeap, type Ptr, type SharedHeap } from '../../src/memory/index.js'
import {
  geometryOf, R_STATE, RECORD_BORROWED, RECORD_LIVE, RECORD_PARKED, RECORD_PARKED_BORROWED, RECORD_POOLED,
} from '../../src/memory/layout.js'
import { recordWord } from '../../src/memory/view.js'

const UNIT = 65_536
const BLOCK = 7168
const original = { ...shared }
const clean = (heap: SharedHeap): void => assert.deepEqual(heap.audit({ quiet: true }).problems, [])

/** Every block of that size there is. */
function takeAll(heap: SharedHeap, bytes: number): Ptr[] {
  const blocks: Ptr[] = []
  for (let ptr = heap.tryMalloc(bytes); ptr !== 0; ptr = heap.tryMalloc(bytes)) blocks.push(ptr)
  return blocks
}

/** The state word of a record, and the words it lies in. */
function stateOf(heap: SharedHeap, bytes: number, records: number, record: number): { readonly i32: Int32Array; readonly at: number } {
  return { i32: new Int32Array(heap.handle.buffer), at: recordWord(geometryOf(0, bytes, records, false), record) + R_STATE }
}

test('what is given back to a parked thread for ever is there for a thread that would be out of memory', () => {
  const heap = createHeap({ bytes: 9 * UNIT, records: 2 })
  const owner = attachHeap(heap.handle)
  const blocks = takeAll(owner, BLOCK)
  assert.ok(blocks.length >= 60)
  owner.park()
  assert.equal(heap.tryMalloc(BLOCK), 0, 'all of it is in use')
  for (const ptr of blocks) heap.free(ptr)
  clean(heap)
  assert.deepEqual(new Set(takeAll(heap, BLOCK)), new Set(blocks))
  clean(heap)
})

test('pages of which a parked thread has blocks in use lend the others', () => {
  const heap = createHeap({ bytes: 9 * UNIT, records: 2 })
  const owner = attachHeap(heap.handle)
  const blocks = takeAll(owner, BLOCK)
  const kept = blocks.filter((_, k) => k % 9 === 4)
  owner.park()
  for (const ptr of blocks) if (!kept.includes(ptr)) heap.free(ptr)
  assert.equal(takeAll(heap, BLOCK).length, blocks.length - kept.length)
  assert.equal(heap.tryMalloc(3 * UNIT), 0)
  owner.unpark()
  for (const ptr of kept) owner.free(ptr)
  owner.flush()
  assert.equal(takeAll(heap, BLOCK).length, kept.length)
  clean(heap)
})

test('units of a parked thread that hold no block become a large one', () => {
  const heap = createHeap({ bytes: 9 * UNIT, records: 2 })
  const owner = attachHeap(heap.handle)
  const blocks = takeAll(owner, BLOCK)
  owner.park()
  for (const ptr of blocks) heap.free(ptr)
  assert.notEqual(heap.tryMalloc(6 * UNIT), 0)
  clean(heap)
})

test('a thread with room of its own leaves those that are parked alone', () => {
  const heap = createHeap({ bytes: 64 * UNIT, records: 2 })
  const owner = attachHeap(heap.handle)
  const blocks = Array.from({ length: 20 }, () => owner.malloc(BLOCK))
  for (const ptr of blocks.slice(1)) owner.free(ptr)
  owner.park()
  const taken = Array.from({ length: 40 }, () => heap.malloc(BLOCK))
  owner.unpark()
  assert.ok(blocks.slice(1).every((ptr) => !taken.includes(ptr)))
  assert.ok(blocks.slice(1).includes(owner.malloc(BLOCK)))
  clean(heap)
})

test('a thread that unparks goes on with what it has left', () => {
  const heap = createHeap({ bytes: 9 * UNIT, records: 2 })
  const owner = attachHeap(heap.handle)
  const mine = Array.from({ length: 12 }, () => owner.malloc(BLOCK))
  const rest = takeAll(heap, BLOCK)
  owner.park()
  for (const ptr of mine.slice(0, 9)) heap.free(ptr)
  const lent = takeAll(heap, BLOCK)
  assert.ok(lent.length >= 9)
  owner.unpark()
  owner.unpark() // no harm
  assert.equal(owner.tryMalloc(BLOCK), 0)
  for (const ptr of [...mine.slice(9), ...rest, ...lent]) owner.free(ptr)
  owner.flush()
  heap.idle()
  const { problems, blocks } = heap.audit({ quiet: true })
  assert.deepEqual([problems, blocks.out], [[], 0])
})

test('a thread that dies while it is parked leaves its record to the pool, whether it is lent at the moment or not', () => {
  for (const lent of [false, true]) {
    const heap = createHeap({ bytes: 9 * UNIT, records: 2 })
    const owner = attachHeap(heap.handle)
    const blocks = takeAll(owner, BLOCK)
    owner.park()
    for (const ptr of blocks) heap.free(ptr)
    if (lent) {
      // It dies, and is reclaimed by somebody else, while this thread has its record.
      const { i32, at } = stateOf(heap, 9 * UNIT, 2, owner.record)
      const { exchange } = original
      shared.exchange = (...step) => {
        shared.exchange = exchange
        assert.equal(i32[at], RECORD_PARKED_BORROWED)
        i32[at] = RECORD_BORROWED // L5
        return exchange(...step)
      }
    } else heap.reclaim(owner.record)
    const again = takeAll(heap, BLOCK)
    Object.assign(shared, original)
    assert.deepEqual(new Set(again), new Set(blocks))
    assert.equal(attachHeap(heap.handle).record, owner.record, 'the next thread takes the record over')
    clean(heap)
  }
})

test('a thread that unparks waits while its record is lent, and for its death if need be', () => {
  const heap = createHeap({ bytes: 9 * UNIT, records: 3 })
  const [owner, borrower] = [attachHeap(heap.handle), attachHeap(heap.handle)]
  const { i32, at } = stateOf(heap, 9 * UNIT, 3, owner.record)
  const blocks = takeAll(owner, BLOCK)
  owner.park()
  for (const ptr of blocks) borrower.free(ptr)
  borrower.flush()
  class Killed extends Error {}
  shared.exchange = () => { throw new Killed() }
  assert.throws(() => borrower.tryMalloc(BLOCK), Killed)
  Object.assign(shared, original)
  assert.equal(i32[at], RECORD_PARKED_BORROWED)
  let waits = 0
  shared.wait = (_, index) => {
    assert.equal(index, at)
    if (++waits === 3) heap.reclaim(borrower.record)
    return 'timed-out'
  }
  try {
    owner.unpark()
  } finally {
    Object.assign(shared, original)
  }
  assert.deepEqual([waits, i32[at]], [3, RECORD_LIVE])
  clean(heap)
  assert.ok(takeAll(owner, BLOCK).length >= blocks.length, 'one long page holds one more than the short ones before')
})

test('where a thread may not block, it spins until its record is back', () => {
  const heap = createHeap({ bytes: 9 * UNIT, records: 2 })
  const owner = attachHeap(heap.handle)
  const { i32, at } = stateOf(heap, 9 * UNIT, 2, owner.record)
  owner.park()
  i32[at] = RECORD_PARKED_BORROWED
  let looks = 0
  shared.wait = () => { throw new TypeError('Atomics.wait cannot be called in this context') }
  shared.load = (words, index) => {
    if (index === at && ++looks === 5) i32[at] = RECORD_PARKED
    return original.load(words, index)
  }
  try {
    owner.unpark()
  } finally {
    Object.assign(shared, original)
  }
  assert.deepEqual([looks, i32[at]], [5, RECORD_LIVE])
})

test('where a thread may not block, it attaches all the same to a record that is lent for the moment', () => {
  const heap = createHeap({ bytes: 9 * UNIT, records: 2 })
  const gone = attachHeap(heap.handle)
  gone.detach()
  const { i32, at } = stateOf(heap, 9 * UNIT, 2, gone.record)
  i32[at] = RECORD_BORROWED
  let looks = 0
  shared.wait = () => { throw new TypeError('Atomics.wait cannot be called in this context') }
  shared.load = (words, index) => {
    if (index === at && ++looks === 50) i32[at] = RECORD_POOLED
    return original.load(words, index)
  }
  try {
    assert.equal(attachHeap(heap.handle).record, gone.record)
  } finally {
    Object.assign(shared, original)
  }
})

test('a real thread that sleeps in Atomics.wait for ever lends what is freed meanwhile', async () => {
  const heap = createHeap({ bytes: 33 * UNIT })
  const code = `
    const { workerData, parentPort } = require('node:worker_threads')
    import(workerData.module).then(({ attachHeap }) => {
      const heap = attachHeap(workerData.handle)
      const blocks = []
      for (let ptr = heap.tryMalloc(${BLOCK}); ptr !== 0; ptr = heap.tryMalloc(${BLOCK})) blocks.push(ptr)
      heap.park()
      parentPort.postMessage({ blocks, record: heap.record })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`
  const module = new URL('../../src/memory/index.js', import.meta.url).href
  const worker = new Worker(code, { eval: true, workerData: { module, handle: heap.handle } })
  const [{ blocks, record }] = (await once(worker, 'message')) as [{ blocks: Ptr[]; record: number }]
  for (const ptr of blocks) heap.free(ptr)
  assert.deepEqual(new Set(takeAll(heap, BLOCK)), new Set(blocks))
  await worker.terminate()
  heap.reclaim(record)
  clean(heap)
})

test('a thread that only frees keeps nothing back once it is idle', () => {
  const heap = createHeap({ bytes: 9 * UNIT, records: 2 })
  const freeing = attachHeap(heap.handle)
  const blocks = takeAll(heap, BLOCK)
  for (const ptr of blocks.slice(0, 5)) freeing.free(ptr)
  assert.equal(heap.tryMalloc(BLOCK), 0, 'five are fewer than a batch')
  freeing.idle()
  assert.deepEqual(new Set(takeAll(heap, BLOCK)), new Set(blocks.slice(0, 5)))
  clean(heap)
})
