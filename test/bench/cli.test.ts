import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('./cli-entry.js', import.meta.url))

function percoreBench(...args: string[]): { code: number | null, stdout: string, stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry, ...args], { encoding: 'utf8' })
  return { code: status, stdout, stderr }
}

test('an unknown bench exits 2 and names those there are', () => {
  const { code, stdout, stderr } = percoreBench('group', 'gruop')
  assert.equal(code, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /no bench named 'gruop'; there are group, latency, break-even, run/)
})

test('bad options exit 2 and say what is possible', () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['--payload', 'xml'], /no payload named 'xml'; there are num, json, u8_1k, u8_64k/],
    [['--subjects', 'piscina,nobody'], /no subject named 'nobody'; there are .*piscina/],
    [['--workers', '0'], /workers must be a whole number from 1 to/],
    [['--in-flight', '64,many'], /tasks in flight must be a whole number/],
    [['--runs', '1.5'], /runs must be a whole number/],
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
})

test('a tiny group bench prints JSON lines only, for the params asked for', () => {
  const { code, stdout, stderr } = percoreBench('group', '--quick', '--json', '--runs', '1', '--subjects', 'postMessage', '--workers', '1', '--in-flight', '8', '--payload', 'json')
  assert.equal(code, 0, stderr)
  const lines = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { metric: string, subject: string, median: number, runs: number, params: unknown })
  assert.deepEqual(lines.map(({ metric }) => metric), ['tasks_per_s', 'cpu_us_per_task', 'rss_mb'])
  for (const { subject, median, runs, params } of lines) {
    assert.ok(median > 0)
    assert.deepEqual([subject, runs, params], ['postMessage', 1, { workers: 1, in_flight: 8, payload: 'json' }])
  }
})
