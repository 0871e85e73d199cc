import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BlockOutcome, packResult, unpackResult } from '../../src/source/block.js'
import { formats } from '../../src/source/index.js'
import { runRows, type RowsOptions } from '../../src/source/rows.js'

type Overrides = Partial<RowsOptions<undefined>>

function options(overrides: Overrides = {}): RowsOptions<undefined> {
  return { format: formats.ndjson, handler: (row) => row, stopAtFailure: false, keepRaw: false, lineBytesMax: 1000, ...overrides }
}

function sharedBytes(input: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(input)
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.byteLength))
  shared.set(bytes)
  return shared
}

function run(input: string | Uint8Array, overrides: Overrides = {}): BlockOutcome {
  const outcome = runRows(sharedBytes(input), options(overrides), undefined)
  assert.ok(!(outcome instanceof Promise), 'a synchronous handler makes no promise')
  return outcome
}

const runAsync = async (input: string, overrides: Overrides): Promise<BlockOutcome> => await runRows(sharedBytes(input), options(overrides), undefined)

const text = (outcome: BlockOutcome): string => Buffer.concat(outcome.output.map((part) => Buffer.from(part))).toString()

test('rows come back in order, one line each', () => {
  const outcome = run('{"a":1}\n{"a":2}\n', { handler: (row) => ({ b: (row as { a: number }).a * 2 }) })
  assert.equal(text(outcome), '{"b":2}\n{"b":4}\n')
  assert.deepEqual([outcome.lines, outcome.rows, outcome.written, outcome.failures.length], [2, 2, 2, 0])
})

test('CRLF, blank lines and a missing newline at the end change nothing but line numbers', () => {
  const outcome = run('1\r\n\r\n  \n2\n\n3')
  assert.equal(text(outcome), '1\n2\n3\n')
  assert.deepEqual([outcome.lines, outcome.rows], [6, 3])
})

test('lines are text without their line end', () => {
  assert.equal(text(run('a\r\n\n b \nü', { format: formats.lines, handler: (line) => `<${String(line)}>` })), '<a>\n< b >\n<ü>\n')
})

test('null and undefined write no line, every other value does', () => {
  assert.equal(text(run('0\nnull\nfalse\n""\n', { handler: (row) => row ?? undefined })), '0\nfalse\n""\n')
})

test('text outside ASCII survives in both directions', () => {
  const line = '{"name":"Zürich 🛩 \ufffd"}\n'
  assert.equal(text(run(line)), line)
})

test('bad JSON is a failure with line, column and excerpt', () => {
  const outcome = run('{"a":1}\n\n{"a":}\n{"a":3}\n')
  assert.equal(text(outcome), '{"a":1}\n{"a":3}\n')
  const [failure] = outcome.failures
  assert.deepEqual([failure?.line, failure?.column, failure?.message], [3, 6, 'not valid JSON: unexpected "}"'])
  assert.equal(failure?.excerpt?.text[failure.excerpt.mark], '}')
})

test('the excerpt of a long line shows the part around the column', () => {
  const [failure] = run(`{"long":"${'x'.repeat(500)}",oops}\n`).failures
  assert.ok((failure?.excerpt?.text.length ?? 0) <= 66)
  assert.equal(failure?.excerpt?.text[failure.excerpt.mark], 'o')
})

test('control characters of a bad line never reach the terminal', () => {
  assert.equal(run('\u001b[2Jx\n').failures[0]?.excerpt?.text, '·[2Jx')
})

test('what a handler throws fails its row only, with class, message and code', () => {
  const outcome = run('1\n2\n3\n', {
    handler: (row) => {
      if (row === 2) throw Object.assign(new RangeError('too much'), { code: 'E_TWO' })
      return row
    },
  })
  assert.equal(text(outcome), '1\n3\n')
  assert.deepEqual([outcome.failures[0]?.line, outcome.failures[0]?.name, outcome.failures[0]?.message, outcome.failures[0]?.code], [2, 'RangeError', 'too much', 'E_TWO'])
  assert.match(outcome.failures[0]?.thrownAt ?? '', /rows\.test\.js:\d+:\d+$/)
})

test('a handler may throw anything', () => {
  const thrown = [undefined, null, 'text', 7, { a: 1 }]
  const outcome = run('0\n1\n2\n3\n4\n', { handler: (row) => { throw thrown[row as number] } })
  assert.deepEqual(outcome.failures.map(({ message }) => message), ['threw undefined', 'threw null', 'threw text', 'threw 7', 'threw [object Object]'])
})

test('a result that JSON cannot hold fails its row', () => {
  const results = [() => 1, 1n, Symbol('s')]
  const outcome = run('0\n1\n2\n', { handler: (row) => results[row as number] })
  assert.equal(outcome.failures.length, 3)
  assert.match(outcome.failures[0]?.message ?? '', /returned a function, which JSON cannot hold/)
})

test('a line that is not valid UTF-8 is a failure, in every format', () => {
  const input = Buffer.concat([Buffer.from('"a"\n"b'), Buffer.from([0xff]), Buffer.from('"\r\n"\ufffd"\n')])
  for (const format of Object.values(formats)) {
    const outcome = run(input, { format, keepRaw: true })
    assert.equal(text(outcome), '"a"\n"\ufffd"\n')
    const [failure] = outcome.failures
    assert.deepEqual([failure?.line, failure?.column, failure?.message], [2, 3, 'not valid UTF-8'])
    assert.deepEqual(Buffer.from(failure?.rawBase64 ?? '', 'base64'), Buffer.from([0x22, 0x62, 0xff, 0x22]))
  }
})

test('a line may be as long as allowed, and not a byte longer', () => {
  const outcome = run('"12345678"\r\n"123456789"\n"üüüüü"\n"1234567"', { lineBytesMax: 10 })
  assert.equal(text(outcome), '"12345678"\n"1234567"\n')
  assert.deepEqual(outcome.failures.map(({ line, message }) => [line, message]), [
    [2, 'the line is 11 bytes long, --max-line-bytes allows 10'],
    [3, 'the line is 12 bytes long, --max-line-bytes allows 10'],
  ])
})

test('raw lines are kept on demand, without their line end', () => {
  assert.equal(run('oops\r\n', { keepRaw: true }).failures[0]?.raw, 'oops')
  assert.equal(run('oops\r\n').failures[0]?.raw, undefined)
})

test('stopping at a failure keeps what came before it and runs nothing after it', () => {
  const seen: unknown[] = []
  const outcome = run('1\n2\noops\n4\n', { stopAtFailure: true, handler: (row) => { seen.push(row); return row } })
  assert.equal(text(outcome), '1\n2\n')
  assert.deepEqual(seen, [1, 2])
  assert.equal(outcome.failures[0]?.line, 3)
})

test('promises overlap within a bound and keep their order', async () => {
  let pending = 0
  let pendingMax = 0
  const input = Array.from({ length: 300 }, (_, i) => i).join('\n')
  const outcome = await runAsync(input, {
    async handler(row) {
      pending += 1
      pendingMax = Math.max(pendingMax, pending)
      await new Promise((resolve) => { setTimeout(resolve, (row as number) % 3) })
      pending -= 1
      return row
    },
  })
  assert.equal(text(outcome), `${input}\n`)
  assert.ok(pendingMax > 16 && pendingMax <= 64, `${pendingMax} at once`)
})

test('a handler may be synchronous for some rows and asynchronous for others', async () => {
  const outcome = await runAsync('0\n1\n2\n3\n4\n', { handler: (row) => ((row as number) % 2 === 1 ? Promise.resolve(row) : row) })
  assert.equal(text(outcome), '0\n1\n2\n3\n4\n')
})

test('failures between promises keep their place', async () => {
  const outcome = await runAsync('0\noops\n2\n3\nalso bad\n5\n', {
    handler: async (row) => {
      await new Promise((resolve) => { setTimeout(resolve, 5 - (row as number)) })
      if (row === 3) throw new Error('three')
      return row
    },
  })
  assert.equal(text(outcome), '0\n2\n5\n')
  assert.deepEqual(outcome.failures.map(({ line }) => line), [2, 4, 5])
  assert.deepEqual([outcome.lines, outcome.rows, outcome.written], [6, 6, 3])
})

test('stopping at a failure works for promises, and later rejections do no harm', async () => {
  const outcome = await runAsync('0\n1\n2\n3\n', {
    stopAtFailure: true,
    handler: async (row) => {
      if ((row as number) > 0) throw new Error(`row ${String(row)}`)
      return row
    },
  })
  assert.equal(text(outcome), '0\n')
  assert.deepEqual(outcome.failures.map(({ line, message }) => [line, message]), [[2, 'row 1']])
})

test('an outcome survives its way through a block', () => {
  const outcome = run('1\n"ü"\noops\n', { keepRaw: true })
  const block = packResult((bytes) => ({ bytes: new Uint8Array(new SharedArrayBuffer(bytes)), byteLength: bytes, free: () => undefined }), outcome)
  const result = unpackResult(block)
  assert.equal(Buffer.from(result.output).toString(), '1\n"ü"\n')
  assert.deepEqual(result.failures, JSON.parse(JSON.stringify(outcome.failures)))
  assert.deepEqual([result.lines, result.rows, result.written], [3, 3, 2])
})

test('output far longer than the input arrives whole', () => {
  const outcome = run('1\n2\n3\n', { format: formats.lines, handler: (line) => String(line).repeat(3_000_000) })
  assert.ok(outcome.output.length > 1, 'in more than one piece')
  assert.equal(text(outcome), `${'1'.repeat(3_000_000)}\n${'2'.repeat(3_000_000)}\n${'3'.repeat(3_000_000)}\n`)
})
