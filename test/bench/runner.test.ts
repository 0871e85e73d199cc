import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatReport, plotReports, type Report, runBench, toJsonLine } from '../../bench/index.js'
import { bench } from './fixture-bench.js'

const quick = { quick: true } as const
const only = (...subjects: string[]): Promise<Report> => runBench(bench, { choice: { ...quick, subjects } })

test('figures come from child processes and keep every run', async () => {
  const { results, failures, skips } = await only('percore', 'well')
  assert.deepEqual([failures, skips], [[], []])
  const reached = results.filter(({ metric }) => metric !== 'break_even_us')
  assert.deepEqual(reached.map(({ subject, metric, params, values, runs }) => ({ subject, metric, params, values, runs })), [
    { subject: 'percore', metric: 'tasks_per_s', params: { workers: 1 }, values: [42_000, 42_000], runs: [0, 1] },
    { subject: 'percore', metric: 'speedup', params: { workers: 1, spin_us: 1 }, values: [6, 6], runs: [0, 1] },
    { subject: 'percore', metric: 'speedup', params: { workers: 1, spin_us: 10 }, values: [2, 2], runs: [0, 1] },
    { subject: 'well', metric: 'tasks_per_s', params: { workers: 1, batch: 7 }, values: [42_000, 42_000], runs: [0, 1] },
    { subject: 'well', metric: 'speedup', params: { workers: 1, batch: 7, spin_us: 1 }, values: [6, 6], runs: [0, 1] },
    { subject: 'well', metric: 'speedup', params: { workers: 1, batch: 7, spin_us: 10 }, values: [2, 2], runs: [0, 1] },
  ])
})

test('a child that throws or exits is reported with its last words, and the others are measured', async () => {
  const { results, failures } = await only('throws', 'exits', 'silent', 'well')
  const reasonOf = (name: string): string => failures.find(({ subject }) => subject === name)?.reason ?? ''
  assert.match(reasonOf('throws'), /exited with code 1: TypeError: the rival is out of order/)
  assert.match(reasonOf('exits'), /exited with code 7: last words/)
  assert.match(reasonOf('silent'), /ended without reporting a figure/)
  assert.equal(failures.length, 6, 'both runs of each')
  assert.equal(results.find(({ metric }) => metric === 'tasks_per_s')?.values.length, 2)
})

test('a child that hangs is killed and reported; what failed twice is not tried a third time', async () => {
  const impatient = { ...bench, plan: () => [{ params: {}, contenders: [{ subject: 'hangs' }], runs: 5, timeoutMs: 400 }] }
  const { failures } = await runBench(impatient, { choice: quick })
  assert.deepEqual(failures.map(({ run }) => run), [0, 1])
  assert.match(failures[0]?.reason ?? '', /took longer than 0.4 s and was killed/)
})

test('an interrupted bench stops and reports what it has', async () => {
  const interruption = new AbortController()
  const report = await runBench(bench, {
    choice: { ...quick, subjects: ['well', 'hangs'] },
    signal: interruption.signal,
    onProgress: ({ text }) => { if (text.includes('hangs')) interruption.abort() },
  })
  assert.deepEqual(report.failures, [])
  assert.equal(report.results.find(({ metric }) => metric === 'tasks_per_s')?.values.length, 1)
})

test('a rival that is not installed is skipped, and the reader told how to install it', async () => {
  const report = await only('absent', 'well')
  const reason = 'percore-has-no-such-rival is not installed; npm install --save-dev percore-has-no-such-rival'
  assert.deepEqual(report.skips, [{ bench: 'fixture', subject: 'absent', reason }])
  assert.match(formatReport(bench, report), /skipped {2}absent: percore-has-no-such-rival is not installed/)
})

test('a JSON line has exactly the published fields', async () => {
  const { results } = await only('percore')
  const lines = results.map((result) => JSON.parse(toJsonLine(result)) as Record<string, unknown>)
  const fields = ['bench', 'subject', 'metric', 'unit', 'median', 'min', 'max', 'runs', 'params', 'node', 'cpus']
  for (const line of lines) assert.deepEqual(Object.keys(line), fields)
  const { node, cpus, ...first } = lines[0] ?? {}
  const identity = { bench: 'fixture', subject: 'percore', metric: 'tasks_per_s', unit: 'tasks/s' }
  assert.deepEqual(first, { ...identity, median: 42_000, min: 42_000, max: 42_000, runs: 2, params: { workers: 1 } })
  assert.equal(node, process.versions.node)
  assert.ok(Number.isInteger(cpus))
  assert.equal(lines[1]?.['median'], null, 'never reached')
})

test('tables show median, spread and the ratio to percore, and the contender\'s own params beside its name', async () => {
  const table = formatReport(bench, await only('well', 'percore'))
  assert.match(table, /^ {2}percore {7,}42\.0 k \[42\.0\.\.42\.0\] {7}1\.00x {2}never \[never\.\.never\]$/m)
  assert.match(table, /^ {2}well {2}batch=7 {2}42\.0 k \[42\.0\.\.42\.0\] {7}1\.00x/m)
  assert.match(table, /^ {2}10 {7,}2\.00 \[2\.00\.\.2\.00\] +2\.00 \[2\.00\.\.2\.00\]$/m)
})

test('a plot is one SVG document with every subject in it', async () => {
  const svg = plotReports([{ bench, report: await only('well', 'percore') }], 'here & now')
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/)
  assert.match(svg, /here &amp; now/)
  assert.equal(svg.match(/<polyline/g)?.length, 2)
  assert.doesNotMatch(svg, /NaN|Infinity/)
})
