import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng, PercoreError } from '../../src/base/index.js'
import { reorderFactor } from '../../src/source/limits.js'
import {
  createDeadLetters, formats, type Input, mapLines, type MapLinesOptions, type MapLinesRun, type Output, type RowFailure,
} from '../../src/source/index.js'
import { createFakeGroup, type FakeGroup, type FakeOptions } from './fake-group.js'

const seed = Number(process.env['PERCORE_SEED'] ?? 3)

interface Setup {
  readonly lines: readonly string[]
  readonly group?: Partial<FakeOptions>
  readonly job?: Partial<MapLinesOptions>
  /** Turns of the event loop each write takes. */
  readonly writeTurns?: number
  readonly writeFailsAfter?: number
}

interface Started {
  readonly run: MapLinesRun
  readonly group: FakeGroup
  readonly failures: RowFailure[]
  output(): string
}

function start({ lines, group: groupOptions, job, writeTurns = 0, writeFailsAfter = Infinity }: Setup): Started {
  const group = createFakeGroup({
    format: formats.ndjson, handler: (row) => row, keepRaw: false, lineBytesMax: 1000, stopAtFailure: (job?.onError ?? 'fail') === 'fail', seed, ...groupOptions,
  })
  const written: Buffer[] = []
  let bytes = 0
  const output: Output = {
    name: 'out',
    identity: undefined,
    async write(views) {
      for (let turn = 0; turn < writeTurns; turn += 1) await new Promise((resolve) => { setImmediate(resolve) })
      for (const view of views) {
        bytes += view.byteLength
        if (bytes > writeFailsAfter) throw new PercoreError('ERR_PERCORE_OUTPUT', 'cannot write out: no space left on the device')
        written.push(Buffer.from(view))
      }
    },
    close: async () => undefined,
  }
  const failures: RowFailure[] = []
  const run = mapLines({
    group, input: inputOf(Buffer.from(lines.map((line) => `${line}\n`).join(''))), output, inFlightMax: 4, ordered: true, onError: 'fail', lineBytesMax: 1000,
    onFailure: (failure) => failures.push(failure), ...job,
  })
  return { run, group, failures, output: () => Buffer.concat(written).toString() }
}

function inputOf(bytes: Buffer): Input {
  let at = 0
  return {
    name: 'in',
    sizeBytes: bytes.length,
    live: false,
    identity: undefined,
    async read(target) {
      const count = bytes.copy(target, 0, at, at + 3000)
      at += count
      return count
    },
    close: async () => undefined,
  }
}

/** Enough for some twenty blocks. */
const manyLines: readonly string[] = Array.from({ length: 8000 }, (_, i) => `{"i":${i},"pad":"${'x'.repeat(20 + (i % 40))}"}`)
const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')
const withLine = (index: number, line: string): string[] => manyLines.map((other, i) => (i === index ? line : other))

test('results come out in the order of the rows, whatever order they finish in', async () => {
  for (const each of [seed, seed + 1, seed + 2]) {
    const { run, output, group } = start({ lines: manyLines, group: { seed: each } })
    assert.deepEqual(await run.end, { status: 'done' })
    assert.equal(output(), text(manyLines), `seed ${each}`)
    assert.deepEqual([run.counts.lines, run.counts.rows, run.counts.written, run.counts.failed], [8000, 8000, 8000, 0])
    assert.equal(run.counts.bytesIn, run.counts.bytesOut)
    assert.equal(group.live, 0, 'every block was freed')
  }
})

test('unordered results are all there, by whole blocks', async () => {
  const { run, output } = start({ lines: manyLines, job: { ordered: false } })
  assert.deepEqual(await run.end, { status: 'done' })
  assert.deepEqual(output().split('\n').toSorted(), text(manyLines).split('\n').toSorted())
})

test('an empty input is done at once', async () => {
  const { run, output } = start({ lines: [] })
  assert.deepEqual(await run.end, { status: 'done' })
  assert.equal(output(), '')
})

test('no more blocks are on their way than allowed, and a slow output stops the reading', async () => {
  const { run, group } = start({ lines: manyLines, writeTurns: 40 })
  let liveMax = 0
  const timer = setInterval(() => { liveMax = Math.max(liveMax, group.live) }, 0)
  await run.end
  clearInterval(timer)
  assert.ok(group.inFlightMax <= 4)
  assert.ok(liveMax <= 4 * reorderFactor, `${liveMax} blocks live`)
})

test('under fail the first failure in input order ends the run, and everything before it is written', async () => {
  for (const each of [seed, seed + 1, seed + 2]) {
    const lines = withLine(5000, 'oops')
    lines[6000] = 'later'
    const { run, output, failures } = start({ lines, group: { seed: each } })
    const end = await run.end
    assert.equal(end.status, 'row-failed')
    assert.deepEqual(failures.map(({ line }) => line), [5001])
    assert.equal(output(), text(manyLines.slice(0, 5000)), `seed ${each}`)
    assert.equal(run.counts.lines, 5001)
  }
})

test('under skip failures are counted, reported in order, and the run goes on', async () => {
  const bad = new Set([0, 1, 999, 4000, 7999])
  const lines = manyLines.map((line, i) => (bad.has(i) ? 'oops' : line))
  for (const ordered of [true, false]) {
    const { run, output, failures } = start({ lines, job: { onError: 'skip', ordered } })
    assert.deepEqual(await run.end, { status: 'done' })
    assert.deepEqual(failures.map(({ line }) => line), [1, 2, 1000, 4001, 8000])
    assert.equal(run.counts.failed, 5)
    if (ordered) assert.equal(output(), text(manyLines.filter((_, i) => !bad.has(i))))
  }
})

test('dead letters keep line, error and raw line, in input order', async () => {
  const letters: Buffer[] = []
  const deadLetters = createDeadLetters({ write: async (views) => { letters.push(...views.map((view) => Buffer.from(view))) } })
  const lines = withLine(3000, '{"a":}')
  lines[7000] = 'oops'
  const { run } = start({ lines, group: { keepRaw: true }, job: { onError: 'skip', deadLetters } })
  await run.end
  assert.deepEqual(Buffer.concat(letters).toString().trim().split('\n').map((line) => JSON.parse(line) as unknown), [
    { line: 3001, column: 6, error: { name: 'SyntaxError', message: 'not valid JSON: unexpected "}"', code: 'ERR_PERCORE_ROW' }, raw: '{"a":}' },
    { line: 7001, column: 1, error: { name: 'SyntaxError', message: 'not valid JSON: unexpected "o"', code: 'ERR_PERCORE_ROW' }, raw: 'oops' },
  ])
})

test('when a worker dies, under fail the failure names the lines of its block', async () => {
  const { run, output } = start({ lines: manyLines, group: { diesAt: '"i":4000,' } })
  const end = await run.end
  assert.ok(end.status === 'row-failed')
  const { line, lastLine = 0, code } = end.failure
  assert.equal(code, 'ERR_PERCORE_WORKER_DIED')
  assert.ok(line <= 4001 && lastLine >= 4001, `${line} … ${lastLine}`)
  assert.equal(output(), text(manyLines.slice(0, line - 1)))
})

test('when a worker dies, under skip every row of its block has failed and the run goes on', async () => {
  const lines = withLine(2, '')
  const { run, output, failures } = start({ lines, group: { diesAt: '"i":5,' }, job: { onError: 'skip' } })
  assert.deepEqual(await run.end, { status: 'done' })
  assert.deepEqual([failures[0]?.line, failures[1]?.line, failures[2]?.line], [1, 2, 4], 'a blank line is no row')
  assert.equal(failures[1]?.raw, manyLines[1])
  assert.equal(run.counts.lines, 8000)
  assert.equal(run.counts.failed + run.counts.written, 7999)
  assert.equal(output(), text(manyLines.slice(failures.at(-1)?.line)))
})

test('a line that is too long is a failed row like any other', async () => {
  const { run, output, failures } = start({ lines: withLine(4000, `"${'x'.repeat(2_000_000)}"`), job: { onError: 'skip' } })
  assert.deepEqual(await run.end, { status: 'done' })
  assert.deepEqual(failures.map(({ line, message }) => [line, message]), [[4001, 'the line is 2000002 bytes long, --max-line-bytes allows 1000']])
  assert.equal(output(), text(manyLines.filter((_, i) => i !== 4000)))
})

test('an output that fails ends the run at once', async () => {
  const { run, output, group } = start({ lines: manyLines, writeFailsAfter: 100_000 })
  const end = await run.end
  assert.ok(end.status === 'io-failed')
  assert.equal(end.error.code, 'ERR_PERCORE_OUTPUT')
  assert.ok(output().length <= 100_000)
  assert.ok(group.blocksRun < 16, `${group.blocksRun} blocks`)
})

test('an input that fails ends the run after what came before it is written', async () => {
  const whole = inputOf(Buffer.from(text(manyLines)))
  let reads = 0
  const input: Input = {
    ...whole,
    read: async (target) => {
      reads += 1
      if (reads > 50) throw new PercoreError('ERR_PERCORE_INPUT', 'cannot read in: the device failed')
      return whole.read(target)
    },
  }
  const { run, output } = start({ lines: [], job: { input } })
  const end = await run.end
  assert.ok(end.status === 'io-failed')
  assert.equal(end.error.code, 'ERR_PERCORE_INPUT')
  assert.ok(output().length > 0)
  assert.ok(text(manyLines).startsWith(output()) && output().endsWith('\n'))
})

test('an interrupted run waits for what is on its way, and stops reading', async () => {
  const interruption = new AbortController()
  const { run, output } = start({ lines: manyLines, job: { signal: interruption.signal } })
  while (run.counts.lines === 0) await new Promise((resolve) => { setImmediate(resolve) })
  interruption.abort()
  assert.deepEqual(await run.end, { status: 'interrupted' })
  assert.ok(run.counts.lines < 8000)
  assert.equal(output(), text(manyLines.slice(0, run.counts.lines)), 'what is written is what was counted')
})

test('an interrupted run does not wait for ever', async () => {
  const interruption = new AbortController()
  const { run, group, output } = start({ lines: manyLines, job: { signal: interruption.signal, graceMs: 20 } })
  while (run.counts.lines === 0) await new Promise((resolve) => { setImmediate(resolve) })
  group.freeze()
  interruption.abort()
  assert.deepEqual(await run.end, { status: 'interrupted' })
  assert.equal(output(), text(manyLines.slice(0, run.counts.lines)))
})

test('a run that waits for a silent input can be interrupted', async () => {
  const interruption = new AbortController()
  const silent: Input = { ...inputOf(Buffer.alloc(0)), live: true, read: () => new Promise(() => undefined) }
  const { run } = start({ lines: [], job: { input: silent, signal: interruption.signal, graceMs: 20 } })
  setTimeout(() => interruption.abort(), 10)
  assert.deepEqual(await run.end, { status: 'interrupted' })
})

test('a full shared heap makes the run wait, not fail', async () => {
  const { run, output } = start({ lines: manyLines, group: { blocksMax: 3 }, job: { inFlightMax: 1 } })
  assert.deepEqual(await run.end, { status: 'done' })
  assert.equal(output(), text(manyLines))
})

test('random inputs come through whole, with every failure at its line', async () => {
  const prng = createPrng(seed)
  for (let round = 0; round < 20; round += 1) {
    const lines = Array.from({ length: prng.below(3000) }, (_, i) => (prng.below(100) === 0 ? 'bad' : prng.below(100) === 0 ? '' : `[${i},"${'ü'.repeat(prng.below(60))}"]`))
    const ordered = prng.below(2) === 0
    const { run, output, failures } = start({ lines, group: { seed: seed + round }, job: { onError: 'skip', ordered } })
    assert.deepEqual(await run.end, { status: 'done' })
    const good = lines.filter((line) => line.startsWith('['))
    const context = `seed ${seed}, round ${round}`
    assert.deepEqual(failures.map(({ line }) => line), lines.flatMap((line, i) => (line === 'bad' ? [i + 1] : [])), context)
    if (ordered) assert.equal(output(), text(good), context)
    else assert.deepEqual(output().split('\n').toSorted(), text(good).split('\n').toSorted(), context)
    assert.deepEqual([run.counts.lines, run.counts.written], [lines.length, good.length], context)
  }
})
