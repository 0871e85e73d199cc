import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blocksIn, CLASS_BYTES_MAX, CLASS_COUNT, classBytes, classOf, firstSpan, laterSpan, LONG_SPAN, reachOf, SHORT_SPAN, strideBytes, strideMagic } from '../../src/memory/classes.js'
import { CLASS_SLOTS, REMOTE_COUNT_MASK, REMOTE_FIRST_MASK, UNIT_WORDS } from '../../src/memory/layout.js'

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

test('one product tells the starts of the first blocks from every other word of a page, for every class and number of blocks', () => {
  for (let c = 0; c < CLASS_COUNT; c++) {
    const magic = strideMagic(c)
    const stride = strideBytes(c) / 4
    const step = reachOf(c, 1)
    const most = reachOf(c, blocksIn(c, LONG_SPAN))
    assert.ok(most <= 0x7fffffff, `class ${c}: ${most}`)
    for (let offset = 0; offset < LONG_SPAN * UNIT_WORDS; offset++) {
      const product = Math.imul(offset, magic) >>> 0
      if (offset % stride === 0) assert.equal(product, (offset / stride) * step, `class ${c}, offset ${offset}`)
      else if (product < most) assert.fail(`class ${c}, offset ${offset} counts as the start of a block`)
    }
  }
})

test('counts and offsets of every class fit the fields of the remote word and the tables of a record', () => {
  assert.ok(CLASS_COUNT <= CLASS_SLOTS)
  for (let c = 0; c < CLASS_COUNT; c++) {
    const capacity = blocksIn(c, laterSpan(c))
    assert.ok(capacity <= REMOTE_COUNT_MASK && ((capacity - 1) * strideBytes(c)) / 16 <= REMOTE_FIRST_MASK, `class ${c}`)
  }
})

test("a thread's first page of a class is no longer than further ones", () => {
  for (let c = 0; c < CLASS_COUNT; c++) {
    assert.ok([SHORT_SPAN, LONG_SPAN].includes(firstSpan(c)) && firstSpan(c) <= laterSpan(c) && laterSpan(c) <= LONG_SPAN, `class ${c}`)
    assert.ok(blocksIn(c, firstSpan(c)) >= 1, `class ${c}`)
  }
})
