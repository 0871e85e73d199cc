import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPrng } from '../../src/base/index.js'
import { locateJsonError } from '../../src/source/json-error.js'

const cases: readonly [text: string, index: number][] = [
  ['{"a":}', 5],
  ['{"a":1,}', 7],
  ['[1,]', 3],
  ['[1 2]', 3],
  ['{"a" 1}', 5],
  ['{a:1}', 1],
  ['{"a":1', 6],
  ['{"a":"x', 7],
  ['"a\tb"', 2],
  ['"\\q"', 1],
  ['01', 1],
  ['1.', 1],
  ['+1', 0],
  ['nul', 0],
  ['[}', 1],
  ['{]', 1],
  ['{} {}', 3],
  ['{}}', 2],
  ['  ', 2],
  ['NaN', 0],
  ["{'a':1}", 1],
]

for (const [text, index] of cases) {
  test(`the first error of ${text} is at ${index}`, () => {
    assert.throws(() => JSON.parse(text), SyntaxError)
    assert.equal(locateJsonError(text).index, index)
  })
}

test('the message names the character, or says that the line ends too early', () => {
  assert.equal(locateJsonError('{"a":}').message, 'not valid JSON: unexpected "}"')
  assert.equal(locateJsonError('{"a":😀}').message, 'not valid JSON: unexpected "😀"')
  assert.equal(locateJsonError('{"a":').message, 'not valid JSON: the line ends too early')
})

test('in any text that is not JSON, what comes before the error can still become JSON', () => {
  const seed = Number(process.env['PERCORE_SEED'] ?? 7)
  const prng = createPrng(seed)
  const good = '{"name":"a\\u00e9\\n","list":[1,-2.5e3,true,false,null,{}],"deep":{"x":[[],[{"y":0}]]}}'
  const letters = '{}[],:"\\ 0.-eatn\t'
  let bad = 0
  for (let round = 0; round < 3000; round += 1) {
    const at = prng.below(good.length)
    const letter = letters[prng.below(letters.length)] as string
    const text = [good.slice(0, at) + letter + good.slice(at + 1), good.slice(0, at) + good.slice(at + 1), good.slice(0, at)][prng.below(3)] as string
    try {
      JSON.parse(text)
    } catch {
      bad += 1
      const { index } = locateJsonError(text)
      assert.ok(index >= 0 && index <= text.length)
      // A prefix of JSON is refused only for ending too early: never for a character inside it.
      const before = locateJsonError(text.slice(0, index))
      const complete = isJson(text.slice(0, index))
      assert.ok(complete || before.index >= index - 8, `seed ${seed}: ${text} at ${index}, but ${before.index} before`)
    }
  }
  assert.ok(bad > 1000)
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
