import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runBench, type Bench, type Result } from '../../bench/index.js'
import { openPercore } from '../../bench/memory/heaps.js'
import { bench as larson } from '../../bench/memory/larson.js'
import { fillTableIn, freeTableIn, randomSlotsIn, seedOf, TOUCH_ENDS } from '../../bench/memory/loops.js'
import { bench as mixed } from '../../bench/memory/mixed.js'
import { isNative, natives } from '../../bench/memory/native.js'
import { ratiosOver } from '../../bench/memory/ratios.js'
import { steadyCalls } from '../../bench/memory/strace.js'

test('seeds of threads differ, and none is 0', () => {
  assert.equal(seedOf(42, 0), 42)
  assert.equal(seedOf(42, 1) >>> 0, 0x9e3779b9 + 42)
  assert.equal(seedOf(0, 0), 1)
})

test('random slots draw the numbers of xorshift32 and leave as many blocks in the heap as in the slots', () => {
  const { heap, words } = openPercore(1 << 26)
  const slots = new Int32Array(64)
  const x = randomSlotsIn(heap, words, slots, { min: 16, range: 1009 }, TOUCH_ENDS)(42, 1000)
  assert.equal(x, xorshift(42, 1000))
  assert.equal(heap.stats().records[0]?.blocksUsed, slots.filter((block) => block !== 0).length)
  assert.deepEqual(heap.audit({ quiet: true }).problems, [])
})

test('a table filled and freed leaves nothing behind', () => {
  const { heap, words } = openPercore(1 << 26)
  const table = new Int32Array(5000)
  fillTableIn(heap, words, table, 128)(table.length)
  assert.equal(new Set(table).size, table.length)
  freeTableIn(heap, table)(table.length)
  assert.equal(heap.stats().records[0]?.blocksUsed, 0)
})

function xorshift(x: number, steps: number): number {
  for (let i = 0; i < steps; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
  }
  return x
}

test('a ratio pairs the figures of the same run, and is above 1 where percore is better', () => {
  const result = (subject: string, metric: Result['metric'], values: number[], runs: number[]): Result =>
    ({ bench: 'b', subject, metric, params: { threads: 1 }, shared: { threads: 1 }, values, runs })
  const [ops] = ratiosOver([result('percore', 'ops_per_s', [10, 20], [0, 1]), result('glibc', 'ops_per_s', [5], [1])], 'ops_per_s')
  assert.deepEqual([ops?.params, ops?.values, ops?.runs], [{ threads: 1, over: 'glibc' }, [4], [1]])
  const [ns] = ratiosOver([result('percore', 'ns_per_free', [10], [0]), result('glibc', 'ns_per_free', [30], [0])], 'ns_per_free')
  assert.deepEqual(ns?.values, [3])
})

test('system calls count between the marks, of the thread that wrote them', () => {
  const trace = `7 mmap(NULL, 4096, …) = 0x1
7 write(2, "steady: begins\\n", 15) = 15
8 futex(0x1, …) = 0
7 madvise(0x1, 4096, MADV_DONTNEED) = 0
7 write(2, "steady: ends\\n", 13) = 13
7 munmap(0x1, 4096) = 0
`
  assert.equal(steadyCalls(trace), 1)
  assert.throws(() => steadyCalls('7 mmap() = 0'), /did not say where/)
})

test('a native allocator that is not here is skipped, and the reader told how to install it', () => {
  assert.deepEqual(natives.map(({ subject }) => subject), ['glibc', 'mimalloc', 'jemalloc', 'tcmalloc'])
  for (const { subject, missing } of natives) {
    assert.ok(isNative(subject))
    if (missing !== undefined) assert.match(missing, /apt-get install|Linux|not part of/)
  }
})

/** A bench with less work in every cell: is it wired up, not how fast is it. */
const small = (bench: Bench, input: Record<string, number>): Bench =>
  ({ ...bench, plan: (choice) => bench.plan(choice).map((cell) => ({ ...cell, input: { ...cell.input, ...input } })) })

test('mixed measures percore and glibc, alone and with two threads', async () => {
  const report = await runBench(small(mixed, { steps: 100_000, warmup: 100_000 }), { choice: { quick: true, runs: 1, subjects: ['percore', 'glibc'] } })
  assert.deepEqual(report.failures, [])
  const subjects = report.skips.length === 0 ? ['percore', 'glibc'] : ['percore']
  for (const subject of subjects) {
    const ops = report.results.filter((result) => result.subject === subject && result.metric === 'ops_per_s')
    assert.equal(ops.length, 4)
    assert.ok(ops.every(({ values }) => values.every((value) => value > 0)))
  }
})

test('larson hands over to fresh threads, and to living ones, and reports pages, for every policy', async () => {
  const policies = ['route-s', 'route-p', 'cda', 'cda-must-reuse']
  const report = await runBench(small(larson, { measure_ms: 100, heirs: 2, ops_per_thread: 10_000 }), {
    choice: { quick: true, runs: 1, threads: [2], subjects: ['percore'], policies },
  })
  assert.deepEqual(report.failures, [])
  for (const metric of ['ops_per_s', 'page_reuse', 'new_pages'] as const) {
    assert.deepEqual([...new Set(report.results.filter((result) => result.metric === metric).map(({ params }) => params['policy']))], policies)
  }
  const passed = report.results.filter(({ params }) => params['passed_to'] === 'the living')
  assert.ok(passed.some(({ metric, values }) => metric === 'ops_per_s' && values[0]! > 0))
})
