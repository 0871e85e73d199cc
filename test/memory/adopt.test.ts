import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shared } from '../../src/base/index.js'
import { attachHeap, type CounterName, createHeap, type HeapOptions, type Ptr, type SharedHeap } from '../../src/memory/index.js'

const MIB = 1 << 20
/** Of a class whose pages are all of one unit. */
const BLOCK = 112
const PER_PAGE = 585

const clean = (heap: SharedHeap): void => assert.deepEqual(heap.audit({ quiet: true }).problems, [])
const fill = (heap: SharedHeap, pages: number): Ptr[] => Array.from({ length: pages * PER_PAGE }, () => heap.malloc(BLOCK))
const counters = (heap: SharedHeap): Readonly<Record<CounterName, number>> =>
  heap.stats().records.find(({ record }) => record === heap.record)!.counters

/** An owner with `pages` full pages of which `each` blocks were given back by the adopter, and one it goes on with. */
interface Scene { readonly owner: SharedHeap; readonly adopter: SharedHeap; readonly blocks: Ptr[] }
function scene(adoption: HeapOptions['adoption'] & string, pages: number, each: number, debug = false): Scene {
  const owner = createHeap({ bytes: 64 * MIB, adoption, debug })
  const adopter = attachHeap(owner.handle)
  const blocks = fill(owner, pages)
  owner.malloc(BLOCK)
  for (let page = 0; page < pages; page++) for (const ptr of blocks.slice(page * PER_PAGE, page * PER_PAGE + each)) adopter.free(ptr)
  adopter.flush()
  clean(owner)
  return { owner, adopter, blocks }
}

test('without adoption no page leaves a living owner', () => {
  const { owner, adopter } = scene('off', 6, 60)
  fill(adopter, 20)
  assert.equal(counters(adopter).adopted, 0)
  clean(owner)
})

test('eager adoption takes one page per refill, and the owner gets the rest', () => {
  const { owner, adopter, blocks } = scene('eager', 6, PER_PAGE)
  const taken = adopter.malloc(BLOCK)
  assert.deepEqual([counters(adopter).adopted, counters(adopter).newPages, blocks.includes(taken)], [1, 0, true])
  clean(owner)
  const before = counters(owner).newPages
  fill(owner, 4)
  assert.equal(counters(owner).newPages, before)
  clean(owner)
})

test('an adopted page is its new owner’s: frees by the old one are remote', () => {
  const { owner, adopter } = scene('eager', 1, 10)
  const again = Array.from({ length: 10 }, () => adopter.malloc(BLOCK))
  const before = counters(owner).remoteBlocks
  for (const ptr of again) owner.free(ptr)
  owner.flush()
  assert.equal(counters(owner).remoteBlocks - before, 10)
  assert.deepEqual(new Set(Array.from({ length: 10 }, () => adopter.malloc(BLOCK))), new Set(again))
  clean(owner)
})

test('an owner that is idle keeps its pages through the time of first refusal, and then loses some', () => {
  const { owner, adopter } = scene('gated', 6, 20)
  for (let k = 0; k < 40 && counters(adopter).adopted === 0; k++) fill(adopter, 1)
  const seen = counters(adopter)
  assert.ok(seen.blockedByActivity >= 3 && seen.blockedByFirstRefusal >= 1 && seen.adopted >= 1, JSON.stringify(seen))
  clean(owner)
})

test('a page its owner has passed over is adopted without waiting for the refusal', () => {
  const { owner, adopter } = scene('gated', 6, 20)
  owner.malloc(5000)
  for (let k = 0; k < 40 && counters(adopter).adopted === 0; k++) fill(adopter, 1)
  assert.ok(counters(adopter).adopted >= 1)
  assert.equal(counters(adopter).blockedByFirstRefusal, 0)
  clean(owner)
})

test('an owner that keeps allocating keeps its pages', () => {
  const { owner, adopter } = scene('gated', 6, 20)
  for (let k = 0; k < 40; k++) {
    fill(adopter, 1)
    owner.malloc(5000)
  }
  assert.equal(counters(adopter).adopted, 0)
  assert.ok(counters(adopter).blockedByActivity >= 30)
  clean(owner)
})

test('an owner with partial pages of the class keeps its pages', () => {
  const { owner, adopter, blocks } = scene('gated', 1, 20)
  const more = fill(owner, 7)
  adopter.free(blocks[30]!) // the first page is announced anew …
  adopter.flush()
  owner.idle() // … and becomes a partial one
  for (let page = 0; page < 6; page++) for (const ptr of more.slice(page * PER_PAGE, page * PER_PAGE + 20)) adopter.free(ptr)
  adopter.flush()
  for (let k = 0; k < 30; k++) fill(adopter, 1)
  const seen = counters(adopter)
  assert.ok(seen.adopted === 0 && seen.blockedByPartial > 0, JSON.stringify(seen))
  clean(owner)
})

test('few announced pages, or pages with few blocks, stay with their owner', () => {
  const few = scene('gated', 3, 20)
  for (let k = 0; k < 30; k++) fill(few.adopter, 1)
  assert.ok(counters(few.adopter).blockedByFew > 0 && counters(few.adopter).adopted === 0)
  const light = scene('gated', 6, 3)
  for (let k = 0; k < 30; k++) fill(light.adopter, 1)
  assert.ok(counters(light.adopter).blockedByWaiting > 0 && counters(light.adopter).adopted === 0)
})

test('without the must-reuse gate a thread takes new pages while its own wait, and those only when there are no more', () => {
  const { owner, blocks } = scene('ungated', 6, PER_PAGE)
  const before = counters(owner).newPages
  fill(owner, 4)
  assert.ok(counters(owner).newPages >= before + 3)
  const rest = new Set<Ptr>()
  for (let ptr = owner.tryMalloc(BLOCK); ptr !== 0; ptr = owner.tryMalloc(BLOCK)) rest.add(ptr)
  assert.ok(blocks.every((ptr) => rest.has(ptr)), 'every block that came back was handed out again in the end')
  clean(owner)
})

test('an owner whose announced pages were all taken finds nothing, and the heap’s header is untouched', () => {
  const { owner, adopter } = scene('eager', 1, 10, true)
  const header = owner.handle.buffer.slice(0, 256)
  const words = new Int32Array(owner.handle.buffer)
  const original = shared.compareExchange
  // the adopter comes exactly between the owner's look at its queue and its taking it
  shared.compareExchange = (view, index, expected, value) => {
    shared.compareExchange = original
    adopter.malloc(BLOCK)
    return original(view, index, expected, value)
  }
  try {
    owner.idle()
  } finally {
    shared.compareExchange = original
  }
  assert.equal(counters(adopter).adopted, 1)
  assert.deepEqual(words.slice(0, 64), new Int32Array(header))
  clean(owner)
})
