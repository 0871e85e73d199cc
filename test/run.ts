/**
 * Runs every compiled test file under dist/test, or those whose path contains one of the arguments, each in a fresh process:
 * `npm test`, `npm test -- ring`. Exits 1 when a test fails, or when no test was found.
 */
import { readdirSync } from 'node:fs'
import { spec } from 'node:test/reporters'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('.', import.meta.url))
const wanted = process.argv.slice(2)
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.js') && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
  .toSorted()
  .map((file) => root + file)

if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(' ') || '*.test.js'}`)
  process.exit(1)
}

run({ files, concurrency: 1, timeout: 240_000 })
  .on('test:fail', () => { process.exitCode = 1 })
  .compose(new spec())
  .pipe(process.stdout)
