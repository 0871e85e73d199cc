import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ended, percore } from './percore.js'

test('help is on standard output and names the commands', async () => {
  const { code, stdout, stderr } = await ended(percore('--help'))
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /run .*\n.*bench /)
})

test('help of run shows every option, the exit codes and examples', async () => {
  const { code, stdout } = await ended(percore('run', '--help'))
  assert.equal(code, 0)
  for (const option of ['handler', 'input', 'output', 'format', 'workers', 'depth', 'unordered', 'on-error', 'max-line-bytes', 'progress', 'stats']) {
    assert.ok(stdout.includes(`--${option}`), option)
  }
  assert.match(stdout, /Exit codes: 0 done, 1 a row failed, 2 wrong usage, 3 input or output failed, 130 interrupted/)
})

test('the version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
  assert.equal((await ended(percore('--version'))).stdout, `${version}\n`)
})

test('an unknown command is exit code 2', async () => {
  const { code, stderr } = await ended(percore('rum'))
  assert.equal(code, 2)
  assert.match(stderr, /percore: unknown command 'rum'\n.*run/)
})

test('no command at all shows help and is exit code 2', async () => {
  const { code, stderr } = await ended(percore())
  assert.equal(code, 2)
  assert.match(stderr, /Usage: percore/)
})
