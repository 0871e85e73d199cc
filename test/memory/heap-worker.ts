/**
 * The worker of the thread tests: exchanges blocks with other threads through shared slots for ever, or for `steps` steps. A block's
 * identity is written at both ends when it is made and checked by whoever frees it.
 */
import assert from 'node:assert/strict'
import { parentPort, workerData } from 'node:worker_threads'
import { createPrng } from '../../src/base/index.js'
import { attachHeap, type HeapHandle, type Ptr } from '../../src/memory/index.js'

export interface ExchangeJob {
  readonly handle: HeapHandle
  readonly slots: Int32Array
  readonly seed: number
  readonly thread: number
  /** 0: until terminated. */
  readonly steps: number
  readonly bytesMax: number
  /** Parks now and then, so that other threads that find the heap full borrow from this one. */
  readonly parks?: boolean
}

const { handle, slots, seed, thread, steps, bytesMax, parks } = workerData as ExchangeJob
const heap = attachHeap(handle)
const words = new Int32Array(handle.buffer)
const prng = createPrng(seed, thread)
parentPort?.postMessage({ record: heap.record })

let done = 0
for (const end = steps || Infinity; done < end; done += 1024) {
  for (let k = 0; k < 1024; k++) {
    const random = prng.next()
    if (parks === true && random % 1021 === 0) {
      heap.park()
      if (random % 7 === 0) Atomics.wait(slots, 0, slots[0]!, 1)
      heap.unpark()
    }
    const bytes = 16 + (((random >>> 8) & 0xffff) * (random % 61 === 0 ? bytesMax : 600)) / 65536
    const ptr = heap.tryMalloc(bytes)
    if (ptr !== 0) {
      const last = Math.floor(bytes / 4) - 1
      words[ptr + 1] = last
      words[ptr + last] = ptr ^ 0x5a5a5a5a
    }
    const old = Atomics.exchange(slots, random % slots.length, ptr) as Ptr
    if (old !== 0) {
      const last = words[old + 1]!
      const mark = words[old + last]
      if (last !== 1 && mark !== (old ^ 0x5a5a5a5a)) assert.fail(`block ${old} was overwritten: last word ${last} holds ${mark}`)
      heap.free(old)
    }
  }
}
heap.detach()
parentPort?.postMessage({ done })
