import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ensureFlights } from '../../examples/flights/data.js'
import { features, type Flight } from '../../examples/flights/handlers.js'

const program = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'percore-flights-'))
const flights = join(folder, 'flights.ndjson')
const count = 20_000

before(() => ensureFlights(flights, count))
after(() => rmSync(folder, { recursive: true, force: true }))

const flight: Flight = { date: '2001-01-01T00:01:00', delay: 33, distance: 2176, origin: 'LAS', destination: 'PHL' }

test('the data set is the first flights of the original, as NDJSON', () => {
  const lines = readFileSync(flights, 'utf8').split('\n')
  assert.equal(lines.length, count + 1)
  assert.deepEqual(JSON.parse(lines[0] as string), flight)
})

test('the data set is made once, and made again when it is not whole', async () => {
  const { mtimeMs } = statSync(flights)
  await ensureFlights(flights, count)
  assert.equal(statSync(flights).mtimeMs, mtimeMs)
  const whole = readFileSync(flights)
  writeFileSync(flights, whole.subarray(0, 1000))
  await ensureFlights(flights, count)
  assert.deepEqual(readFileSync(flights), whole)
  assert.deepEqual(readdirSync(folder), ['flights.ndjson'], 'no partial file is left')
})

test('a flight becomes its features', () => {
  assert.deepEqual(features(flight), {
    key: '533ad261', date: '2001-01-01T00:01:00', route: 'LAS-PHL', weekday: 'Monday', weekend: false, hour: 0, dayOfYear: 1, delay: 33, delayClass: 'late',
    miles: 2176, greatCircleMiles: 2171.4, detour: 1.002, suspect: false, heading: 'E',
  })
})

test('a flight that makes no sense is refused', () => {
  assert.throws(() => features({ ...flight, origin: '???' }), /there is no airport \?\?\?/)
  assert.throws(() => features({ ...flight, date: 'yesterday' }), /date is yesterday/)
  assert.throws(() => features({ ...flight, distance: 0 }), /distance is 0/)
  assert.throws(() => features({ ...flight, delay: undefined as never }), /delay is undefined/)
})

test('percore and one thread write the same, byte for byte', () => {
  const outputs = [join(folder, 'percore'), join(folder, 'one-thread')] as const
  const runs = [
    [program('../../src/cli/main.js'), 'run', program('../../examples/flights/handlers.js'), '--input', flights, '--output', outputs[0]],
    [program('../../examples/flights/one-thread.js'), flights, outputs[1]],
  ]
  for (const args of runs) {
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
  }
  const output = readFileSync(outputs[0])
  assert.ok(output.equals(readFileSync(outputs[1])))
  assert.equal(output.toString().split('\n').length, count + 1)
})
