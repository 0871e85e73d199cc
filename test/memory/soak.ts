/**
 * The long form of the thread tests, as a command of its own: threads exchange marked blocks for as long as asked, and with --kills some
 * are ended at random moments and replaced. With --scarce the threads want more memory than there is, and park now and then, so that
 * they borrow from each other. Exits 1 when a block was corrupted, lost beyond the deaths, or the audit complains.
 *
 * ```
 * node dist/test/memory/soak.js [--operations 1e9] [--threads 4] [--kills 0] [--scarce] [--seed N]
 * ```
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { createPrng } from '../../src/base/index.js'
import { createHeap, type Ptr } from '../../src/memory/index.js'
import type { ExchangeJob } from './heap-worker.js'

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '1e9' },
    threads: { type: 'string', default: '4' },
    kills: { type: 'string', default: '0' },
    scarce: { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now() % 1e9) },
  },
})
const operations = Number(values.operations)
const threads = Number(values.threads)
const kills = Number(values.kills)
const seed = Number(values.seed)
const { scarce } = values
console.log(`--seed ${seed}`)

const heap = createHeap({ bytes: scarce ? 24 * 2 ** 20 : 2 ** 31 })
const slots = new Int32Array(new SharedArrayBuffer(1 << 16))
const prng = createPrng(seed, 1000)
let started = 0
let lost = 0

interface Running { readonly worker: Worker; readonly record: number; readonly ended: Promise<unknown[]> }
async function start(steps: number): Promise<Running> {
  const job: ExchangeJob = { handle: heap.handle, slots, seed, thread: ++started, steps, bytesMax: 300_000, parks: scarce }
  const worker = new Worker(new URL('./heap-worker.js', import.meta.url), { workerData: job })
  const ended = once(worker, 'exit')
  const [{ record }] = (await once(worker, 'message')) as [{ record: number }]
  return { worker, record, ended }
}

const begin = performance.now()
for (let round = 0; round < kills; round++) {
  const running = await Promise.all(Array.from({ length: threads }, () => start(0)))
  await new Promise((resolve) => setTimeout(resolve, 5 + prng.below(100)))
  for (const { worker, record } of running) {
    await worker.terminate()
    heap.reclaim(record)
  }
  check(2 * threads * (round + 1))
}
if (operations > 0) {
  const running = await Promise.all(Array.from({ length: threads }, () => start(Math.ceil(operations / 2 / threads))))
  for (const { ended } of running) assert.deepEqual(await ended, [0])
}
const kept = lost
check(kept)
for (const [at, ptr] of slots.entries()) {
  heap.free(ptr as Ptr)
  slots[at] = 0
}
heap.flush()
check(kept)
const seconds = ((performance.now() - begin) / 1000).toFixed(1)
console.log(`${operations} operations, ${kills * threads} deaths, ${lost} blocks lost, ${seconds} s: the heap adds up`)

/** Everything must add up while nobody is in the heap; `lost` may have grown to `allowed`. */
function check(allowed: number): void {
  heap.idle()
  const report = heap.audit({ quiet: true })
  assert.deepEqual(report.problems, [])
  lost = report.blocks.out + report.largeBlocks - slots.filter((ptr) => ptr !== 0).length
  assert.ok(lost >= 0 && lost <= allowed, `${lost} blocks lost, ${allowed} allowed`)
}
