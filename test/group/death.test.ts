import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { ExecGroup, PercoreError } from '../../src/index.js'
import { moduleWith, program, startGroup } from './start.js'

const died = (error: unknown): error is PercoreError => error instanceof PercoreError && error.code === 'ERR_PERCORE_WORKER_DIED'

for (const [way, kill] of [
  ['process.exit', 'exit'],
  ['an uncaught error', 'uncaught'],
  ['running out of memory', 'exhaust'],
] as const) {
  test(`${way} fails only the task that was running; those before and behind it succeed`, async () => {
    await using group = await startGroup({ workers: 1, resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 } })
    const replaced = once(group, 'replaced')
    const before = Array.from({ length: 50 }, (_, i) => group.run('double', i))
    const fatal = (kill === 'exit' ? group.run('exit', 3) : group.run(kill)).then(() => undefined, (error: unknown) => error)
    const behind = Array.from({ length: 50 }, (_, i) => group.run('later', { ms: 0, value: i }))
    const outcomes = await Promise.allSettled(behind)
    assert.deepEqual(await Promise.all(before), Array.from({ length: 50 }, (_, i) => 2 * i))
    const error = await fatal
    assert.ok(died(error), String(error))
    if (kill === 'uncaught') {
      assert.match(error.message, /thrown from a callback/)
      // A worker may have started more asynchronous tasks by the time the error was thrown: those were running too.
      for (const outcome of outcomes) assert.ok(outcome.status === 'fulfilled' || died(outcome.reason))
    } else assert.deepEqual(outcomes.map((outcome) => outcome.status), Array.from({ length: 50 }, () => 'fulfilled'))
    await replaced
    assert.equal(group.stats().workers[0].restarts, 1)
    assert.equal(await group.run('double', 4), 8)
  })
}

test('workers that keep dying lose nothing but the tasks that kill them', async () => {
  await using group = await startGroup({ workers: 2 })
  const seed = Number(process.env['PERCORE_SEED'] ?? Date.now() % 1_000_000)
  console.log(`PERCORE_SEED=${seed}`)
  const prng = createPrng(seed)
  const calls: Promise<void>[] = []
  let fatal = 0
  let lost = 0
  for (let i = 0; i < 4000; i++) {
    const kind = prng.below(1000)
    if (kind < 3) {
      fatal++
      calls.push(assert.rejects(group.run('exit', 1), died))
    } else if (kind < 300) {
      const text = String(i).repeat(1 + prng.below(400))
      calls.push(group.run('echo', { i, text }).then((back) => assert.deepEqual(back, { i, text })))
    } else if (kind < 310) {
      calls.push(group.run('later', { ms: 1, value: i }).then((back) => assert.equal(back, i), (error: unknown) => {
        assert.ok(died(error))
        lost++
      }))
    } else calls.push(group.run('double', i).then((back) => assert.equal(back, 2 * i)))
    if (i % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await Promise.all(calls)
  const stats = group.stats()
  assert.equal(stats.workers.reduce((sum, worker) => sum + worker.restarts, 0), fatal)
  assert.ok(lost <= 40)
  assert.deepEqual([stats.inFlight, stats.queued], [0, 0])
  const audit = group.audit()
  assert.deepEqual(audit.problems, [])
  assert.ok(audit.blocks.out <= fatal, `${audit.blocks.out} blocks leaked by ${fatal} deaths`)
})

test('deaths within a descriptor of several numbers fail the numbers that kill, and each other one runs once', async () => {
  const module = await moduleWith(`
    export function step(n, ctx) {
      Atomics.add(ctx.workerData, n, 1)
      if (n % 3 === 0) process.exit(1)
      return -n
    }
  `)
  const count = 24
  const runs = new Int32Array(new SharedArrayBuffer(4 * count))
  const group = await ExecGroup.start(module, { workers: 1, workerData: runs })
  const outcomes = await Promise.allSettled(Array.from({ length: count }, (_, n) => group.run('step', n)))
  for (const [n, outcome] of outcomes.entries()) {
    if (n % 3 !== 0) assert.deepEqual(outcome, { status: 'fulfilled', value: -n })
    else assert.ok(outcome.status === 'rejected' && died(outcome.reason), `${n}: ${outcome.status}`)
  }
  assert.deepEqual([...runs], Array.from({ length: count }, () => 1))
  await group.close()
})

test('a worker is replaced while the group is idle, and serves again', async () => {
  await using group = await startGroup({ workers: 1 })
  const first = await group.run('thread')
  await assert.rejects(group.run('exit', 0), died)
  assert.notEqual(await group.run('thread'), first)
})

test('a death that settles the last task lets the process end', async () => {
  assert.equal(await program(`
    const group = await ExecGroup.start(url, { workers: 1 })
    const fatal = group.run('later', { ms: 50 }).then(() => group.run('uncaught')).catch((error) => console.log(error.code))
  `), 'ERR_PERCORE_WORKER_DIED\n')
})
