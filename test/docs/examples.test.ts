/**
 * Every example that a reader sees runs, as it is written: those of doc comments (rules in doc-comments.ts) and those of the pages
 * (page.ts), and prints what it says it prints (printed.ts).
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { readExamples } from './doc-comments.js'
import { readPage } from './page.js'
import { root, Workshop } from './workshop.js'

const read = (origin: string): { origin: string; text: string } => ({ origin, text: readFileSync(join(root, origin), 'utf8') })
const filesIn = (folder: string, end: string, recursive: boolean): string[] => readdirSync(join(root, folder), { recursive, encoding: 'utf8' })
  .filter((file) => file.endsWith(end))
  .toSorted()
  .map((file) => `${folder}/${file}`)

const pages = ['README.md', 'ARCHITECTURE.md', ...filesIn('docs', '.md', false)].filter((page) => existsSync(join(root, page))).map(read)
const written = pages.map(({ origin, text }) => ({ origin, ...readPage(origin, text) }))
const programs = [...readExamples(filesIn('src', '.ts', true).map(read)), ...written.flatMap((page) => page.programs)]

const workshop = new Workshop(programs)
after(() => workshop.close())
await workshop.compile()

void describe('every example runs as it is written:', { concurrency: 2 }, () => {
  for (const program of programs) {
    test(`${program.origin}:${program.line}`, async () => {
      const mistakes = await workshop.try(program)
      if (mistakes.length > 0) assert.fail(mistakes.join('\n'))
    })
  }
})

test("the package's own declarations pass a user's strict compiler", () => {
  assert.deepEqual(workshop.otherMistakes, [])
})

test('every page says of each block of code which file it is, or why it is not run', () => {
  assert.deepEqual(written.flatMap(({ origin, unmarked }) => unmarked.map((line) => `${origin}:${line}`)), [])
})

test('every public class and function is used in an example', async () => {
  const code = programs.flatMap((program) => program.files.filter((file) => !file.inherited).map((file) => file.code)).join('\n')
  const faces = await Promise.all([import('../../src/index.js'), import('../../src/memory/index.js'), import('../../src/ring/index.js'), import('../../src/exec/index.js'), import('../../src/piscina/index.js')])
  const names = faces.flatMap((face) => Object.entries(face).filter(([name, value]) => typeof value === 'function' && name !== 'module.exports').map(([name]) => name))
  assert.ok(names.includes('ExecGroup'))
  assert.deepEqual(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(code)), [])
})
