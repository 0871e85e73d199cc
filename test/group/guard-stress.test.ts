import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { ExecGroup, PercoreError } from '../../src/index.js'
import { moduleWith } from './start.js'

const module = await moduleWith(`
  export const echo = (value) => value
  export const spin = (ms) => { const end = performance.now() + ms; while (performance.now() < end); return ms }
  /** Ends when it is called off, and not before. */
  export const wait = (value, ctx) => new Promise((resolve) => {
    if (ctx.signal.aborted) resolve(value)
    else ctx.signal.addEventListener('abort', () => resolve(value))
  })
  export const loop = (value, ctx) => { while (!ctx.signal.aborted); return value }
  export const exit = () => process.exit(1)
`)

test('calls that are called off at any moment, through deaths: each is told once, and nothing stays behind', async () => {
  const seed = Number(process.env['PERCORE_SEED'] ?? Date.now() % 1_000_000)
  console.log(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  const group = await ExecGroup.start<Record<string, (value: unknown) => unknown>>(module, { workers: 2, depth: 4, memoryBytes: 256 * 2 ** 20 })
  let told = 0
  const ends: Record<string, number> = {}

  async function one(n: number): Promise<void> {
    const kind = prng.below(1000)
    const name = kind < 8 ? 'exit' : kind < 300 ? 'wait' : kind < 340 ? 'loop' : kind < 500 ? 'spin' : 'echo'
    const controller = new AbortController()
    const options = { ...(prng.below(3) === 0 ? { priority: 'high' as const } : {}), ...(prng.below(2) === 0 ? { timeoutMs: 1 + prng.below(20) } : {}), signal: controller.signal }
    const call = group.run(name, name === 'spin' ? prng.below(2) : n, options)
    const delay = prng.below(4)
    if (delay === 0) controller.abort()
    else if (delay === 1) queueMicrotask(() => controller.abort())
    else if (delay === 2 || name === 'wait' || name === 'loop') setTimeout(() => controller.abort(), prng.below(8))
    const end = await call.then(() => 'done', (error: unknown) => (error instanceof PercoreError ? error.code : (error as Error).name))
    ends[end] = (ends[end] ?? 0) + 1
    told++
  }

  async function caller(): Promise<void> {
    for (let n = 0; n < 60; n++) await one(n)
  }

  await Promise.all(Array.from({ length: 16 }, caller))
  assert.equal(told, 16 * 60, JSON.stringify(ends))
  assert.deepEqual(Object.keys(ends).filter((end) => !['done', 'AbortError', 'ERR_PERCORE_ABORTED', 'ERR_PERCORE_TIMEOUT', 'ERR_PERCORE_WORKER_DIED'].includes(end)), [])
  for (let n = 0; n < 100; n++) assert.equal(await group.run('echo', n), n)
  await group.drain()
  assert.deepEqual([group.stats().inFlight, group.stats().queued, group.audit().problems], [0, 0, []])
  await group.close()
})
