import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shared } from '../../src/base/index.js'
import { attachHeap, createHeap, type Ptr, type SharedHeap } from '../../src/memory/index.js'

const MIB = 1 << 20
const debugHeap = (): SharedHeap => createHeap({ bytes: 16 * MIB, debug: true })
const says = (pattern: RegExp) => (error: Error & { code?: string }): boolean =>
  error.code === 'ERR_PERCORE_BAD_POINTER' && pattern.test(error.message)

test('a write past the end of a block is found when it is freed, with the place of its allocation', () => {
  const heap = debugHeap()
  for (const bytes of [0, 1, 24, 1000, 30_000, 100_000]) {
    const ptr = heap.malloc(bytes)
    heap.bytes(ptr, bytes + 1)[bytes] = 0
    const found = new RegExp(`block ${ptr} of ${bytes} bytes was written beyond its end, at byte ${bytes}[^]*debug\\.test`)
    assert.throws(() => heap.free(ptr), says(found))
  }
})

test('a write before a block is found', () => {
  const heap = debugHeap()
  const ptr = heap.malloc(24)
  new Int32Array(heap.handle.buffer)[ptr - 1] = 0
  assert.throws(() => heap.free(ptr), says(/before block/))
})

test('a second free is found on any thread, with the place of the first', () => {
  const heap = debugHeap()
  const other = attachHeap(heap.handle)
  const ptr = heap.malloc(24)
  heap.free(ptr)
  assert.throws(() => heap.free(ptr), says(/it is free already[^]*freed at/))
  assert.throws(() => other.free(ptr), says(/it is free already[^]*freed by another thread/))
})

test('of two threads that free a block at the same moment, one is told', () => {
  const heap = debugHeap()
  const other = attachHeap(heap.handle)
  const [block, aligned] = [heap.malloc(24), heap.memalign(256, 24)]
  for (const ptr of [block, aligned]) {
    const { compareExchange } = shared
    shared.compareExchange = (...step) => {
      shared.compareExchange = compareExchange
      other.free(ptr) // between this thread's look at the block and its freeing it
      return compareExchange(...step)
    }
    try {
      assert.throws(() => heap.free(ptr), (error: Error & { code?: string }) => error.code === 'ERR_PERCORE_BAD_POINTER')
    } finally {
      shared.compareExchange = compareExchange
    }
  }
  other.flush()
  heap.idle()
  const { problems, blocks } = heap.audit({ quiet: true })
  assert.deepEqual([problems, blocks.out], [[], 0])
})

test('the states of blocks take a 64th of the heap', () => {
  const bytes = 256 * MIB
  const [plain, debug] = [false, true].map((debug) => createHeap({ bytes, debug }).stats().bytesTotal)
  assert.ok(plain! - debug! <= bytes / 64 + 65_536, `${plain! - debug!} bytes`)
})

test('a write to a freed block is found when it is handed out again', () => {
  const heap = debugHeap()
  const ptr = heap.malloc(24)
  heap.free(ptr)
  heap.bytes(ptr, 24)[3] = 7
  assert.throws(() => heap.malloc(24), says(/written at byte 3 after it was freed/))
  const large = heap.malloc(200_000)
  heap.free(large)
  heap.bytes(large, 200_000)[5] = 7
  assert.throws(() => heap.malloc(200_000), says(/written at byte 5 after it was freed/))
})

test('an address malloc never returned is refused', () => {
  const heap = debugHeap()
  const ptr = heap.malloc(200)
  heap.free(0 as Ptr)
  for (const bad of [ptr + 1, ptr + 4, ptr - 4, 4, 2 ** 30])
    assert.throws(() => heap.free(bad as Ptr), says(/malloc never returned it/), String(bad))
})

test('correct programs run as without it, across threads, sizes and page reuse', () => {
  const heap = debugHeap()
  const other = attachHeap(heap.handle)
  const sizes = [0, 16, 100, 500, 5000, 20_000, 90_000]
  for (let round = 0; round < 200; round++) {
    const blocks = sizes.map((bytes) => heap.malloc(bytes + round))
    for (const [k, ptr] of blocks.entries()) heap.bytes(ptr, sizes[k]!).fill(round)
    const aligned = heap.memalign(256, 100 + round)
    const grown = heap.realloc(heap.calloc(50), 500)
    assert.deepEqual([heap.usableSize(grown), (aligned * 4) % 256], [500, 0])
    for (const [k, ptr] of [...blocks, aligned, grown].entries()) (k % 2 === 0 ? heap : other).free(ptr)
    if (round % 20 === 0) for (const thread of [other, heap]) thread.trim()
  }
  heap.prewarm()
  for (const thread of [other, heap]) thread.idle()
  const report = heap.audit({ quiet: true })
  assert.deepEqual([report.problems, report.blocks.out, report.largeBlocks], [[], 0, 0])
})
