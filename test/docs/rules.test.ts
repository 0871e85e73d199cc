/** What the readers of pages and doc comments take for a program, and what is said of one that is wrong. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { readExamples } from './doc-comments.js'
import { readPage } from './page.js'
import { isAsSaid } from './printed.js'
import { Workshop } from './workshop.js'

/** A page or comment, written with ' for `. */
const lines = (...texts: string[]): string => texts.join('\n').replaceAll("'''", '```')

const page = lines(
  '# A page',
  '<!-- file: data.txt -->', "'''", 'one', "'''",
  '<!-- file: main.mjs -->', '', "'''js", 'console.log(1) // 1', "'''",
  "'''sh", 'npm ci', "'''",
  '<!-- run -->', "'''sh", 'cat data.txt; percore --version', "'''",
  '<!-- prints -->', "'''", 'one', '…', "'''",
  '<!-- file: main.mjs -->', "'''js", 'await import("node:fs").then((fs) => fs.readFileSync("data.txt"))', 'console.log(2) // 3', "'''",
  '<!-- file: main.ts -->', "'''ts", 'const n: number = "four"', "'''",
)

const comment = lines(
  '/**', ' * Greets.', ' *', ' * @example', " * '''ts", " * import { greet } from './greet.js'", ' *', ' * greet()', ' * missing.thing()', " * '''", ' */', '',
  '/**', ' * @example', " * '''ts", ' * // greet.ts', " * export const greet = (): void => console.log('hi') // hello", " * '''", ' */',
)

const { programs, unmarked } = readPage('PAGE.md', page)
const [onlyMain, secondMain] = programs
const examples = readExamples([{ origin: 'a.ts', text: comment }])
const late = readExamples([{ origin: 'b.ts', text: lines('/**', ' * @example', " * '''ts", ' * null', ' *   ?.thing', " * '''", " * '''ts", " * throw new Error('no')", " * '''", ' */') }])

const workshop = new Workshop([...programs, ...examples, ...late])
after(() => workshop.close())
await workshop.compile()

test('a name that comes again on a page begins a program, with the other files but no other main', () => {
  assert.deepEqual(programs.map(({ files }) => files.map(({ name, inherited }) => (inherited ? `(${name})` : name))), [
    ['data.txt', 'main.mjs'],
    ['(data.txt)', 'main.mjs', 'main.ts'],
  ])
  assert.deepEqual(onlyMain.steps.map(({ kind, line }) => `${kind} ${line}`), ['node 9', 'sh 16'])
})

test('code on a page without a mark is reported, unless a reason is given', () => {
  assert.deepEqual(unmarked, [])
  assert.deepEqual(readPage('p.md', lines('Text', "'''js", 'run()', "'''", '<!-- not run: a sketch -->', "'''ts", 'run()', "'''")).unmarked, [3])
  assert.deepEqual(readPage('p.md', lines('<!-- prints -->', "'''", 'of what?', "'''")).unmarked, [3])
})

test('a page that is right is right', async () => {
  assert.deepEqual(await workshop.try(onlyMain), [])
})

test('what does not compile is named by its line on the page', async () => {
  assert.deepEqual(await workshop.try(secondMain), ["PAGE.md:30: error TS2322: Type 'string' is not assignable to type 'number'."])
})

test('what does not compile is named by its line in the doc comment', async () => {
  assert.deepEqual(await workshop.try(examples[0]), ["a.ts:9: error TS2304: Cannot find name 'missing'."])
})

test('a line that never printed what it says is named', async () => {
  assert.deepEqual(await workshop.try(examples[1]), ["a.ts:17: says 'hello', but never printed anything"])
})

test('a line that printed something else is named', async () => {
  const [program] = readPage('OTHER.md', lines('<!-- file: main.mjs -->', "'''js", 'for (const n of [1, 2]) console.log({ n }) // { n: 1 }', "'''")).programs
  const other = new Workshop([program])
  after(() => other.close())
  assert.deepEqual(await other.try(program), ["OTHER.md:3: says '{ n: 1 }', but printed '{ n: 1 }, { n: 2 }'"])
})

test('an example that throws is named, with the line that threw', async () => {
  assert.deepEqual(late.map(({ line }) => line), [4, 8])
  const [mistake] = await workshop.try(late[1])
  assert.match(mistake, /^b\.ts:8: ended with exit code 1\n.*b\.ts:8\n/s)
})

test('what is said matches any white space, any text for an ellipsis, and anything for an instance', () => {
  assert.ok(isAsSaid('[ 1, 2 ]', '[\n  1,  2\n]'))
  assert.ok(isAsSaid('took … ms (once)', 'took 1.5 ms (once)'))
  assert.ok(isAsSaid('e.g. 12', '15'))
  assert.ok(!isAsSaid('e.g. 12', ''))
  assert.ok(!isAsSaid('4.', '42'))
})
