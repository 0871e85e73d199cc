import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CLASS_BYTES_MAX, CLASS_COUNT, classBytes, classOf, spanUnits, strideBytes, strideMagic } from '../../src/memory/classes.js'
import { CLASS_SLOTS, REMOTE_COUNT_MASK, REMOTE_FIRST_MASK, UNIT_BYTES, UNIT_WORDS } from '../../src/memory/layout.js'

test('every size is served by the smallest class that holds it', () => {
  for (let bytes = 0; bytes <= CLASS_BYTES_MAX; bytes++) {
    const c = classOf[(bytes + 15) >>> 4]!
    assert.ok(classBytes[c]! >= bytes && (c === 0 || classBytes[c - 1]! < Math.max(bytes, 1)), `${bytes} bytes`)
  }
})

test('classes waste at most a fifth above 128 bytes, and include the middle sizes 8 to 52 KiB', () => {
  for (let c = 1; c < CLASS_COUNT; c++) if (classBytes[c]! > 128) assert.ok(classBytes[c - 1]! >= classBytes[c]! * 0.8, `class ${c}`)
  for (const kib of [8, 16, 24, 32, 40, 48, 52]) assert.ok(classBytes.includes(kib * 1024), `${kib} KiB`)
})

test('a block lies within its stride, and strides keep blocks aligned to 16 bytes', () => {
  for (let c = 0; c < CLASS_COUNT; c++) assert.ok(strideBytes(c) >= classBytes[c]! && strideBytes(c) % 16 === 0, `class ${c}`)
})

test('the multiplicative test agrees with the remainder for every word of a page of every class', () => {
  for (let c = 0; c < CLASS_COUNT; c++) {
    const magic = strideMagic(c)
    const stride = strideBytes(c) / 4
    for (let offset = 0; offset < spanUnits(c) * UNIT_WORDS; offset++) {
      assert.equal(Math.imul(offset, magic) >>> 0 < magic, offset % stride === 0, `class ${c}, offset ${offset}`)
    }
  }
})

test('counts and offsets of every class fit the fields of the remote word and the tables of a record', () => {
  assert.ok(CLASS_COUNT <= CLASS_SLOTS)
  for (let c = 0; c < CLASS_COUNT; c++) {
    const capacity = Math.floor((spanUnits(c) * UNIT_BYTES) / strideBytes(c))
    assert.ok(capacity <= REMOTE_COUNT_MASK && ((capacity - 1) * strideBytes(c)) / 16 <= REMOTE_FIRST_MASK, `class ${c}`)
  }
})
