import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { type Cut, createLineBlocks } from '../../src/source/line-blocks.js'

/** An input that gives its bytes in pieces of the lengths that `piece` says. */
function pieces(bytes: Buffer, live: boolean, piece: () => number): Parameters<typeof createLineBlocks>[0] {
  let at = 0
  return {
    name: 'test',
    live,
    async read(target) {
      const end = Math.min(bytes.length, at + Math.max(1, Math.min(piece(), target.byteLength)))
      target.set(bytes.subarray(at, end))
      const count = end - at
      at = end
      return count
    },
  }
}

async function cuts(bytes: Buffer, { max = 1000, target = 32, chunk = 64, live = false, piece = (): number => 1000 } = {}): Promise<Cut[]> {
  const blocks = createLineBlocks(pieces(bytes, live, piece), max, chunk)
  const found: Cut[] = []
  for (let cut = await blocks.next(target); cut !== undefined; cut = await blocks.next(target)) found.push({ ...cut, bytes: Buffer.from(cut.bytes) })
  return found
}

test('however the bytes arrive, the blocks are whole lines and together the input', async () => {
  const seed = Number(process.env['PERCORE_SEED'] ?? 11)
  const prng = createPrng(seed)
  for (let round = 0; round < 300; round += 1) {
    const lines = Array.from({ length: prng.below(40) }, () => 'x'.repeat(prng.below(prng.below(10) === 0 ? 200 : 20)))
    const bytes = Buffer.from(lines.join('\n') + (prng.below(2) === 0 ? '\n' : ''))
    const found = await cuts(bytes, { live: prng.below(2) === 0, target: 1 + prng.below(64), chunk: 8 + prng.below(64), piece: () => prng.below(50) })
    const context = `seed ${seed}, round ${round}`
    assert.deepEqual(Buffer.concat(found.map((cut) => cut.bytes as Buffer)), bytes, context)
    assert.ok(found.slice(0, -1).every((cut) => cut.bytes.at(-1) === 10 && cut.tooLong === undefined), context)
    assert.ok(found.every((cut) => cut.bytes.byteLength > 0), context)
  }
})

test('an empty input has no blocks', async () => {
  assert.deepEqual(await cuts(Buffer.alloc(0)), [])
})

test('a byte order mark at the beginning is skipped, even byte by byte', async () => {
  const found = await cuts(Buffer.from('\ufeff1\n\ufeff2\n'), { live: true, piece: () => 1 })
  assert.equal(Buffer.concat(found.map((cut) => cut.bytes as Buffer)).toString(), '1\n\ufeff2\n')
})

test('UTF-16 is refused with advice', async () => {
  await assert.rejects(cuts(Buffer.from('\ufeff{}\n', 'utf16le')), { code: 'ERR_PERCORE_INPUT', message: /UTF-16.*iconv/ })
})

test('lines of a live input do not wait for a full block', async () => {
  const found = await cuts(Buffer.from('1\n2\n3\n'), { live: true, target: 1000, piece: () => 2 })
  assert.deepEqual(found.map((cut) => Buffer.from(cut.bytes).toString()), ['1\n2\n', '3\n'])
})

test('a line that is too long is reported with its length and its beginning, and what follows is not lost', async () => {
  const input = Buffer.from(`a\n${'b'.repeat(500)}\nc\n${'d'.repeat(300)}`)
  for (const piece of [1000, 7, 1]) {
    const found = await cuts(input, { max: 100, chunk: 64, target: 16, piece: () => piece })
    const shown = found.map((cut) => (cut.tooLong === undefined ? Buffer.from(cut.bytes).toString() : `${cut.bytes.byteLength} of ${cut.tooLong}`))
    assert.deepEqual(shown, ['a\n', '100 of 500', 'c\n', '100 of 300'])
    assert.equal(found.reduce((sum, cut) => sum + cut.inputBytes, 0), input.length)
  }
})

test('a line of exactly the longest length passes, whatever its line end', async () => {
  const found = await cuts(Buffer.from(`${'a'.repeat(100)}\r\n${'b'.repeat(100)}\n${'c'.repeat(100)}`), { max: 100, chunk: 16, target: 8 })
  assert.deepEqual(found.map((cut) => [cut.bytes.byteLength, cut.tooLong]), [[102, undefined], [101, undefined], [100, undefined]])
})
