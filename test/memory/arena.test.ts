import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attachHeap, createHeap, type Ptr, type SharedHeap } from '../../src/memory/index.js'

const MIB = 1 << 20
const clean = (heap: SharedHeap): void => assert.deepEqual(heap.audit({ quiet: true }).problems, [])
const reserved = (heap: SharedHeap): number => heap.stats().records.find(({ record }) => record === heap.record)!.bytesReserved
const fill = (heap: SharedHeap, bytes: number): Ptr[] => Array.from({ length: bytes / 4096 }, () => heap.malloc(4096))

test('a share grows by chunks of 1, 2, 4 and then 8 MiB', () => {
  const heap = createHeap({ bytes: 128 * MIB })
  const sizes = new Set<number>()
  for (let quarter = 0; quarter < 120; quarter++) {
    fill(heap, MIB / 4)
    sizes.add(reserved(heap) / MIB)
  }
  assert.deepEqual([...sizes], [1, 3, 7, 15, 23, 31])
  clean(heap)
})

test('chunk sizes are options', () => {
  const heap = createHeap({ bytes: 128 * MIB, chunks: { firstBytes: 2 * MIB, maxBytes: 4 * MIB, levels: 5 } })
  const sizes = new Set<number>()
  for (let mib = 0; mib < 12; mib++) {
    fill(heap, MIB)
    sizes.add(reserved(heap) / MIB)
  }
  assert.deepEqual([...sizes], [2, 6, 10, 14])
  assert.throws(() => createHeap({ bytes: 8 * MIB, chunks: { firstBytes: 1000 } }), { code: 'ERR_PERCORE_INVALID_OPTION' })
})

test('what becomes vacant goes back to the common reserve, and an idle thread keeps nothing that is vacant', () => {
  const heap = createHeap({ bytes: 128 * MIB })
  const total = heap.stats().bytesFree
  for (const ptr of fill(heap, 40 * MIB)) heap.free(ptr)
  assert.ok(reserved(heap) <= 12 * MIB, `${reserved(heap) / MIB} MiB`)
  clean(heap)
  heap.free(heap.malloc(120 * MIB))
  heap.trim()
  assert.deepEqual([reserved(heap), heap.stats().bytesFree], [0, total])
  clean(heap)
})

test('threads do not take units from one another while there are others', () => {
  const heap = createHeap({ bytes: 64 * MIB })
  const other = attachHeap(heap.handle)
  const mine: Ptr[] = []
  const theirs: Ptr[] = []
  for (let k = 0; k < 2000; k++) {
    mine.push(heap.malloc(4096))
    theirs.push(other.malloc(4096))
  }
  const granules = (blocks: Ptr[]): Set<number> => new Set(blocks.map((ptr) => ptr >>> 18))
  assert.ok([...granules(mine)].every((granule) => !granules(theirs).has(granule)))
  clean(heap)
})

test('the last free unit is used, whoever reserved its neighbours', () => {
  const heap = createHeap({ bytes: 20 * MIB })
  const other = attachHeap(heap.handle)
  fill(heap, 4096)
  const taken: Ptr[] = []
  for (let ptr = other.tryMalloc(4096); ptr !== 0; ptr = other.tryMalloc(4096)) taken.push(ptr)
  assert.equal(other.stats().bytesFree, 0)
  assert.equal(other.tryMalloc(65_536), 0)
  for (const ptr of taken) other.free(ptr)
  other.trim()
  clean(heap)
})

test('a large block may be as large as all that is free', () => {
  const heap = createHeap({ bytes: 64 * MIB })
  const bytes = heap.stats().bytesFree
  heap.free(heap.malloc(bytes))
  assert.equal(heap.tryMalloc(bytes + 1), 0)
  assert.notEqual(heap.tryMalloc(bytes), 0)
  clean(heap)
})
