/** Two threads, two codecs, one memory: what one encodes the other decodes, and every block comes home. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { createPrng, wordsOf } from '../../src/base/index.js'
import { createCodec, isError } from '../../src/codec/index.js'
import { createHeap } from '../../src/memory/index.js'
import { startGroup } from '../group/start.js'
import type { Job } from './codec-worker.js'
import { seed } from './seed.js'

const batch = 64
const rounds = 100

test('values that cross to another thread and back are the same, and leave no block behind', async () => {
  const words = wordsOf(new SharedArrayBuffer(64 << 20))
  const heap = createHeap({ buffer: words.buffer, byteOffset: batch * 64 })
  const codec = createCodec(words, heap)
  const worker = new Worker(new URL('codec-worker.js', import.meta.url), { workerData: { handle: heap.handle } })
  const prng = createPrng(seed)
  for (let round = 0; round < rounds; round++) {
    const values = Array.from({ length: batch }, () => someValue(prng.below))
    const jobs = values.map((value, i): Job => {
      const at = i * 16 + 3
      return { at, tag: value instanceof Error ? codec.encodeError(value, at) : codec.encode(value, at) }
    })
    worker.postMessage(jobs)
    const [answers] = await once(worker, 'message') as [Job[]]
    answers.forEach(({ at, tag }, i) => {
      assert.equal(isError(tag), values[i] instanceof Error)
      assert.deepStrictEqual(codec.decode(tag, at), values[i])
    })
    heap.idle()
  }
  worker.postMessage('end')
  await once(worker, 'exit')
  heap.idle()
  const report = heap.audit({ quiet: true })
  assert.deepEqual(report.problems, [])
})

function someValue(below: (n: number) => number): unknown {
  const n = below(1 << 16)
  switch (below(9)) {
    case 0: return n - 4000
    case 1: return n / 7
    case 2: return 'text '.repeat(below(40))
    case 3: return `\u4e00 ${n}`.repeat(below(20))
    case 4: return new Uint8Array(below(3000)).fill(n)
    case 5: return { id: n, name: `row ${n}`, tags: ['a', 'b', `c${n}`], score: n / 3 }
    case 6: return Array.from({ length: below(10) }, (_, i) => ({ [`key${below(30)}`]: i, at: null, deep: [[i]] }))
    case 7: return new Map<unknown, unknown>([[n, new Set([1n, new Date(n)])], ['x', /y/g]])
    default: return new RangeError(`row ${n}`, { cause: 'x'.repeat(below(100)) })
  }
}

test('rows of many shapes stay themselves while the workers that carry them die and are replaced', async () => {
  await using group = await startGroup({ workers: 2, depth: 64 })
  let deaths = 0
  for (let round = 0; round < 3; round++) {
    const rows = Array.from({ length: 300 }, (_, i) => ({ [`kind${i % 7}`]: i, name: `row ${i}`, tags: ['a', { of: round }] }))
    const echoes = rows.map((row) => group.run('echo', row))
    const killing = group.run('exit', 1).then(() => undefined, () => { deaths++ })
    const behind = rows.map((row) => group.run('echo', [row]))
    assert.deepEqual(await Promise.all(echoes), rows)
    assert.deepEqual(await Promise.all(behind), rows.map((row) => [row]))
    await killing
  }
  assert.equal(deaths, 3)
  assert.deepEqual(group.audit().problems, [])
})

test('a value that cannot be rebuilt fails its own call, on either side, and no thread', async () => {
  await using group = await startGroup({ workers: 1 })
  const looped = new Error('round')
  looped.cause = looped
  const refused = { code: 'ERR_PERCORE_NOT_CLONEABLE', message: /cannot be rebuilt/ }
  await assert.rejects(group.run('echo', [looped]), refused)
  const nested = Array.from({ length: 2500 }).reduce<unknown>((inner) => ({ inner }), 0) // written here, and too deep for the stack of whoever reads
  await assert.rejects(group.run('echo', nested), { code: 'ERR_PERCORE_NOT_CLONEABLE', message: /nested (too deeply|a thousand levels deep)/ })
  const returnsLoop = (): unknown => {
    const error = new Error('round')
    error.cause = error
    return [error]
  }
  await assert.rejects(group.runFunction(returnsLoop), refused)
  assert.equal(await group.run('double', 21), 42)
  assert.equal(group.stats().workers[0].restarts, 0)
})
