import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { ExecGroup, type ExecGroupOptions, PercoreError } from '../../src/index.js'
import { moduleWith, program } from './start.js'

const code = (expected: string) => (error: unknown): boolean => error instanceof PercoreError && error.code === expected

const module = await moduleWith(`
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  /** Synchronous: reports what it is given, and returns what report said. */
  export const say = (values, ctx) => values.map((value) => ctx.report(value))
  /** Reports also after having waited. */
  export async function later(values, ctx) {
    for (const value of values) { await sleep(1); ctx.report(value) }
    return values.length
  }
  export async function afterwards(value, ctx) { setTimeout(() => ctx.report(value), 5); return value }
  export function busy(ms, ctx) { ctx.report('started'); const end = performance.now() + ms; while (performance.now() < end); return 'done' }
  export function* steps(count, ctx) { for (let n = 0; n < count; n++) { ctx.report(n); yield } return count }
  export const uncloneable = (_, ctx) => ctx.report(() => {})
  export const nested = (_, ctx) => ctx.report({ get inner() { return ctx.report('inner') } })
  export const rest = (...args) => args[1].report(args[0])
  export function legacy() { return arguments[1].report(arguments[0]) }
  export function die(value, ctx) { ctx.report(value); process.exit(1) }
`)

interface Reporting {
  readonly [name: string]: (value: unknown) => unknown
}

function start(options: ExecGroupOptions = {}): Promise<ExecGroup<Reporting>> {
  return ExecGroup.start<Reporting>(module, { workers: 1, memoryBytes: 256 * 2 ** 20, ...options })
}

/** Runs a handler; gives what it reported, with its result at the end. */
async function heard(group: ExecGroup<Reporting>, name: string, value: unknown): Promise<unknown[]> {
  const all: unknown[] = []
  all.push(await group.run(name, value, { onReport: (progress) => all.push(progress) }))
  return all
}

test('reports of every kind of handler come in order and before the result', async () => {
  await using group = await start()
  assert.deepEqual(await heard(group, 'say', [1, 'two', { three: 3 }]), [1, 'two', { three: 3 }, [true, true, true]])
  assert.deepEqual(await heard(group, 'later', [1, 2, 3]), [1, 2, 3, 3])
  assert.deepEqual(await heard(group, 'steps', 4), [0, 1, 2, 3, 4])
  assert.deepEqual(await heard(group, 'rest', 5), [5, true])
  assert.deepEqual(await heard(group, 'legacy', 6), [6, true])
  assert.equal(group.audit().blocks.out, 0)
})

test('a report is heard while its task still runs', async () => {
  await using group = await start()
  let done = false
  await new Promise((resolve) => {
    void group.run('busy', 300, { onReport: resolve }).then(() => {
      done = true
    })
  })
  assert.equal(done, false)
})

test('tasks that run at the same time report to their own callers', async () => {
  await using group = await start()
  const all = await Promise.all(Array.from({ length: 20 }, (_, i) => heard(group, 'later', [i, i + 100])))
  assert.deepEqual(all, Array.from({ length: 20 }, (_, i) => [i, i + 100, 2]))
})

test('without a listener, after the task, or in the middle of a report, report says false', async () => {
  await using group = await start()
  assert.deepEqual(await group.run('say', [1]), [false])
  assert.deepEqual(await heard(group, 'nested', 0), [{ inner: false }, true])
  assert.deepEqual(await heard(group, 'afterwards', 1), [1])
  await heard(group, 'later', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  assert.equal(group.audit().blocks.out, 0)
})

test('a caller that does not keep up is sent 64 reports and no more; the task goes on', async () => {
  await using group = await start()
  const call = heard(group, 'say', Array.from({ length: 500 }, (_, i) => `${i}`.repeat(100)))
  await Promise.resolve() // the task is published
  const end = performance.now() + 100
  while (performance.now() < end); // and this thread does not look
  const all = await call
  const taken = (all.pop() as boolean[]).filter(Boolean).length
  assert.equal(taken, 64)
  assert.deepEqual(all, Array.from({ length: 64 }, (_, i) => `${i}`.repeat(100)))
  assert.equal(group.audit().blocks.out, 0)
})

test('what cannot be cloned is thrown by report', async () => {
  await using group = await start()
  await assert.rejects(group.run('uncloneable', 0, { onReport: () => undefined }), code('ERR_PERCORE_NOT_CLONEABLE'))
})

test('a listener that throws is an uncaught exception and harms no task', async () => {
  assert.equal(await program(`
    process.once('uncaughtException', (error) => console.log(error.message))
    const group = await ExecGroup.start(${JSON.stringify(module)}, { workers: 1 })
    console.log(await group.run('say', [1], { onReport: () => { throw new Error('listener') } }))
  `), 'listener\n[ true ]\n')
})

test('onReport must be a function, and streams take none', async () => {
  await using group = await start()
  await assert.rejects(group.run('say', [1], { onReport: 1 as unknown as () => void }), code('ERR_PERCORE_INVALID_OPTION'))
  assert.throws(() => group.stream('steps', 1, { onReport: () => undefined } as object), code('ERR_PERCORE_INVALID_OPTION'))
})

test('pushed tasks report, and one that cannot be cloned leaves no listener', async () => {
  await using group = await start()
  const told = new Promise((resolve) => group.push('say', ['pushed'], { onReport: resolve }))
  assert.equal(await told, 'pushed')
  assert.throws(() => group.push('say', () => {}, { onReport: () => undefined }), code('ERR_PERCORE_NOT_CLONEABLE'))
  await group.run('say', [])
  assert.deepEqual(await group.run('say', [1]), [false])
})

test('reports, deaths and tasks without listeners at random: each hears its own, in order', async () => {
  const seed = Number(process.env['PERCORE_SEED'] ?? Date.now() % 1_000_000)
  console.log(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  await using group = await start({ workers: 2, depth: 16 })
  let deaths = 0

  async function one(i: number): Promise<void> {
    const kind = prng.below(100)
    const values = Array.from({ length: prng.below(5) }, (_, n) => `${i}.${n}`.padEnd(prng.below(200), '-'))
    if (kind < 2) {
      deaths++
      const all: unknown[] = []
      await assert.rejects(group.run('die', i, { onReport: (progress) => all.push(progress) }), code('ERR_PERCORE_WORKER_DIED'))
      assert.deepEqual(all, [i], 'what was reported before the death is heard')
    } else if (kind < 50) assert.deepEqual((await heard(group, 'say', values)).slice(0, -1), values)
    else if (kind < 70) {
      const all: unknown[] = []
      await group.run('later', values, { onReport: (progress) => all.push(progress) }).catch((error: unknown) => assert.ok(code('ERR_PERCORE_WORKER_DIED')(error)))
      assert.deepEqual(all, values.slice(0, all.length))
    } else assert.equal((await group.run('say', values) as boolean[]).length, values.length)
  }

  async function caller(): Promise<void> {
    for (let i = 0; i < 100; i++) await one(i)
  }

  await Promise.all(Array.from({ length: 10 }, caller))
  const audit = group.audit()
  assert.deepEqual(audit.problems, [])
  assert.ok(audit.blocks.out <= 3 * deaths, `${audit.blocks.out} blocks leaked by ${deaths} deaths`)
})
