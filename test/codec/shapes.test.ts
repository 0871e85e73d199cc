/** Shapes are sent once and then named by an address: that must hold for every thread, after deaths, and whatever keys are thrown at it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createPrng, type Words, wordsOf } from '../../src/base/index.js'
import { blockBit, type Codec, createCodec, type ShapeSheet } from '../../src/codec/index.js'
import { shareAfterUses } from '../../src/codec/shapes.js'
import { createHeap } from '../../src/memory/index.js'
import { bench, sheet } from './fixture.js'
import { seed } from './seed.js'

const at = 19
const row = (id: number): unknown => ({ id, name: 'Ada Lovelace', tags: ['alpha', 'beta', 'gamma'], score: 0.75 })

/** Several threads' codecs over one memory, all on this thread. A successor has its predecessor's sheet. */
function company(count: number): { words: Words, codecs: Codec[], replace(thread: number): void, usedBytes(thread: number): number } {
  const words = wordsOf(new SharedArrayBuffer(64 << 20))
  const sheetOf = (thread: number): ShapeSheet => ({ at: 1024 + thread * 512, bytes: 2048 })
  const heap = createHeap({ buffer: words.buffer, byteOffset: 16_384 })
  const start = (thread: number): Codec => createCodec(words, heap, { sheet: sheetOf(thread) })
  const codecs = Array.from({ length: count }, (_, thread) => start(thread))
  return {
    words,
    codecs,
    replace: (thread) => { codecs[thread] = start(thread) },
    usedBytes: (thread) => words.i32[sheetOf(thread).at]!,
  }
}

test('a shape travels a few times, then a row of it fits its descriptor', () => {
  const { codec, words, live } = bench()
  for (let use = 1; use <= 10; use++) {
    const tag = codec.encode(row(use), at)
    const travels = use < shareAfterUses
    assert.equal(words.i32[at] !== 0, travels, `use ${use} brings its shape along`)
    assert.equal((tag & blockBit) !== 0, travels)
    assert.deepEqual(codec.decode(tag, at), row(use))
  }
  assert.equal(live(), 0)
})

test('a thread that comes later reads what is already named by address', () => {
  const { codecs, replace } = company(2)
  for (let use = 0; use < 300; use++) assert.deepEqual(codecs[1]!.decode(codecs[0]!.encode(row(use), at), at), row(use))
  replace(1)
  assert.deepEqual(codecs[1]!.decode(codecs[0]!.encode(row(7), at), at), row(7))
})

test('a successor carries on in the sheet of the one before: nothing is shared twice, what was sent before stays readable', () => {
  const { codecs, replace, usedBytes } = company(2)
  const trip = (value: unknown): unknown => codecs[1]!.decode(codecs[0]!.encode(value, at), at)
  for (let use = 0; use < 10; use++) trip(row(use))
  const used = usedBytes(0)
  const underWay = codecs[0]!.encode(row(1), at)
  replace(0)
  for (let use = 0; use < 10; use++) codecs[0]!.release(codecs[0]!.encode(row(use), at + 16), at + 16)
  assert.equal(usedBytes(0), used)
  assert.deepEqual(codecs[1]!.decode(underWay, at), row(1))
  for (let use = 0; use < 10; use++) assert.deepEqual(trip({ score: use, id: 1 }), { score: use, id: 1 })
  assert.ok(usedBytes(0) > used)
  for (let life = 0; life < 50; life++) {
    replace(0)
    for (let use = 0; use < 10; use++) assert.deepEqual(trip(row(use)), row(use))
  }
  assert.ok(usedBytes(0) < 2 * used, 'lives leave nothing behind')
})

test('a thread that dies while it shares a shape has shared nothing', () => {
  const { codecs, words, replace, usedBytes } = company(2)
  const trip = (value: unknown): unknown => codecs[1]!.decode(codecs[0]!.encode(value, at), at)
  for (let use = 0; use < 10; use++) trip(row(use))
  const used = usedBytes(0)
  words.u8.fill(0xee, 4096 + used, 4096 + used + 64) // written, and not yet counted
  replace(0)
  for (let use = 0; use < 10; use++) {
    for (const value of [row(use), { x: use, y: 0 }]) assert.deepEqual(trip(value), value)
  }
  assert.ok(usedBytes(0) > used && usedBytes(0) < used + 64)
})

test('threads that come and go at any time never mistake one shape for another', () => {
  const prng = createPrng(seed)
  const { codecs, replace, usedBytes } = company(4)
  const names = ['a', 'b', 'c', '__proto__', 'ключ', '0', '', 'x'.repeat(70), 'y'.repeat(300), '\u4e00'.repeat(260), '\ud800']
  for (let step = 0; step < 8000; step++) {
    if (prng.below(100) === 0) replace(prng.below(4))
    const value = {}
    for (let keys = prng.below(5); keys > 0; keys--) {
      Object.defineProperty(value, names[prng.below(names.length)]!, { value: step, enumerable: true, configurable: true, writable: true })
    }
    const copy = codecs[prng.below(4)]!.decode(codecs[prng.below(4)]!.encode([value, step], at), at)
    assert.deepStrictEqual(copy, [value, step])
    assert.deepEqual(Reflect.ownKeys((copy as [object])[0]), Reflect.ownKeys(value))
  }
  for (let thread = 0; thread < 4; thread++) assert.ok(usedBytes(thread) <= 2048)
})

test('keys that never end take a bounded part of the memory, and later shapes still arrive', () => {
  const { codec, trip, live, words } = bench(64 << 20)
  for (let i = 0; i < 20_000; i++) {
    const hostile = { [`key ${i % 50}`]: 1, [`${'long '.repeat(12)}${i % 3000}`]: 'x' }
    for (let use = 0; use <= shareAfterUses; use++) codec.release(codec.encode(hostile, at), at)
    if (i % 500 === 0) assert.deepEqual(trip([hostile]), [hostile])
  }
  assert.ok(words.i32[sheet.at]! > sheet.bytes / 2 && words.i32[sheet.at]! <= sheet.bytes)
  for (let use = 0; use < 300; use++) assert.deepEqual(trip(row(use)), row(use))
  assert.equal(live(), 0)
})

test('shapes that come after a flood of keys that were met once are learned and shared all the same', () => {
  const { codec, words, trip } = bench()
  for (let i = 0; i < 10_000; i++) trip({ [`only ${i}`]: i })
  for (let use = 0; use < 1500; use++) assert.deepEqual(trip(row(use)), row(use))
  const tag = codec.encode(row(1), at)
  assert.equal(words.i32[at], 0, 'no shape travels')
  assert.equal(tag & blockBit, 0, 'nor any key')
})

test('without a sheet shapes travel with every message', () => {
  const { codec, words, trip } = bench(16 << 20, { sheet: undefined })
  for (let use = 0; use < 300; use++) assert.deepEqual(trip(row(use)), row(use))
  codec.release(codec.encode(row(1), at), at)
  assert.notEqual(words.i32[at], 0)
})

test('short text that looks alike is told apart', () => {
  const { trip } = bench()
  const unit = fc.constantFrom('a', 'b', '\0', '\xff')
  const alike = fc.tuple(fc.string({ unit, minLength: 0, maxLength: 3 }), fc.nat(24), fc.string({ unit, maxLength: 5 })).map(([head, middle, tail]) => head + 'm'.repeat(middle) + tail)
  fc.assert(fc.property(fc.array(alike, { maxLength: 30 }), (texts) => {
    assert.deepEqual(trip(texts), texts)
    for (const text of texts) assert.equal(trip(text), text)
  }), { seed, numRuns: 1000 })
})
