import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PercoreError } from '../../src/base/index.js'
import { MARK, MARK_FREE } from '../../src/memory/layout.js'
import { attachHeap, type CounterName, createHeap, defaultPlan, type Ptr, type SharedHeap } from '../../src/memory/index.js'

const MIB = 1 << 20
/** Of a class whose pages are all of one unit. */
const BLOCK = 112
const PER_PAGE = 585
const code = (code: string) => (error: unknown): boolean => error instanceof PercoreError && error.code === code
const clean = (heap: SharedHeap): void => assert.deepEqual(heap.audit({ quiet: true }).problems, [])
const counter = (heap: SharedHeap, name: CounterName): number =>
  heap.stats().records.reduce((sum, record) => sum + record.counters[name], 0)

test('blocks of every size are aligned, large enough, and do not overlap', () => {
  const heap = createHeap({ bytes: 256 * MIB })
  const blocks: { ptr: Ptr; bytes: number; mark: number }[] = []
  const sizes = [0, 1, 15, 16, 17, 100, 128, 129, 1000, 4096, 5000, 8192, 20_000, 53_248, 65_536, 65_537, 200_000, 3 * MIB]
  for (let round = 0; round < 5; round++) {
    for (const bytes of sizes) {
      const ptr = heap.malloc(bytes)
      const mark = blocks.length % 251
      assert.ok(ptr > 0 && ptr % 4 === 0 && heap.usableSize(ptr) >= bytes)
      heap.bytes(ptr, bytes).fill(mark)
      blocks.push({ ptr, bytes, mark })
    }
  }
  for (const { ptr, bytes, mark } of blocks) {
    assert.ok(heap.bytes(ptr, bytes).every((byte) => byte === mark))
    heap.free(ptr)
  }
  clean(heap)
  const { blocks: counts, largeBlocks } = heap.audit({ quiet: true })
  assert.deepEqual([counts.out, counts.remote, counts.batched, largeBlocks], [0, 0, 0, 0])
})

test('a block of hundreds of megabytes is taken, used and given back without touching the rest', () => {
  const heap = createHeap({ bytes: 2 ** 30 })
  const free = heap.stats().bytesFree
  const ptr = heap.malloc(600 * MIB)
  const bytes = heap.bytes(ptr, 600 * MIB)
  bytes[600 * MIB - 1] = 7
  assert.equal(heap.tryMalloc(600 * MIB), 0)
  heap.free(ptr)
  assert.equal(heap.stats().bytesFree, free)
  assert.equal(heap.malloc(600 * MIB), ptr)
  clean(heap)
})

test('a heap of 4 GiB can be filled to its end', () => {
  const heap = createHeap({ bytes: 2 ** 32 })
  const blocks: Ptr[] = []
  for (let ptr = heap.tryMalloc(512 * MIB); ptr !== 0; ptr = heap.tryMalloc(512 * MIB)) blocks.push(ptr)
  assert.equal(blocks.length, 7)
  const last = blocks.at(-1)!
  heap.bytes(last, 512 * MIB)[512 * MIB - 1] = 9
  const small = heap.malloc(24)
  heap.i32(small, 6).fill(-1)
  heap.free(small)
  for (const ptr of blocks) heap.free(ptr)
  clean(heap)
})

test('a heap lives in a part of a bigger buffer and leaves the rest alone', () => {
  const buffer = new SharedArrayBuffer(16 * MIB)
  const all = new Uint8Array(buffer)
  const at = 3 * MIB + 64
  const heap = createHeap({ buffer, byteOffset: at, byteLength: 8 * MIB + 4, records: 2 })
  all.subarray(0, at).fill(0xaa)
  all.subarray(at + 8 * MIB + 4).fill(0xbb)
  const blocks: Ptr[] = []
  for (let ptr = heap.tryMalloc(1000); ptr !== 0; ptr = heap.tryMalloc(1000)) {
    heap.bytes(ptr, 1000).fill(1)
    blocks.push(ptr)
  }
  assert.ok(blocks.length > 6000)
  assert.ok(all.subarray(0, at).every((byte) => byte === 0xaa) && all.subarray(at + 8 * MIB + 4).every((byte) => byte === 0xbb))
  const other = attachHeap(structuredClone(heap.handle))
  for (const ptr of blocks) other.free(ptr)
  other.flush()
  heap.idle()
  clean(heap)
  assert.equal(heap.audit({ quiet: true }).blocks.out, 0)
})

test('out of memory is a coded error, or 0 from tryMalloc, and the heap stays usable', () => {
  const heap = createHeap({ bytes: 4 * MIB, records: 1 })
  const blocks: Ptr[] = []
  assert.throws(() => { for (;;) blocks.push(heap.malloc(500)) }, code('ERR_PERCORE_OUT_OF_MEMORY'))
  assert.equal(heap.tryMalloc(500), 0)
  assert.throws(() => heap.malloc(1e12), code('ERR_PERCORE_OUT_OF_MEMORY'))
  clean(heap)
  heap.free(blocks.pop()!)
  assert.notEqual(heap.tryMalloc(500), 0)
  for (const ptr of blocks) heap.free(ptr)
  assert.notEqual(heap.malloc(2 * MIB), 0, 'kept empty pages go back before a request fails')
  clean(heap)
})

test('a middle-sized request is served from single units when no whole page is left', () => {
  const heap = createHeap({ bytes: 2 * MIB, records: 1 })
  const blocks: Ptr[] = []
  for (let ptr = heap.tryMalloc(20_000); ptr !== 0; ptr = heap.tryMalloc(20_000)) blocks.push(ptr)
  assert.ok(blocks.length >= 78, `${blocks.length} blocks`)
  for (const ptr of blocks) heap.free(ptr)
  clean(heap)
})

test('sizes that are none are refused', () => {
  const heap = createHeap({ bytes: 4 * MIB })
  for (const bytes of [-1, -(2 ** 31), Number.NaN, -Infinity]) {
    assert.throws(() => heap.malloc(bytes), code('ERR_PERCORE_INVALID_OPTION'), String(bytes))
  }
  assert.throws(() => heap.malloc(Infinity), code('ERR_PERCORE_OUT_OF_MEMORY'))
  assert.throws(() => heap.malloc(2 ** 32 + 8), code('ERR_PERCORE_OUT_OF_MEMORY'), 'sizes do not wrap')
})

test('options that cannot be are refused', () => {
  const small = { bytes: 4 * MIB }
  const sizes = [0, -1, 1000, 2 ** 60].map((bytes) => ({ bytes }))
  for (const options of [{}, ...sizes, { ...small, records: 0 }, { ...small, byteOffset: 8 }]) {
    assert.throws(() => createHeap(options), code('ERR_PERCORE_INVALID_OPTION'), JSON.stringify(options))
  }
  const buffer = new SharedArrayBuffer(4 * MIB)
  assert.throws(() => attachHeap({ buffer, byteOffset: 0 }), code('ERR_PERCORE_INVALID_OPTION'))
  createHeap({ buffer })
  assert.throws(() => createHeap({ buffer }), code('ERR_PERCORE_INVALID_OPTION'))
})

test('addresses that are no block are refused and change nothing', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  const ptr = heap.malloc(64)
  const big = heap.malloc(100_000)
  heap.free(0 as Ptr)
  for (const bad of [1, 4, ptr + 1, ptr + 4, ptr + 16 * 1000, big + 4, big + 16_384, 2 ** 30, -4, 2 ** 40]) {
    assert.throws(() => heap.free(bad as Ptr), code('ERR_PERCORE_BAD_POINTER'), String(bad))
    assert.throws(() => attached.free(bad as Ptr), code('ERR_PERCORE_BAD_POINTER'), `${bad} from another thread`)
  }
  heap.free(ptr)
  heap.free(big)
  clean(heap)
})
const attached = attachHeap(createHeap({ bytes: 4 * MIB }).handle)

test('a second free is refused at once and changes nothing, whoever does it and wherever the block is', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  const other = attachHeap(heap.handle)
  const [kept, freed, remote] = [heap.malloc(64), heap.malloc(64), heap.malloc(64)]
  heap.free(freed)
  for (const thread of [heap, other]) assert.throws(() => thread.free(freed), code('ERR_PERCORE_BAD_POINTER'))
  other.free(remote)
  other.flush()
  for (const thread of [heap, other]) assert.throws(() => thread.free(remote), code('ERR_PERCORE_BAD_POINTER'))
  clean(heap)
  assert.equal(heap.audit({ quiet: true }).blocks.out, 1)
  heap.free(kept)
  const big = heap.malloc(100_000)
  heap.free(big)
  assert.throws(() => heap.free(big), code('ERR_PERCORE_BAD_POINTER'))
  clean(heap)
})

test('a block whose user wrote the mark of a free block into it is freed all the same', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  const other = attachHeap(heap.handle)
  for (const thread of [heap, other]) {
    const ptr = heap.malloc(64)
    heap.i32(ptr, 2)[MARK] = MARK_FREE
    thread.free(ptr)
  }
  other.flush()
  heap.idle()
  clean(heap)
  assert.equal(heap.audit({ quiet: true }).blocks.out, 0)
})

test('when the marks are gone, more frees than allocations still betray themselves', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  const other = attachHeap(heap.handle)
  const ptr = heap.malloc(30_000)
  const words = heap.i32(ptr, 2)
  assert.throws(() => {
    for (let k = 0; k < 64; k++) {
      other.free(ptr)
      words[MARK] = 0
    }
    other.flush()
  }, code('ERR_PERCORE_BAD_POINTER'))
})

test('a large block may be freed by any thread, once', () => {
  const heap = createHeap({ bytes: 16 * MIB })
  const other = attachHeap(heap.handle)
  const ptr = heap.malloc(5 * MIB)
  other.free(ptr)
  assert.throws(() => heap.free(ptr), code('ERR_PERCORE_BAD_POINTER'))
  assert.equal(heap.stats().largeBlocks, 0)
  clean(heap)
})

test("a thread's first page of a class is short, further ones are long, and short again where there is no room for a long one", () => {
  const heap = createHeap({ bytes: 4 * MIB })
  const pagesFor = (blocks: number): number => {
    const before = counter(heap, 'newPages')
    for (let k = 0; k < blocks; k++) heap.malloc(1024)
    return counter(heap, 'newPages') - before
  }
  assert.deepEqual([pagesFor(64), pagesFor(512), pagesFor(1)], [1, 1, 1])
  const short = createHeap({ bytes: 4 * MIB, longPages: false })
  for (let k = 0; k < 640; k++) short.malloc(1024)
  assert.equal(counter(short, 'newPages'), 10)
  let blocks = 577
  while (heap.tryMalloc(1024) !== 0) blocks++
  assert.ok(heap.stats().bytesFree === 0, 'every unit is used')
  assert.equal(heap.audit({ quiet: true }).blocks.out, blocks)
  clean(heap)
})

test('remote frees of the active page are found without any notification', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  const other = attachHeap(heap.handle)
  const blocks = Array.from({ length: PER_PAGE }, () => heap.malloc(BLOCK))
  for (const ptr of blocks.slice(0, 10)) other.free(ptr)
  other.flush()
  const before = counter(heap, 'newPages')
  const again = Array.from({ length: 10 }, () => heap.malloc(BLOCK))
  assert.deepEqual(new Set(again), new Set(blocks.slice(0, 10)))
  assert.deepEqual([counter(heap, 'newPages') - before, counter(heap, 'activeDrains'), counter(heap, 'remoteEnqueues')], [0, 1, 0])
  clean(heap)
})

test('the first remote free to a full page tells its owner once, and no page is taken while it waits', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  const other = attachHeap(heap.handle)
  const blocks = Array.from({ length: 3 * PER_PAGE }, () => heap.malloc(BLOCK))
  for (const ptr of blocks.slice(0, 40)) other.free(ptr)
  other.flush()
  assert.equal(counter(heap, 'remoteEnqueues'), 1)
  clean(heap)
  const before = counter(heap, 'newPages')
  for (let k = 0; k < 40; k++) assert.ok(blocks.slice(0, 40).includes(heap.malloc(BLOCK)))
  assert.deepEqual([counter(heap, 'newPages') - before, counter(heap, 'pendingHits')], [0, 1])
  clean(heap)
})

test('a local free to a full page lists it again, though it stays armed', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  const other = attachHeap(heap.handle)
  const blocks = Array.from({ length: 2 * PER_PAGE }, () => heap.malloc(BLOCK))
  heap.malloc(BLOCK)
  heap.free(blocks[0]!)
  other.free(blocks[1]!)
  other.flush()
  clean(heap)
  for (const ptr of blocks.slice(2, PER_PAGE)) heap.free(ptr)
  clean(heap)
  heap.idle()
  clean(heap)
})

test('an idle owner takes in what came back and gives empty pages up', () => {
  const heap = createHeap({ bytes: 32 * MIB })
  const other = attachHeap(heap.handle)
  const blocks = Array.from({ length: 100 * PER_PAGE }, () => heap.malloc(BLOCK))
  const used = heap.stats().bytesFree
  for (const ptr of blocks) other.free(ptr)
  other.idle()
  heap.idle()
  clean(heap)
  assert.equal(heap.audit({ quiet: true }).blocks.out, 0)
  assert.ok(heap.stats().bytesFree - used > 80 * 65536)
})

test('a thread that only frees works', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  const other = attachHeap(heap.handle)
  for (let round = 0; round < 100; round++) {
    for (const ptr of Array.from({ length: 500 }, () => heap.malloc(300))) other.free(ptr)
  }
  other.flush()
  assert.equal(other.stats().records[1]!.pages, 0)
  clean(heap)
  assert.ok(counter(heap, 'newPages') <= 4, 'a hundred rounds live in the pages of the first')
})

test('a detached record passes whole to the next thread', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  const first = attachHeap(heap.handle)
  const kept = Array.from({ length: 100 }, () => first.malloc(200))
  first.detach()
  first.detach()
  assert.throws(() => first.malloc(1), code('ERR_PERCORE_CLOSED'))
  const second = attachHeap(heap.handle)
  assert.equal(second.record, first.record)
  for (const ptr of kept) second.free(ptr)
  assert.equal(second.stats().records[second.record]!.blocksUsed, 0)
  clean(heap)
})

test('pages of a pooled record are used before a new one is taken', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  const gone = attachHeap(heap.handle)
  const blocks = Array.from({ length: 4 * PER_PAGE }, () => gone.malloc(BLOCK))
  for (const ptr of blocks) heap.free(ptr)
  heap.flush()
  gone.detach()
  const before = counter(heap, 'newPages')
  for (let k = 0; k < 4 * PER_PAGE; k++) heap.malloc(BLOCK)
  assert.equal(counter(heap, 'newPages'), before)
  assert.ok(counter(heap, 'goneHits') >= 4)
  clean(heap)
})

test('a heap has as many threads as records, no more', () => {
  const heap = createHeap({ bytes: 4 * MIB, records: 2 })
  const other = attachHeap(heap.handle)
  assert.throws(() => attachHeap(heap.handle), code('ERR_PERCORE_OUT_OF_MEMORY'))
  other.detach()
  assert.equal(attachHeap(heap.handle).record, 1)
})

test('only the record of another thread can be reclaimed, and only while it is held', () => {
  const heap = createHeap({ bytes: 4 * MIB, records: 3 })
  const other = attachHeap(heap.handle)
  for (const record of [0, -1, 2, 3, 0.5]) assert.throws(() => heap.reclaim(record), code('ERR_PERCORE_INVALID_OPTION'), String(record))
  heap.reclaim(other.record)
  assert.throws(() => heap.reclaim(other.record), code('ERR_PERCORE_INVALID_OPTION'))
})

test('the audit finds a broken link, a wrong count and a stolen unit', () => {
  const damage = (harm: (heap: SharedHeap, words: Int32Array, ptr: Ptr) => void): number => {
    const heap = createHeap({ bytes: 8 * MIB })
    const ptr = heap.malloc(64)
    heap.free(heap.malloc(64))
    clean(heap)
    harm(heap, new Int32Array(heap.handle.buffer), ptr)
    return heap.audit({ quiet: true }).problems.length
  }
  assert.ok(damage((heap, words) => { words[heap.malloc(64)] = 1; }) === 0, 'writing into a block of your own is fine')
  assert.ok(damage((heap, words) => { const ptr = heap.malloc(64); heap.free(ptr); words[ptr] = ptr }) > 0, 'a link to itself')
  assert.ok(damage((heap, words) => { const ptr = heap.malloc(64); heap.free(ptr); words[ptr] = 12_345 }) > 0, 'a link out of the page')
})

test('calloc gives zeros even where something was', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  for (const bytes of [1, 100, 9000, 300_000]) {
    const ptr = heap.malloc(bytes)
    heap.bytes(ptr, bytes).fill(255)
    heap.free(ptr)
    const again = heap.calloc(bytes)
    assert.equal(again, ptr)
    assert.ok(heap.bytes(again, bytes).every((byte) => byte === 0))
  }
})

test('realloc keeps the content, stays where it is while it fits well, and leaves the block alone when there is no room', () => {
  const heap = createHeap({ bytes: 8 * MIB })
  let ptr = heap.realloc(0 as Ptr, 10)
  heap.bytes(ptr, 10).set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  for (const bytes of [16, 17, 100, 5000, 70_000, 500_000, 65_536, 4000, 40, 10]) {
    ptr = heap.realloc(ptr, bytes)
    assert.ok(heap.usableSize(ptr) >= bytes)
    assert.deepEqual([...heap.bytes(ptr, 10)], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], `at ${bytes}`)
  }
  const block = heap.malloc(100)
  assert.equal(heap.realloc(block, 90), block)
  assert.throws(() => heap.realloc(block, 1e10), code('ERR_PERCORE_OUT_OF_MEMORY'))
  heap.free(block)
  heap.free(ptr)
  clean(heap)
  assert.equal(heap.audit({ quiet: true }).blocks.out, 0)
})

test('memalign aligns to every power of two up to 64 KiB', () => {
  const heap = createHeap({ bytes: 256 * MIB })
  const blocks: Ptr[] = []
  for (let align = 1; align <= 65_536; align *= 2) {
    for (const bytes of [1, 24, 1000, 5000, 20_000, 100_000]) {
      const ptr = heap.memalign(align, bytes)
      assert.ok((ptr * 4) % align === 0 && heap.usableSize(ptr) >= bytes, `${align}, ${bytes}`)
      blocks.push(ptr)
    }
  }
  for (const ptr of blocks) heap.free(ptr)
  for (const align of [0, 3, -8, 131_072, Number.NaN]) {
    assert.throws(() => heap.memalign(align, 8), code('ERR_PERCORE_INVALID_OPTION'), String(align))
  }
  clean(heap)
})

test('prewarming makes blocks ready, within 2 MB by default, and leaves none behind', () => {
  const heap = createHeap({ bytes: 32 * MIB })
  const ready = heap.prewarm()
  assert.ok(ready > MIB && ready < 2e6)
  clean(heap)
  assert.equal(heap.audit({ quiet: true }).blocks.out, 0)
  const before = heap.stats().records[0]!.counters.extensions
  for (const { bytes, count } of defaultPlan) for (let k = 0; k < count; k++) heap.malloc(bytes)
  assert.equal(heap.stats().records[0]!.counters.extensions, before, 'nothing had to be carved')
  assert.equal(createHeap({ bytes: MIB, records: 1 }).prewarm([{ bytes: 1000, count: 1e6 }]) < MIB, true, 'a full heap ends it')
})

test('a learned plan is what the busiest thread uses', () => {
  const heap = createHeap({ bytes: 32 * MIB })
  for (let k = 0; k < 500; k++) heap.malloc(128)
  for (let k = 0; k < 10; k++) heap.malloc(16_384)
  const other = attachHeap(heap.handle)
  assert.equal(other.prewarm('learned'), 500 * 128 + 10 * 16_384)
  clean(heap)
})

test('pretouch reserves and touches free memory only', () => {
  const heap = createHeap({ bytes: 32 * MIB })
  const ptr = heap.malloc(1000)
  heap.bytes(ptr, 1000).fill(5)
  assert.equal(heap.pretouch(3 * MIB), 3 * MIB)
  assert.ok(heap.bytes(ptr, 1000).every((byte) => byte === 5))
  assert.ok(heap.pretouch(1e9) < 32 * MIB)
  clean(heap)
})

interface Wasm { readonly Memory: new (options: object) => { readonly buffer: SharedArrayBuffer } }
const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: Wasm }
const otherBuffers: Readonly<Record<string, () => SharedArrayBuffer>> = {
  'a growable buffer': () => new SharedArrayBuffer(16 * MIB, { maxByteLength: 16 * MIB }),
  'a WebAssembly.Memory': () => new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true }).buffer,
}
for (const [kind, make] of Object.entries(otherBuffers)) test(`a heap can lie in ${kind}`, () => {
  const heap = createHeap({ buffer: make() })
  const other = attachHeap(heap.handle)
  const blocks = [16, 1000, 50_000, 2_000_000].map((bytes) => heap.malloc(bytes))
  heap.i32(blocks[3]!, 1)[0] = 7
  assert.equal(other.i32(blocks[3]!, 1)[0], 7)
  for (const ptr of blocks) other.free(ptr)
  other.flush()
  heap.idle()
  const { problems, blocks: counted, largeBlocks } = heap.audit({ quiet: true })
  assert.deepEqual([problems, counted.out, largeBlocks], [[], 0, 0])
})
