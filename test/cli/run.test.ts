/** `percore run` from outside: what it writes, what it says, and how it ends. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ended, file, folder, handlers, mainFile, percore, run } from './percore.js'

const rows = (count: number): string[] => Array.from({ length: count }, (_, n) => `{"id":"row ${n}","n":${n}}`)
const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')

test('rows of a file go through the handler and come out in order', async () => {
  const lines = rows(50_000)
  const input = file('in.ndjson', text(lines))
  const { code, stderr } = await run('', handlers, '--handler', 'double', '--input', input, '--output', 'out.ndjson')
  assert.equal(code, 0, stderr)
  const expected = lines.map((_, n) => `{"id":"row ${n}","twice":${n * 2}}`)
  assert.equal(readFileSync(join(folder, 'out.ndjson'), 'utf8'), text(expected))
  assert.match(stderr, /percore: 50,000 rows in .* rows\/s · 50,000 written · workers \d+% \d+%\n$/)
})

test('standard input and output are the default, and standard output carries results only', async () => {
  const { code, stdout, stderr } = await run(text(rows(3)), handlers, '--handler', 'prints')
  assert.equal(code, 0)
  assert.equal(stdout, text(rows(3)))
  assert.match(stderr, /from the handler/)
  assert.match(stderr, /and more/)
})

test('a large output survives a slow reader', async () => {
  const lines = rows(60_000)
  const child = percore('run', handlers, '--handler', 'echo')
  child.stdin.end(text(lines))
  child.stdout.pause()
  await new Promise((resolve) => { setTimeout(resolve, 300) })
  const { code, stdout } = await ended(child)
  assert.equal(code, 0)
  assert.equal(stdout, text(lines))
})

test('results that are null write no line', async () => {
  const { stdout, stderr } = await run(text(rows(4)), handlers, '--handler', 'even')
  assert.equal(stdout, text(rows(4).filter((_, n) => n % 2 === 0)))
  assert.match(stderr, /4 rows .* 2 written/)
})

test('plain lines go through as text', async () => {
  const { stdout } = await run('straße\r\n\nb\n', handlers, '--handler', 'upper', '--format', 'lines')
  assert.equal(stdout, 'STRASSE\nB\n')
})

test('unordered output holds the same lines', async () => {
  const lines = rows(20_000)
  const { code, stdout } = await run(text(lines), handlers, '--handler', 'echo', '--unordered')
  assert.equal(code, 0)
  assert.deepEqual(stdout.split('\n').toSorted(), text(lines).split('\n').toSorted())
})

test('asynchronous handlers keep the order', async () => {
  const { code, stdout } = await run(text(rows(500)), handlers, '--handler', 'slow')
  assert.equal(code, 0)
  assert.equal(stdout, text(rows(500)))
})

test('the only handler of a module needs no name', async () => {
  const module = file('only.mjs', 'export default { only: (row) => row.n }')
  assert.equal((await run(text(rows(3)), module)).stdout, '0\n1\n2\n')
})

test('lines come out while the input is still open', async () => {
  const child = percore('run', handlers, '--handler', 'echo')
  child.stdin.write('{"n":1}\n')
  const [first] = await once(child.stdout, 'data') as [Buffer]
  assert.equal(first.toString(), '{"n":1}\n')
  child.stdin.end('{"n":2}\n')
  const { code, stdout } = await ended(child)
  assert.deepEqual([code, stdout], [0, '{"n":2}\n'])
})

test('an empty file is an empty result', async () => {
  const { code, stdout, stderr } = await run('', handlers, '--handler', 'echo', '--input', file('empty', ''))
  assert.deepEqual([code, stdout], [0, ''])
  assert.match(stderr, /percore: 0 rows/)
})

test('a byte order mark, CRLF, blank lines and no newline at the end are all fine', async () => {
  const { code, stdout } = await run('\ufeff{"n":1}\r\n\r\n\n{"n":2}', handlers, '--handler', 'echo')
  assert.deepEqual([code, stdout], [0, '{"n":1}\n{"n":2}\n'])
})

test('malformed JSON ends the run with line, column and excerpt, after what came before it', async () => {
  const lines = rows(30_000)
  lines[20_000] = '{"id":"x","n":}'
  const { code, stdout, stderr } = await run(text(lines), handlers, '--handler', 'echo')
  assert.equal(code, 1)
  assert.equal(stdout, text(lines.slice(0, 20_000)))
  assert.match(stderr, /percore: line 20001, column 15: not valid JSON: unexpected "}"\n {4}\{"id":"x","n":\}\n {18}\^\n/)
  assert.match(stderr, /stopped at line 20,001/)
})

test("a handler's error names the line and where it was thrown", async () => {
  const { code, stdout, stderr } = await run(text(rows(20)), handlers, '--handler', 'picky')
  assert.equal(code, 1)
  assert.equal(stdout, text(rows(13)))
  assert.match(stderr, /line 14: RangeError: thirteen is not served \(file:.*handlers\.mjs:\d+:\d+\)\n {4}\{"id":"row 13"/)
})

test('--on-error skip counts, shows the first few, and goes on', async () => {
  const lines = rows(100).map((line, n) => (n % 20 === 7 ? 'oops' : line))
  const { code, stdout, stderr } = await run(text(lines), handlers, '--handler', 'picky', '--on-error', 'skip')
  assert.equal(code, 0)
  assert.equal(stdout, text(lines.filter((line, n) => line !== 'oops' && n !== 13)))
  assert.match(stderr, /line 8, column 1: not valid JSON/)
  assert.match(stderr, /… and 3 more failed rows/)
  assert.match(stderr, /94 written · 6 failed/)
})

test('--on-error dead-letter keeps the raw lines with their errors', async () => {
  const input = Buffer.concat([Buffer.from('{"n":1}\noops\r\n{"n":13}\n'), Buffer.from([0x22, 0xff, 0x22]), Buffer.from('\n{"n":5}')])
  const { code, stdout } = await run(input, handlers, '--handler', 'picky', '--on-error', 'dead-letter:bad.ndjson')
  assert.equal(code, 0)
  assert.equal(stdout, '{"n":1}\n{"n":5}\n')
  const letters = readFileSync(join(folder, 'bad.ndjson'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(letters, [
    { line: 2, column: 1, error: { name: 'SyntaxError', message: 'not valid JSON: unexpected "o"', code: 'ERR_PERCORE_ROW' }, raw: 'oops' },
    { line: 3, error: { name: 'RangeError', message: 'thirteen is not served', code: 'ERR_PERCORE_ROW' }, raw: '{"n":13}' },
    { line: 4, column: 2, error: { name: 'SyntaxError', message: 'not valid UTF-8', code: 'ERR_PERCORE_ROW' }, raw: '"\ufffd"', rawBase64: 'Iv8i' },
  ])
})

test('invalid UTF-8 is a failed row, in both formats', async () => {
  for (const format of ['ndjson', 'lines']) {
    const { code, stderr } = await run(Buffer.from([0x22, 0x61, 0xc3, 0x22, 0x0a]), handlers, '--handler', 'echo', '--format', format)
    assert.equal(code, 1)
    assert.match(stderr, /line 1, column 3: not valid UTF-8/)
  }
})

test('UTF-16 input is refused with advice', async () => {
  const { code, stderr } = await run(Buffer.from('\ufeff{}\n', 'utf16le'), handlers, '--handler', 'echo')
  assert.equal(code, 3)
  assert.match(stderr, /UTF-16.*iconv/)
})

test('a line over --max-line-bytes is a failed row that names its line', async () => {
  for (const length of [200, 3_000_000]) {
    const { code, stdout, stderr } = await run(`{"n":1}\n"${'x'.repeat(length)}"\n{"n":2}\n`, handlers, '--handler', 'echo', '--max-line-bytes', '100')
    assert.equal(code, 1)
    assert.equal(stdout, '{"n":1}\n')
    assert.match(stderr, new RegExp(`line 2: RangeError: the line is ${length + 2} bytes long, --max-line-bytes allows 100`))
  }
})

test('a line of megabytes passes by default', async () => {
  const line = `"${'x'.repeat(3_000_000)}"`
  const { code, stdout } = await run(`1\n${line}\n2\n`, handlers, '--handler', 'echo')
  assert.equal(code, 0)
  assert.equal(stdout, `1\n${line}\n2\n`)
})

test('a worker that dies fails the rows of its block, and with skip the run goes on', async () => {
  const lines = rows(5000)
  const failed = await run(text(lines), handlers, '--handler', 'exits')
  assert.equal(failed.code, 1)
  assert.match(failed.stderr, /percore: lines 1–\d+: worker \d.*\n/)

  const skipped = await run(text(lines), handlers, '--handler', 'exits', '--on-error', 'dead-letter:died.ndjson', '--stats', 'died.json')
  assert.equal(skipped.code, 0, skipped.stderr)
  const stats = JSON.parse(readFileSync(join(folder, 'died.json'), 'utf8')) as { rows: number, written: number, failed: number, workers: { restarts: number }[] }
  assert.equal(stats.rows, 5000)
  assert.equal(stats.written + stats.failed, 5000)
  assert.equal(stats.workers.reduce((sum, { restarts }) => sum + restarts, 0), 1)
  const letters = readFileSync(join(folder, 'died.ndjson'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as { line: number, raw: string, error: { code: string } })
  assert.equal(letters.length, stats.failed)
  assert.ok(letters.every(({ line, raw, error }) => raw === lines[line - 1] && error.code === 'ERR_PERCORE_WORKER_DIED'))
  assert.equal(skipped.stdout, text(lines.slice(stats.failed)))
})

test('a worker that is ended by what a handler left behind is told of, with the reason, although no row failed', async () => {
  const module = file('leaves.mjs', 'export const f = (row) => { if (row.n === 0) void Promise.reject(new Error("left behind")); return row }')
  const { code, stdout, stderr } = await run(text(rows(200_000)), module)
  assert.equal(code, 0, stderr)
  assert.equal(stdout, text(rows(200_000)))
  assert.match(stderr, /worker \d was ended by what a handler left behind, and replaced: Error: left behind \(.*leaves\.mjs:1:\d+\)\n/)
  assert.match(stderr, /1 restarted/)
})

test('what the handler of the very last rows left behind is told, too', async () => {
  const module = file('leaves-last.mjs', 'export const f = (row) => { if (row.n === 3) void Promise.reject(new Error("left behind")); return row }')
  for (let again = 0; again < 5; again++) {
    const { code, stdout, stderr } = await run(text(rows(4)), module)
    assert.equal(code, 0, stderr)
    assert.equal(stdout, text(rows(4)))
    assert.match(stderr, /ended by what a handler left behind, and replaced: Error: left behind[^]*1 restarted/)
  }
})

test('a missing input file is exit code 3, and the output is not touched', async () => {
  const { code, stderr } = await run('', handlers, '--handler', 'echo', '--input', 'nowhere', '--output', 'untouched')
  assert.equal(code, 3)
  assert.equal(stderr, 'percore: cannot read nowhere: there is no such file or directory\n')
  assert.ok(!existsSync(join(folder, 'untouched')))
})

test('a directory is no input', async () => {
  const { code, stderr } = await run('', handlers, '--handler', 'echo', '--input', '.')
  assert.equal(code, 3)
  assert.equal(stderr, 'percore: cannot read .: it is a directory\n')
})

test('a file that fails while it is read is exit code 3', { skip: !existsSync('/proc/self/mem') && 'needs /proc' }, async () => {
  const { code, stderr } = await run('', handlers, '--handler', 'echo', '--input', '/proc/self/mem')
  assert.equal(code, 3)
  assert.match(stderr, /percore: cannot read \/proc\/self\/mem: the device failed/)
})

test('an output that cannot be opened is exit code 3', async () => {
  const { code, stderr } = await run('1\n', handlers, '--handler', 'echo', '--output', 'no/such/folder')
  assert.equal(code, 3)
  assert.match(stderr, /cannot write no\/such\/folder: there is no such file or directory/)
})

test('a full disk is exit code 3', { skip: !existsSync('/dev/full') && 'needs /dev/full' }, async () => {
  for (const output of [['--output', '/dev/full'], ['--on-error', 'dead-letter:/dev/full']]) {
    const { code, stderr } = await run(`${text(rows(1000))}oops\n`, handlers, '--handler', 'echo', ...output)
    assert.equal(code, 3)
    assert.match(stderr, /cannot write \/dev\/full: no space left on the device/)
    assert.match(stderr, output[0] === '--output' ? /stopped: .* · 0 written/ : /stopped: .* · 1,000 written/)
  }
})

test('the input is never overwritten by the output', async () => {
  const input = file('same.ndjson', '1\n2\n')
  const { code, stderr } = await run('', handlers, '--handler', 'echo', '--input', input, '--output', './same.ndjson')
  assert.equal(code, 2)
  assert.match(stderr, /are the same file/)
  assert.equal(readFileSync(input, 'utf8'), '1\n2\n')
})

test('when standard output closes early, the reading stops at once', async () => {
  const child = percore('run', handlers, '--handler', 'echo')
  child.stdin.on('error', () => undefined)
  const line = text(rows(1))
  let fed = 0
  const feed = (): void => {
    while (!child.stdin.destroyed && fed < 3e9) {
      fed += line.length * 1000
      if (!child.stdin.write(line.repeat(1000))) break
    }
  }
  child.stdin.on('drain', feed)
  feed()
  await once(child.stdout, 'data')
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (data: Buffer) => { stderr += data.toString() })
  const [code] = await once(child, 'close') as [number]
  assert.equal(code, 3)
  assert.match(stderr, /^percore: cannot write standard output: the reader closed it before everything was written\n/m)
  assert.ok(fed < 1e9, `${fed} bytes were read`)
})

test('Ctrl-C ends the output at a line boundary, with exit code 130, and says how far it got', async () => {
  const lines = rows(200_000)
  const child = percore('run', handlers, '--handler', 'spin', '--input', file('long.ndjson', text(lines)), '--stats', 'interrupted.json')
  const result = ended(child)
  await once(child.stdout, 'data')
  child.kill('SIGINT')
  const { code, stdout, stderr } = await result
  assert.equal(code, 130)
  const stats = JSON.parse(readFileSync(join(folder, 'interrupted.json'), 'utf8')) as { status: string, lines: number }
  assert.equal(stats.status, 'interrupted')
  assert.equal(stdout, text(lines.slice(0, stats.lines)))
  assert.match(stderr, new RegExp(`interrupted after line ${stats.lines.toLocaleString('en-US')}: `))
})

test('Ctrl-C works while nothing comes from standard input', async () => {
  const child = percore('run', handlers, '--handler', 'echo')
  const result = ended(child)
  child.stdin.write('{"n":1}\n')
  await once(child.stdout, 'data')
  child.kill('SIGINT')
  const { code, stderr } = await result
  assert.equal(code, 130)
  assert.match(stderr, /interrupted after line 1: 1 row/)
})

test('Ctrl-C works while the handlers module is being loaded, and no output is made', async () => {
  const child = percore('run', file('waits.mjs', 'console.error("loading"); await new Promise(() => setInterval(() => {}, 1000))'), '--output', 'never-made')
  const result = ended(child)
  await once(child.stderr, 'data')
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  const { code, stderr } = await result
  clearTimeout(killer)
  assert.equal(code, 130)
  assert.match(stderr, /interrupted while the handlers module was being loaded/)
  assert.ok(!existsSync(join(folder, 'never-made')))
})

test('a module that awaits what never comes is not waited for in silence', async () => {
  const module = file('never.mjs', 'await new Promise(() => {}); export const f = (row) => row')
  const child = percore('run', module)
  const result = ended(child)
  const [hint] = await once(child.stderr, 'data') as [Buffer]
  assert.match(hint.toString(), /never\.mjs is still being loaded, after 2 s\. Ctrl-C ends it\./)
  child.kill('SIGINT')
  assert.equal((await result).code, 130)
})

test('a second Ctrl-C does not wait', async () => {
  const child = percore('run', handlers, '--handler', 'stuck', '--progress', 'plain')
  const result = ended(child)
  child.stdin.write('{"n":1}\n')
  await once(child.stderr, 'data') // a first progress line: the run has begun
  child.kill('SIGINT')
  child.kill('SIGINT')
  await new Promise((resolve) => { setTimeout(resolve, 50) })
  child.kill('SIGINT')
  const { code, signal } = await result
  assert.ok(code === 130 || signal === 'SIGINT', `${code} ${signal}`)
})

test('progress is plain lines where there is no terminal, and can be turned off', async () => {
  const child = percore('run', handlers, '--handler', 'echo')
  child.stdin.write('{"n":1}\n')
  const [line] = await once(child.stderr, 'data') as [Buffer]
  assert.match(line.toString(), /^1 row · [\d,]+ rows\/s · workers \d+%/)
  child.stdin.end()
  await ended(child)
  const quiet = await run('1\n', handlers, '--handler', 'echo', '--progress', 'none')
  assert.equal(quiet.stderr.trim().split('\n').length, 1)
})

test('--stats writes the summary as JSON', async () => {
  await run('1\n\noops\n', handlers, '--handler', 'echo', '--on-error', 'skip', '--stats', 'stats.json')
  const stats = JSON.parse(readFileSync(join(folder, 'stats.json'), 'utf8')) as Record<string, unknown>
  assert.deepEqual(
    { ...stats, seconds: 0, rowsPerSecond: 0, cpuSeconds: 0, rssMbMax: 0, workers: 0 },
    {
      status: 'done', exitCode: 0, lines: 3, rows: 2, written: 1, failed: 1, bytesIn: 8, bytesOut: 2, seconds: 0, rowsPerSecond: 0, workers: 0,
      cpuSeconds: 0, rssMbMax: 0, error: null, node: process.versions.node,
    },
  )
})

test('a stats file that cannot be written is exit code 3', async () => {
  const { code, stderr } = await run('1\n', handlers, '--handler', 'echo', '--stats', 'no/such/folder')
  assert.equal(code, 3)
  assert.match(stderr, /cannot write no\/such\/folder: there is no such file or directory\n/)
})

const usage: readonly [what: string, args: readonly string[], message: RegExp][] = [
  ['a handlers module that does not exist', ['nowhere.mjs'], /percore: cannot load handlers from .*nowhere\.mjs: Cannot find module '.*nowhere\.mjs'$/im],
  ['a handlers module that is a directory', ['.'], /cannot load handlers from/],
  ['a handlers module with a syntax error', [file('syntax.mjs', 'export const x = (row => row\n')], /syntax\.mjs.*\n?[^]*SyntaxError/],
  ['a handlers module that throws', [file('throws.mjs', 'throw new Error("no database")')], /throws\.mjs[^]*no database/],
  ['a handlers module without handlers', [file('none.mjs', 'export const x = 1')], /none\.mjs has 0 handlers/],
  ['a handler that does not exist', [handlers, '--handler', 'ecko'], /has no handler 'ecko'\. There are: double, echo, /],
  ['several handlers and none chosen', [handlers], /choose one with --handler\. There are: double, echo, /],
  ['no workers', [handlers, '--workers', '0'], /--workers.*Give a whole number from 1 to 256 \(this machine has \d+ cores?\)/],
  ['absurdly many workers', [handlers, '--workers', '100000'], /--workers.*from 1 to 256/],
  ['workers that are no number', [handlers, '--workers', 'many'], /--workers.*from 1 to 256/],
  ['an unknown format', [handlers, '--format', 'xml'], /--format.*ndjson, lines/],
  ['an unknown option', [handlers, '--fromat', 'lines'], /unknown option '--fromat'\n.*--format/],
  ['an unknown policy', [handlers, '--on-error', 'ignore'], /--on-error.*Give fail, skip or dead-letter:FILE/],
  ['a dead-letter policy without a file', [handlers, '--on-error', 'dead-letter:'], /Give fail, skip or dead-letter:FILE/],
  ['a depth of nothing', [handlers, '--depth', '0'], /--depth.*whole number/],
  ['no handlers module at all', [], /missing required argument 'handlers'/],
]

for (const [what, args, message] of usage) {
  test(`${what} is exit code 2 with a message that helps`, async () => {
    const { code, stdout, stderr } = await run('1\n', ...args.slice(0, 1), '--output', 'usage-output', ...args.slice(1))
    assert.equal(code, 2, stderr)
    assert.equal(stdout, '')
    assert.match(stderr, message)
    assert.ok(stderr.startsWith('percore: '))
    assert.ok(!existsSync(join(folder, 'usage-output')), 'no output was made')
  })
}

test('a TypeScript module runs where Node can load it, and is explained where it cannot', async () => {
  const module = file('typed.ts', 'export const typed = (row: { n: number }): number => row.n\n')
  const { code, stdout, stderr } = await run('{"n":4}\n', module)
  if ((process.features as { typescript?: unknown }).typescript) assert.equal(stdout, '4\n')
  else {
    assert.equal(code, 2)
    assert.match(stderr, /typed\.ts: Node [\d.]+ cannot load .*Compile TypeScript to \.js first, or use Node 22\.18 or later/)
  }
})

test('a pipe can be the input by name', { skip: !existsSync('/dev/stdin') && 'needs /dev/stdin' }, async () => {
  const command = `printf '{"n":1}\\n' | "${process.execPath}" "${mainFile}" run "${handlers}" --handler echo --input /dev/stdin`
  const { code, stdout } = await ended(spawn('sh', ['-c', command]))
  assert.deepEqual([code, stdout], [0, '{"n":1}\n'])
})
