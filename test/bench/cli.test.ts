import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { benches } from '../../bench/index.js'

interface Line {
  readonly metric: string
  readonly subject: string
  readonly median: number
  readonly runs: number
  readonly params: unknown
}

const percore = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

function percoreBench(...args: string[]): { code: number | null, stdout: string, stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [percore, 'bench', ...args], { encoding: 'utf8' })
  return { code: status, stdout, stderr }
}

test('an unknown bench exits 2 and names those there are', () => {
  const { code, stdout, stderr } = percoreBench('group', 'gruop')
  assert.equal(code, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /no bench named 'gruop'; there are group, latency, break-even, paced, run/)
})

test('bad options exit 2 and say what is possible', () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['--payload', 'xml'], /no payload named 'xml'; there are num, json, u8_1k, u8_64k/],
    [['--subjects', 'piscina,nobody'], /no subject named 'nobody'; there are percore, piscina/],
    [['--workers', '0'], /Give a whole number from 1 to 256/],
    [['--in-flight', '64,many'], /'64,many' is invalid. Give a whole number/],
    [['--runs', '1.5'], /Give a whole number/],
    [['--faster'], /unknown option '--faster'/],
  ]
  for (const [args, message] of cases) {
    const { code, stderr } = percoreBench('group', ...args)
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, message)
  }
})

test('help lists the benches and exits 0', () => {
  const { code, stdout } = percoreBench('--help')
  assert.equal(code, 0)
  assert.match(stdout, /break-even +the smallest task/)
  assert.match(stdout, /paced +one task every millisecond/)
  const columns = stdout.slice(stdout.indexOf('Benches:')).split('\n').slice(1).flatMap((line) => /^  [a-z-]+ +/.exec(line)?.[0].length ?? [])
  assert.ok(columns.length > 10 && new Set(columns).size === 1, `one column: ${columns}`)
})

test('every subject can be named in a list', () => {
  const commas = benches.flatMap((bench) => bench.contenders.map(({ subject }) => subject)).filter((subject) => subject.includes(','))
  assert.deepEqual(commas, [])
})

test('a tiny group bench prints JSON lines only, for the params asked for', () => {
  const params = ['--subjects', 'postMessage', '--workers', '1', '--in-flight', '8', '--payload', 'json']
  const { code, stdout, stderr } = percoreBench('group', '--quick', '--json', '--runs', '1', ...params)
  assert.equal(code, 0, stderr)
  const lines = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as Line)
  assert.deepEqual(lines.map(({ metric }) => metric), ['tasks_per_s', 'cpu_us_per_task', 'rss_mb'])
  for (const { subject, median, runs, params } of lines) {
    assert.ok(median > 0)
    assert.deepEqual([subject, runs, params], ['postMessage', 1, { workers: 1, in_flight: 8, payload: 'json' }])
  }
})
