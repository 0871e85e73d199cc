import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { Exec, type Stall } from '../../src/exec/index.js'
import { watchStalls } from '../../src/platform/index.js'
import { Histogram } from '../../src/exec/histogram.js'
import { runOut, startExec } from './clock.js'

test('a histogram bounds its quantiles within a factor of two', () => {
  const histogram = new Histogram()
  assert.equal(histogram.quantile(0.5), 0)
  for (let n = 1; n <= 1000; n++) histogram.add(n, 1)
  for (const q of [0.1, 0.5, 0.9, 0.99, 1]) {
    const bound = histogram.quantile(q)
    assert.ok(bound >= q * 1000 && bound <= 2 * q * 1000 + 1, `${q}: ${bound}`)
  }
  assert.equal(histogram.total, 1000)
})

test('statistics count what happened, by group', () => {
  const { exec, clock, errors } = startExec()
  const slow = exec.group({ name: 'slow', shares: 10 })
  for (let n = 0; n < 100; n++) exec.spawn(() => undefined)
  slow.spawn(function crunch() { clock.ms += 20 })
  exec.spawn(() => { throw new Error('one') })
  exec.cancel(exec.spawn(() => undefined))
  exec.spawn(function* () { yield* exec.sleep(10_000) })
  exec.runUntilIdle()
  clock.ms += 100
  exec.runUntilIdle()
  const stats = exec.stats()
  assert.equal(errors.length, 1)
  assert.equal(stats.tasks, 1)
  assert.equal(stats.timers, 1)
  assert.equal(stats.failed, 1)
  assert.equal(stats.cancelled, 1)
  assert.equal(stats.runs, 104)
  const [first, second] = stats.groups
  assert.deepEqual([first?.name, first?.runs, second?.name, second?.runs, second?.shares], ['default', 103, 'slow', 1, 10])
  assert.equal(second?.longestName, 'crunch')
  assert.ok(Math.abs((second?.longestMs ?? 0) - 20) < 1)
  assert.ok((second?.runUs.p99 ?? 0) >= 20_000)
  assert.ok(Math.abs(stats.parkedMs - 100) < 1, String(stats.parkedMs))
  assert.ok(Math.abs(stats.busyMs - 20) < 1, String(stats.busyMs))
  runOut(exec, clock)
  assert.equal(exec.stats().wakes, 1)
  assert.doesNotThrow(() => structuredClone(exec.stats()))
})

test('the wait from ready to running is measured', () => {
  const { exec, clock } = startExec({ timing: 'each' })
  const late = exec.group({ name: 'late', shares: 1 })
  const busy = exec.group({ name: 'busy', shares: 1000 })
  for (let n = 0; n < 20; n++) busy.spawn(() => { clock.ms += 1 })
  late.spawn(() => { clock.ms += 1 })
  late.spawn(() => undefined)
  exec.runUntilIdle()
  const wait = exec.stats().groups.find(({ name }) => name === 'late')?.waitUs
  assert.ok((wait?.max ?? 0) >= 1000, JSON.stringify(wait))
})

test('a task over its budget is reported with its name, and where it was spawned when that is traced', () => {
  const stalls: Stall[] = []
  const { exec, clock } = startExec({ stallMs: 5, onStall: (stall) => stalls.push(stall), traceSpawns: true, timing: 'each' })
  exec.spawn(() => undefined)
  exec.spawn(function hog() { clock.ms += 6 })
  exec.spawn(function* weaver() {
    yield
    clock.ms += 7
  })
  exec.runUntilIdle()
  assert.deepEqual(stalls.map(({ name, tasks, group }) => [name, tasks, group]), [['hog', 1, 'default'], ['weaver', 1, 'default']])
  for (const { spawnStack } of stalls) assert.match(spawnStack ?? '', /stats\.test/)
  assert.ok((stalls[0]?.ms ?? 0) >= 6)
})

test('a task that is stuck is reported with the stack it is stuck in, and only that one', async () => {
  const watch = watchStalls({ stallMs: 60 })
  await watch.ready
  assert.equal(watch.reason, undefined)
  const stalls: Stall[] = []
  const exec = new Exec({ stallMs: 60, watch, onStall: (stall) => stalls.push(stall), traceSpawns: true })
  const spin = (ms: number): void => { for (const end = performance.now() + ms; performance.now() < end;); }
  for (let n = 0; n < 100; n++) exec.spawn(() => undefined)
  exec.spawn(function culprit() { spin(600) })
  exec.spawn(function* weaver() {
    yield
    spin(600)
  })
  for (let n = 0; n < 100; n++) exec.spawn(() => spin(0.01))
  await exec.run()
  await watch.close()
  const stacks = stalls.filter(({ ms }) => ms >= 500).map(({ stack }) => stack?.match(/at (culprit|weaver) \(.*stats\.test/)?.[1])
  assert.equal(stacks[0], 'culprit', stalls[0]?.stack)
  assert.equal(stacks.at(-1), 'weaver', stalls.at(-1)?.stack)
  assert.match(stalls[0]?.stack ?? '', /at spin [\s\S]*at culprit [\s\S]*at run /, 'the innermost call is first')
  assert.match(stalls[0]?.spawnStack ?? 'not alone', /stats\.test|not alone/)
})

test('a watcher on another thread than the main one says why it cannot look', async () => {
  const url = new URL('../../src/platform/index.js', import.meta.url).href
  const source = `import(${JSON.stringify(url)}).then(async ({ watchStalls }) => {
    const watch = watchStalls()
    await watch.ready
    watch.begin()
    watch.end()
    require('node:worker_threads').parentPort.postMessage([watch.reason, watch.stack()])
  })`
  const thread = new Worker(source, { eval: true })
  const [[reason, stack]] = await once(thread, 'message') as [[string, undefined]]
  assert.match(reason, /main thread/)
  assert.equal(stack, undefined)
  await thread.terminate()
})

test('a watcher is refused a time that is none', () => {
  for (const stallMs of [0, -1, NaN]) assert.throws(() => watchStalls({ stallMs }), { code: 'ERR_PERCORE_INVALID_OPTION', message: /stallMs must be above 0/ })
})

test('with timing each, every run is in the histogram', () => {
  const { exec, clock } = startExec({ timing: 'each' })
  for (let n = 0; n < 50; n++) exec.spawn(() => { clock.ms += n % 10 === 0 ? 10 : 0.01 })
  exec.runUntilIdle()
  const { count, p50, max } = exec.stats().groups[0]?.runUs ?? { count: 0, p50: 0, max: 0 }
  assert.equal(count, 50)
  assert.ok(p50 <= 32, String(p50))
  assert.ok(max >= 10_000)
})
