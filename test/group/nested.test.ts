import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { ExecGroup, type ExecGroupOptions, PercoreError, type SharedBlock } from '../../src/index.js'
import { moduleWith } from './start.js'

const code = (expected: string) => (error: unknown): boolean => error instanceof PercoreError && error.code === expected

const module = await moduleWith(`
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  export const echo = (value) => value
  export const where = (_, ctx) => ctx.worker
  /** Calls echo and gives its answer. */
  export const ask = (value, ctx) => ctx.group.run('echo', value)
  export const call = ({ name, value }, ctx) => ctx.group.run(name, value)
  export const callMain = ({ name, value }, ctx) => ctx.group.main(name, value)
  /** Goes as deep as it is told: every level waits for the next. */
  export const deep = async (levels, ctx) => (levels === 0 ? 0 : 1 + await ctx.group.run('deep', levels - 1))
  /** 2^depth leaves. */
  export async function tree(depth, ctx) {
    if (depth === 0) return 1
    const [a, b] = await Promise.all([ctx.group.run('tree', depth - 1), ctx.group.run('tree', depth - 1)])
    return a + b
  }
  export const many = async (count, ctx) => (await Promise.all(Array.from({ length: count }, (_, i) => ctx.group.run('echo', i)))).length
  export const workers = async (count, ctx) => new Set(await Promise.all(Array.from({ length: count }, () => ctx.group.run('where')))).size
  export const fail = (message) => { throw Object.assign(new RangeError(message), { code: 'E_MINE' }) }
  export const forget = (value, ctx) => { void ctx.group.main('note', value); return 'left' }
  export const getter = (_, ctx) => { let inner; return ctx.group.run('echo', { get trap() { inner ??= ctx.group.run('echo', 'inner'); return 'sprung' } }).then(async (value) => [value, await inner]) }
  export async function block(size, ctx) {
    const block = ctx.alloc(size)
    block.bytes.fill(7)
    const back = await ctx.group.run('reverse', block)
    return back
  }
  export const reverse = (block) => { block.bytes[0] = 8; return block }
  export const later = async ({ ms, value }, ctx) => { await sleep(ms); return ctx.group.run('echo', value) }
  export const together = async (count, ctx) => (await Promise.all(Array.from({ length: count }, (_, i) => ctx.group.run('asleep', i)))).length
  export const barrier = async (count, ctx) => (await Promise.all(Array.from({ length: count }, () => ctx.group.main('barrier', count)))).length
  export const asleep = async (value) => { await sleep(30); return value }
  export const forgetMany = (count, ctx) => { for (let i = 0; i < count; i++) void ctx.group.main('gated', i) }
  export const own = () => { const error = new Error('circle'); error.cause = error; return error }
  export const exit = () => process.exit(1)
  export const report = (value, ctx) => ctx.report(value)
  export const reportThrough = (value, ctx) => ctx.group.run('report', value)
`)

interface Nesting {
  readonly [name: string]: (value: unknown) => unknown
}

const noted: unknown[] = []
let arrived: (() => void)[] = []
const gate = { calls: 0, opened: Promise.resolve(), open: (): void => {} }
const main = {
  add: ([a, b]: readonly [number, number]) => a + b,
  later: async (value: unknown) => value,
  fail: (message: string) => { throw new TypeError(message) },
  note: (value: unknown) => { noted.push(value) },
  /** Answers nobody until so many have called. */
  barrier: (count: number) => new Promise<void>((resolve) => {
    arrived.push(resolve)
    if (arrived.length < count) return
    for (const go of arrived) go()
    arrived = []
  }),
  gated: async () => {
    gate.calls++
    await gate.opened
    return 'x'.repeat(200)
  },
  uncloneable: () => () => undefined,
}

function start(options: ExecGroupOptions = {}): Promise<ExecGroup<Nesting>> {
  return ExecGroup.start<Nesting>(module, { workers: 2, memoryBytes: 256 * 2 ** 20, main: main as never, ...options })
}

test('a handler calls another, and the answer is what a call of the caller would give', async () => {
  await using group = await start()
  for (const value of [1, 'text', null, undefined, { deep: [1, 2, new Map([[1, 2]])] }, 'x'.repeat(100_000), new Uint8Array(5000).fill(3), -0, 10n]) {
    assert.deepEqual(await group.run('ask', value), value)
  }
  assert.equal(group.audit().blocks.out, 0)
})

test('errors come back as they were thrown; unknown names and what cannot be cloned fail their own call', async () => {
  await using group = await start()
  await assert.rejects(group.run('call', { name: 'fail', value: 'no' }), (error: RangeError & { code?: string }) => error instanceof RangeError && error.message === 'no' && error.code === 'E_MINE')
  await assert.rejects(group.run('call', { name: 'nobody' }), (error: Error) => code('ERR_PERCORE_NO_SUCH_HANDLER')(error) && /'nobody'.*ask/.test(error.message))
  await assert.rejects(group.run('callMain', { name: 'uncloneable' }), code('ERR_PERCORE_NOT_CLONEABLE'))
  await assert.rejects(group.run('callMain', { name: 'nobody' }), code('ERR_PERCORE_NO_SUCH_HANDLER'))
  await assert.rejects(group.run('callMain', { name: 'fail', value: 'here' }), (error) => error instanceof TypeError && error.message === 'here')
  assert.equal(await group.run('ask', 1), 1)
})

test('an answer that cannot be rebuilt where it is awaited fails its call, and the worker lives', async () => {
  await using group = await start({ workers: 1 })
  await assert.rejects(group.run('call', { name: 'own' }), code('ERR_PERCORE_NOT_CLONEABLE'))
  assert.equal(group.stats().workers[0].restarts, 0)
})

test("a handler calls the group's thread", async () => {
  await using group = await start()
  assert.deepEqual(await Promise.all([
    group.run('callMain', { name: 'add', value: [1, 2] }), group.run('callMain', { name: 'later', value: 'soon' }), group.run('callMain', { name: 'note', value: 0 }),
  ]), [3, 'soon', undefined])
})

test('calls spread over the workers, the own one among them', async () => {
  await using group = await start({ workers: 3 })
  assert.equal(await group.run('workers', 30), 3)
  await using alone = await start({ workers: 1 })
  assert.equal(await alone.run('ask', 'self'), 'self')
})

test('blocks move from handler to handler and to the caller', async () => {
  await using group = await start()
  const block = await group.run('block', 10_000) as SharedBlock
  assert.deepEqual([block.bytes[0], block.bytes[9999]], [8, 7])
  block.free()
  assert.equal(group.audit().blocks.out, 0)
})

test('a getter of a nested value may call as well', async () => {
  await using group = await start({ workers: 1 })
  assert.deepEqual(await group.run('getter'), [{ trap: 'sprung' }, 'inner'])
})

test('handlers that wait for each other in circles go on although everything is full', async () => {
  for (const options of [{ workers: 1, depth: 1 }, { workers: 2, depth: 1 }, { workers: 3, depth: 2 }]) {
    await using group = await start(options)
    assert.equal(await group.run('deep', 100), 100)
    assert.deepEqual(await Promise.all(Array.from({ length: 20 }, () => group.run('deep', 12))), Array.from({ length: 20 }, () => 12))
    assert.equal(await group.run('tree', 7), 128)
    assert.deepEqual(await Promise.all(Array.from({ length: 4 }, () => group.run('many', 300))), Array.from({ length: 4 }, () => 300))
    const audit = group.audit()
    assert.deepEqual([audit.problems, audit.blocks.out], [[], 0])
  }
})

test('more answers than have room, all given by one timer, wake a worker that sleeps in its event loop', async () => {
  await using group = await start({ workers: 2 })
  assert.equal(await group.run('together', 1000), 1000)
})

test('calls that found no room are sent although the first answer waits for them', async () => {
  await using group = await start({ workers: 1 })
  assert.equal(await group.run('barrier', 300), 300)
})

test('handlers call each other, and this thread, while runSync waits on the spot', async () => {
  await using group = await start({ workers: 2 })
  const limit = { timeoutMs: 20_000 }
  assert.equal(group.runSync('ask', 'first', limit), 'first')
  assert.equal(group.runSync('deep', 20, limit), 20)
  assert.equal(group.runSync('callMain', { name: 'add', value: [1, 2] }, limit), 3)
  const startMs = performance.now()
  for (let i = 0; i < 200; i++) assert.equal(group.runSync('ask', i, limit), i)
  assert.ok(performance.now() - startMs < 10_000, 'a call that comes while this thread goes to sleep wakes it')
  assert.equal(await group.run('deep', 20), 20)
})

test('waiting on the spot between calls under way, all of them nested, at random', async () => {
  const seed = Number(process.env['PERCORE_SEED'] ?? Date.now() % 1_000_000)
  console.log(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  await using group = await start({ workers: 2, depth: 3 })
  const limit = { timeoutMs: 20_000 }
  const underWay: Promise<unknown>[] = []
  for (let n = 0; n < 400; n++) {
    const levels = prng.below(6)
    if (prng.below(3) === 0) underWay.push(group.run('deep', levels).then((depth) => assert.equal(depth, levels)))
    else if (prng.below(4) === 0) assert.equal(group.runSync('callMain', { name: 'add', value: [n, 1] }, limit), n + 1)
    else if (prng.below(8) === 0) assert.equal(group.runSync('many', 100, limit), 100)
    else assert.equal(group.runSync('deep', levels, limit), levels)
    if (prng.below(10) === 0) await new Promise((resolve) => setTimeout(resolve, prng.below(2)))
  }
  await Promise.all(underWay)
  assert.deepEqual([group.audit().problems, group.audit().blocks.out], [[], 0])
})

test('a call that nobody awaits is made all the same, also when the group closes at once', async () => {
  const group = await start()
  noted.length = 0
  assert.equal(await group.run('forget', 'first'), 'left')
  while (noted.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.equal(await group.run('forget', 'second'), 'left')
  await group.close()
  assert.deepEqual(noted, ['first', 'second'])
})

test('a nested task reports to nobody', async () => {
  await using group = await start({ workers: 1 })
  const all: unknown[] = []
  assert.equal(await group.run('reportThrough', 1, { onReport: (progress) => all.push(progress) }), false)
  assert.deepEqual(all, [])
})

test('a worker that dies fails the calls it was running, where they were made, and nobody else', async () => {
  await using group = await start()
  for (let i = 0; i < 3; i++) {
    const failed = await group.run('call', { name: 'exit' }).then(() => undefined, (error: unknown) => error)
    assert.ok(code('ERR_PERCORE_WORKER_DIED')(failed), String(failed))
    assert.equal(await group.run('ask', i), i)
  }
})

test('a group shrinks and recycles under nested calls', async () => {
  await using group = await start({ workers: 3, recycle: { tasks: 300 } })
  const calls = Array.from({ length: 30 }, (_, i) => group.run('tree', 4).then((leaves) => assert.equal(leaves, 16, String(i))))
  await group.resize(1)
  await group.resize(2)
  await Promise.all(calls)
})

test('answers to a worker that was taken away meanwhile go to nobody, and nobody waits for room in its lane', async () => {
  gate.opened = new Promise((resolve) => {
    gate.open = resolve
  })
  await using group = await start()
  await group.run('forgetMany', 300, { worker: 1 })
  while (gate.calls < 300) await new Promise((resolve) => setTimeout(resolve, 1))
  await group.resize(1)
  gate.open()
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(group.audit().blocks.out, 0)
  const before = performance.eventLoopUtilization()
  await new Promise((resolve) => setTimeout(resolve, 200))
  const { utilization } = performance.eventLoopUtilization(before)
  assert.ok(utilization < 0.5, `this thread has nothing to do, and was busy for ${utilization} of the time`)
  await group.resize(2)
  assert.equal(await group.run('ask', 1, { worker: 1 }), 1)
})

test('init cannot call the group; what is no function is refused as an option', async () => {
  const early = await moduleWith(`export const hooks = { init: (ctx) => ctx.group.run('f') }; export const f = () => 1`)
  await assert.rejects(ExecGroup.start(early, { workers: 1 }), (error: Error) => code('ERR_PERCORE_HANDLERS_LOAD')(error) && /init hook cannot call/.test(error.message))
  await assert.rejects(ExecGroup.start(module, { main: { f: 1 } as never }), (error: Error) => code('ERR_PERCORE_INVALID_OPTION')(error) && /main\.f .* number/.test(error.message))
})

test('nested calls, deaths and everything full, at random: every call has one answer', async () => {
  const seed = Number(process.env['PERCORE_SEED'] ?? Date.now() % 1_000_000)
  console.log(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  await using group = await start({ workers: 2, depth: 3 })
  let deaths = 0

  async function one(i: number): Promise<void> {
    const kind = prng.below(1000)
    const text = `${i}`.padEnd(prng.below(300), '.')
    try {
      if (kind < 15) {
        deaths++
        await assert.rejects(group.run(kind < 7 ? 'exit' : 'call', { name: 'exit' }), code('ERR_PERCORE_WORKER_DIED'))
      } else if (kind < 300) assert.equal(await group.run('ask', text), text)
      else if (kind < 500) assert.equal(await group.run('deep', prng.below(20)) as number >= 0, true)
      else if (kind < 600) assert.equal(await group.run('tree', 4), 16)
      else if (kind < 700) assert.equal(await group.run('callMain', { name: 'later', value: text }), text)
      else if (kind < 800) assert.equal(await group.run('later', { ms: prng.below(4), value: text }), text)
      else assert.equal(await group.run('many', prng.below(100)) as number >= 0, true)
    } catch (error) {
      assert.ok(code('ERR_PERCORE_WORKER_DIED')(error), String(error))
    }
  }

  async function caller(): Promise<void> {
    for (let i = 0; i < 25; i++) await one(i)
  }

  await Promise.all(Array.from({ length: 8 }, caller))
  await group.drain()
  const audit = group.audit()
  assert.deepEqual(audit.problems, [])
  assert.ok(audit.blocks.out <= 10 * deaths, `${audit.blocks.out} blocks leaked by ${deaths} deaths`)
})
