import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attachHeap, createHeap, type Ptr, type SharedHeap } from '../../src/memory/index.js'
import { classBytes } from '../../src/memory/classes.js'
import { geometryOf, R_LEARNED } from '../../src/memory/layout.js'
import { recordWord } from '../../src/memory/view.js'

const BYTES = 2 ** 26
const RECORDS = 4
const open = (): SharedHeap => createHeap({ bytes: BYTES, records: RECORDS, prewarm: 'adaptive' })
const take = (heap: SharedHeap, count: number, bytes: number): Ptr[] => Array.from({ length: count }, () => heap.malloc(bytes))
const clean = (heap: SharedHeap): void => assert.deepEqual(heap.audit({ quiet: true }).problems, [])
const extensions = (heap: SharedHeap): number =>
  heap.stats().records.find(({ record }) => record === heap.record)!.counters.extensions

/** Blocks wanted ready, by class. */
function learned(heap: SharedHeap): Int32Array {
  const words = new Int32Array(heap.handle.buffer)
  const at = recordWord(geometryOf(0, BYTES, RECORDS, false), heap.record) + R_LEARNED
  return words.subarray(at, at + classBytes.length)
}
const of = (bytes: number): number => classBytes.indexOf(bytes)

test('what a thread needed anew is ready when it needs as much again, whatever it kept', () => {
  const heap = open()
  for (const [bytes, count] of [[128, 300], [1024, 40], [16_384, 12]] as const) take(heap, count, bytes)
  heap.idle()
  const before = extensions(heap)
  for (const [bytes, count] of [[128, 300], [1024, 40], [16_384, 12]] as const) take(heap, count, bytes)
  assert.equal(extensions(heap), before, 'nothing had to be carved')
  clean(heap)
})

test('without the option, idleness makes nothing ready', () => {
  const heap = createHeap({ bytes: BYTES, records: RECORDS })
  take(heap, 40, 1024)
  heap.idle()
  const before = extensions(heap)
  take(heap, 40, 1024)
  assert.ok(extensions(heap) > before)
})

test('a demand that does not come again is forgotten, but only by work, not by idling', () => {
  const heap = open()
  take(heap, 40, 1024)
  heap.idle()
  assert.equal(learned(heap)[of(1024)], 40)
  for (let k = 0; k < 100; k++) heap.idle()
  assert.equal(learned(heap)[of(1024)], 40)
  for (let round = 0; round < 40; round++) {
    take(heap, 40, 2048) // more than is ready: a refill
    heap.idle()
  }
  assert.equal(learned(heap)[of(1024)], 0)
  assert.ok(learned(heap)[of(2048)]! > 20)
  clean(heap)
})

test('a steady demand is met within an eighth', () => {
  const heap = open()
  take(heap, 32, 1024)
  heap.idle()
  const before = extensions(heap)
  for (let round = 0; round < 50; round++) {
    take(heap, 32, 1024)
    heap.idle()
  }
  const wanted = learned(heap)[of(1024)]!
  assert.ok(wanted >= 28 && wanted <= 36, `${wanted} blocks are kept ready`)
  assert.ok(extensions(heap) - before <= 50 * 32 / 4 + 100, 'carved once, four to a piece')
  clean(heap)
})

test('what is kept ready stays below 2 MB in all and a page of each class', () => {
  const heap = open()
  for (const bytes of classBytes) take(heap, 100, bytes)
  heap.idle()
  const total = learned(heap).reduce((sum, count, c) => sum + count * classBytes[c]!, 0)
  assert.ok(total > 1.5e6 && total <= 2e6, `${total} bytes`)
  const large = open()
  take(large, 10_000, 64)
  large.idle()
  assert.equal(learned(large)[of(64)], 1024)
  clean(large)
})

test('a thread that is new starts with what the others have learned', () => {
  const heap = open()
  take(heap, 40, 1024)
  heap.idle()
  const fresh = attachHeap(heap.handle)
  fresh.idle()
  const before = extensions(fresh)
  take(fresh, 40, 1024)
  assert.equal(extensions(fresh), before)
  clean(heap)
})

test('a record that is handed on keeps what it has learned', () => {
  const heap = open()
  const first = attachHeap(heap.handle)
  take(first, 40, 1024)
  first.idle()
  first.detach()
  assert.equal(learned(attachHeap(heap.handle))[of(1024)], 40)
})

test('a full heap is left as it is', () => {
  const heap = createHeap({ bytes: 2 ** 20, records: 2, prewarm: 'adaptive' })
  const blocks: Ptr[] = []
  for (let ptr = heap.tryMalloc(1024); ptr !== 0; ptr = heap.tryMalloc(1024)) blocks.push(ptr)
  const { outOfMemory } = heap.stats().records[0]!.counters
  heap.idle()
  assert.equal(heap.stats().records[0]!.counters.outOfMemory, outOfMemory)
  for (const ptr of blocks) heap.free(ptr)
  heap.idle()
  assert.equal(heap.audit({ quiet: true }).blocks.out, 0)
  clean(heap)
})
