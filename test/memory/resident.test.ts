import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { createHeap } from '../../src/memory/index.js'

const MIB = 1 << 20
const resident = (): number => process.memoryUsage.rss()

test('a heap of 4 GiB uses memory only where it is touched', () => {
  const before = resident()
  const heap = createHeap({ bytes: 2 ** 32 })
  for (let bytes = 16; bytes <= 65_536; bytes *= 2) heap.malloc(bytes)
  const big = heap.malloc(1000 * MIB)
  heap.free(big)
  assert.ok(resident() - before < 24 * MIB, `${((resident() - before) / MIB).toFixed(1)} MiB`)
})

test('resident memory stays within a quarter of what is in use', () => {
  const heap = createHeap({ bytes: 2 ** 30 })
  const all = new Uint8Array(heap.handle.buffer)
  const prng = createPrng(42)
  heap.malloc(16)
  const before = resident()
  let live = 0
  while (live < 100 * MIB) {
    const bytes = 16 + prng.below(1009)
    const ptr = heap.malloc(bytes)
    all.fill(1, ptr * 4, ptr * 4 + bytes)
    live += bytes
  }
  const grown = resident() - before
  assert.ok(grown < live * 1.25, `${(grown / MIB).toFixed(1)} MiB for ${(live / MIB).toFixed(1)}`)
})
