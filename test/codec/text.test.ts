import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { blockBit, kind, kindMask } from '../../src/codec/index.js'
import { readLatin1, readUtf16, textAreaOf, writeLatin1, writeUtf16 } from '../../src/codec/text.js'
import { seed } from './seed.js'
import { bench } from './fixture.js'

const { codec, at, trip, live } = bench()

test('text of up to 48 bytes stays in the descriptor, one byte per character or two', () => {
  const cases: [unit: string, kind: number, inlineLength: number][] = [['a', kind.latin1, 48], ['\xff', kind.latin1, 48], ['\u0100', kind.utf16, 24]]
  for (const [unit, expected, inlineLength] of cases) {
    for (const length of [1, 2, inlineLength - 1, inlineLength, inlineLength + 1, 47, 48, 49, 1000]) {
      const value = unit.repeat(length)
      const tag = codec.encode(value, at)
      assert.equal(tag & kindMask, expected)
      assert.equal((tag & blockBit) === 0, length <= inlineLength, `${length} characters`)
      assert.equal(codec.decode(tag, at), value)
    }
  }
  assert.equal(trip(''), '')
  assert.equal(live(), 0)
})

test('every length comes back as it was, wide or narrow', () => {
  for (let length = 0; length < 140; length++) {
    const narrow = Array.from({ length }, (_, i) => String.fromCharCode(32 + (i * 7) % 224)).join('')
    assert.equal(trip(narrow), narrow)
    assert.equal(trip(`${narrow}\u2603`), `${narrow}\u2603`)
  }
})

test('lone surrogates, pairs and NUL survive at any place', () => {
  for (const value of ['\ud800', '\udc00', 'a\ud800', '\udfffb', '\ud83d\ude00', '\0', 'a\0b', `${'x'.repeat(60)}\ud800`]) assert.equal(trip(value), value)
  fc.assert(fc.property(fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 120 }), (value) => trip(value) === value), { seed })
})

test('text made by joining and slicing comes back equal', () => {
  const long = 'abcdefghij'.repeat(1000)
  for (const value of [long.slice(5, 40), long.slice(1, 9000), `${long}\u4e00`.slice(0, 9000), `${long}${long}`, `${long.slice(3, 20)}\u4e00`]) {
    assert.equal(trip(value), value)
  }
})

test('a host without Buffer reads and writes the same bytes', () => {
  const u8 = new Uint8Array(new SharedArrayBuffer(1 << 16))
  const area = textAreaOf(u8)
  const bare = { ...area, native: undefined }
  for (const length of [0, 5, 16, 17, 33, 5000]) {
    const narrow = 'h\xe9llo w\xf6rld '.repeat(500).slice(0, length)
    const wide = 'h\u4e00llo \ud800 '.repeat(700).slice(0, length)
    for (const [writer, reader] of [[area, bare], [bare, area]] as const) {
      writeLatin1(writer, narrow, 6)
      assert.equal(readLatin1(reader, 6, length), narrow)
      writeUtf16(writer, wide, 6)
      assert.equal(readUtf16(reader, 6, length), wide)
    }
  }
})
