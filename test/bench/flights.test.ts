import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { firstDifference } from '../../bench/flights/compare.js'
import { writeInput } from '../../bench/flights/input.js'

const dir = mkdtempSync(join(tmpdir(), 'percore-test-'))
after(() => rmSync(dir, { recursive: true }))
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(dir, name), content)
  return join(dir, name)
}

test('outputs are compared to the last byte, across chunks', () => {
  const big = Buffer.alloc(2_500_000, 'a')
  const changed = Buffer.from(big)
  changed[2_400_000] = 98
  const reference = file('reference', big)
  assert.equal(firstDifference(file('same', big), reference, false), undefined)
  assert.equal(firstDifference(file('changed', changed), reference, false), 2_400_000)
  assert.equal(firstDifference(file('shorter', big.subarray(0, 2_000_000)), reference, false), 2_000_000)
  assert.equal(firstDifference(file('longer', Buffer.concat([big, Buffer.from('b')])), reference, false), 2_500_000)
})

test('a part of the rows must give a beginning of the output', () => {
  const reference = file('reference', 'one\ntwo\nthree\n')
  assert.equal(firstDifference(file('part', 'one\ntwo\n'), reference, true), undefined)
  assert.equal(firstDifference(file('wrong', 'one\ntoo\n'), reference, true), 5)
  assert.equal(firstDifference(file('longer', 'one\ntwo\nthree\nfour\n'), reference, true), 14)
})

test('the input has exactly the rows asked for, made up or copied', async () => {
  const madeUp = join(dir, 'made-up.ndjson')
  assert.equal(await writeInput(madeUp, 1000, undefined), 1000)
  const lines = readFileSync(madeUp, 'utf8').split('\n')
  assert.equal(lines.pop(), '')
  assert.equal(lines.length, 1000)
  assert.deepEqual(Object.keys(JSON.parse(lines[999] ?? '') as object), ['date', 'delay', 'distance', 'origin', 'destination'])
  const copy = join(dir, 'copy.ndjson')
  assert.equal(await writeInput(copy, 10, madeUp), 10)
  assert.equal(readFileSync(copy, 'utf8'), `${lines.slice(0, 10).join('\n')}\n`)
  assert.equal(await writeInput(copy, 5000, madeUp), 1000, 'fewer rows than asked for are told')
})
