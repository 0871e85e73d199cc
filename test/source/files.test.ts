/** Inputs and outputs on the real file system. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openInput, openOutput } from '../../src/source/index.js'

const folder = mkdtempSync(join(tmpdir(), 'percore-files-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

test('a file is read from beginning to end into shared or plain memory', async () => {
  const input = await openInput(file('a', 'hello world'))
  assert.deepEqual([input.sizeBytes, input.live], [11, false])
  const target = new Uint8Array(new SharedArrayBuffer(8))
  assert.equal(await input.read(target), 8)
  assert.equal(Buffer.from(target).toString(), 'hello wo')
  assert.equal(await input.read(Buffer.alloc(8)), 3)
  assert.equal(await input.read(Buffer.alloc(8)), 0)
  await input.close()
})

test('an unreadable file says so', async () => {
  const path = file('secret', 'x')
  chmodSync(path, 0)
  chmodSync(folder, 0o755)
  // Root may read everything, so it becomes nobody for a moment.
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    await assert.rejects(openInput(path), { code: 'ERR_PERCORE_INPUT', message: `cannot read ${path}: permission denied` })
    await assert.rejects(openOutput(path), { code: 'ERR_PERCORE_OUTPUT', message: `cannot write ${path}: permission denied` })
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
})

test('an output that exists is emptied, and written in order from shared memory', async () => {
  const path = file('out', 'something longer that was there before')
  const output = await openOutput(path)
  const shared = new Uint8Array(new SharedArrayBuffer(4))
  shared.set(Buffer.from('abcd'))
  await output.write([shared.subarray(0, 2), Buffer.alloc(0), shared.subarray(2)])
  await output.write([Buffer.from('ef')])
  await output.close()
  assert.equal(readFileSync(path, 'utf8'), 'abcdef')
})

test('more pieces than one system call takes are all written', async () => {
  const path = join(folder, 'pieces')
  const output = await openOutput(path)
  await output.write(Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i}\n`)))
  await output.close()
  assert.equal(readFileSync(path, 'utf8'), Array.from({ length: 3000 }, (_, i) => `${i}\n`).join(''))
})

test('a file in use is not emptied, by whatever name it comes', async () => {
  const path = file('taken', 'precious')
  const input = await openInput(path)
  await assert.rejects(openOutput(join(folder, '.', 'taken'), [input]), { code: 'ERR_PERCORE_INVALID_OPTION' })
  assert.equal(readFileSync(path, 'utf8'), 'precious')
  await input.close()
})
