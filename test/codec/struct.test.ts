import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { struct, type StructFields, type StructScalar } from '../../src/codec/index.js'
import { startGroup } from '../group/start.js'
import { bench } from './fixture.js'
import { seed } from './seed.js'

const scalars = ['i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64', 'f32', 'f64', 'bool'] as const
const Point = struct({ x: 'f64', y: 'f64' })
const Sample = struct({ id: 'u32', valid: 'bool', where: Point, label: struct.text(12), levels: struct.list('f32', 4), corners: struct.list(Point, 2) })

test('fields lie as C lays them out', () => {
  assert.deepEqual({ ...Sample.offsets }, { id: 0, valid: 4, where: 8, label: 24, levels: 36, corners: 56 })
  assert.deepEqual([Sample.byteLength, Sample.alignment], [88, 8])
  const Packed = struct({ a: 'u8', b: 'u16', c: 'u8', d: 'i64', e: 'bool' })
  assert.deepEqual([{ ...Packed.offsets }, Packed.byteLength], [{ a: 0, b: 2, c: 4, d: 8, e: 16 }, 24])
})

test('what is written is what the bytes say, and the other way round', () => {
  const memory = new SharedArrayBuffer(200)
  const view = new DataView(memory)
  const sample = Sample.at(memory, 1)
  Sample.write(sample, { id: 7, valid: true, where: { x: 0.5, y: -0 }, label: 'nørd', levels: [1, 2, 3, 4], corners: [{ x: 1, y: 2 }, { y: 3 }] })
  assert.equal(view.getUint32(88, true), 7)
  assert.equal(view.getUint8(92), 1)
  assert.equal(view.getFloat64(96, true), 0.5)
  assert.equal(view.getFloat32(88 + 36 + 8, true), 3)
  sample.where.x += 1
  sample.corners[1]!.x = 9
  sample.levels[0] = 5
  assert.equal(view.getFloat64(96, true), 1.5)
  assert.deepEqual(Sample.read(sample), { id: 7, valid: true, where: { x: 1.5, y: -0 }, label: 'nørd', levels: [5, 2, 3, 4], corners: [{ x: 1, y: 2 }, { x: 9, y: 3 }] })
  assert.deepEqual(Object.keys(Sample.read(sample)), Object.keys(Sample.offsets))
  assert.equal(new Uint8Array(memory, 0, 88).some((byte) => byte !== 0), false, 'record 0 is untouched')
  assert.equal(new Uint8Array(memory, 176).some((byte) => byte !== 0), false, 'nor what lies behind')
})

test('any layout reads back what was written, and neighbours stay as they were', () => {
  const limits: { readonly [K in StructScalar]: readonly (number | bigint | boolean)[] } = {
    i8: [-128, 127], u8: [0, 255], i16: [-32_768, 32_767], u16: [0, 65_535], i32: [-(2 ** 31), 2 ** 31 - 1], u32: [0, 2 ** 32 - 1],
    i64: [-(2n ** 63n), 2n ** 63n - 1n], u64: [0n, 2n ** 64n - 1n], f32: [-0, Infinity, Math.fround(0.1)], f64: [NaN, -0, 0.1, Number.MIN_VALUE], bool: [true, false],
  }
  const typed = fc.constantFrom(...scalars).chain((type) => fc.constantFrom(...limits[type]).map((value) => [type, value] as const))
  fc.assert(fc.property(fc.array(typed, { minLength: 1, maxLength: 12 }), fc.nat(2), (fields, index) => {
    const layout: StructFields = Object.fromEntries(fields.map(([type], i) => [`f${i}`, type]))
    const values = Object.fromEntries(fields.map(([, value], i) => [`f${i}`, value]))
    const Some = struct(layout)
    const bytes = new Uint8Array(Some.byteLength * 3).fill(0xaa)
    const record = Some.at(bytes, index)
    Some.write(record, values)
    assert.deepStrictEqual(Some.read(record), values)
    for (let i = 0; i < bytes.length; i++) {
      if (i < index * Some.byteLength || i >= (index + 1) * Some.byteLength) assert.equal(bytes[i], 0xaa)
    }
    for (const [i, [type]] of fields.entries()) assert.equal(Some.offsets[`f${i}`]! % { i8: 1, u8: 1, bool: 1, i16: 2, u16: 2, i32: 4, u32: 4, f32: 4, i64: 8, u64: 8, f64: 8 }[type], 0)
  }), { seed, numRuns: 500 })
})

test('one record can walk over an array of them', () => {
  const block = bench().alloc(100 * Point.byteLength)
  assert.equal(Point.count(block), 100)
  const point = Point.at(block)
  for (let i = 0; i < 100; i++) Point.move(point, i).x = i
  let sum = 0
  for (let i = 99; i >= 0; i--) sum += Point.move(point, i).x
  assert.equal(sum, 4950)
  assert.throws(() => Point.move(point, 100), { code: 'ERR_PERCORE_INVALID_OPTION', message: /no record 100: there are 100 of 16 bytes/ })
  block.free()
  assert.throws(() => Point.at(block), { code: 'ERR_PERCORE_BAD_POINTER' })
})

test('text is cut nowhere: what does not fit is refused and leaves the field as it was', () => {
  const Name = struct({ before: 'u8', name: struct.text(5), after: 'u8' })
  const record = Name.at(new ArrayBuffer(8))
  for (const text of ['', 'a', 'abcde', 'né', '\u4e00', 'a\0b']) {
    record.name = 'xxxxx'
    record.name = text
    assert.equal(record.name, text)
  }
  record.name = 'kept'
  for (const text of ['abcdef', 'abcdé', '\u4e00\u4e00']) {
    assert.throws(() => { record.name = text }, { code: 'ERR_PERCORE_INVALID_OPTION', message: /name takes more than its 5 bytes/ })
    assert.equal(record.name, 'kept')
  }
  assert.deepEqual([record.before, record.after], [0, 0])
})

test('a layout that cannot be is refused by the name of what is wrong', () => {
  const cases: [RegExp, () => unknown][] = [
    [/field x is of type 'u128'/, () => struct({ x: 'u128' as 'u64' })], [/at least one field/, () => struct({})], [/field x is nothing/, () => struct({ x: {} as 'u8' })],
    [/struct\.text was given the size 0/, () => struct.text(0)], [/struct\.list was given the size 1\.5/, () => struct.list('u8', 1.5)],
    [/cannot be named __proto__/, () => struct({ ['__proto__']: 'u8' })],
    [/holds 4 items and was set to 3/, () => { Sample.at(new ArrayBuffer(88)).levels = new Float32Array(3) }],
    [/must begin at a multiple of 8, and these bytes begin at 4/, () => Point.at(new Uint8Array(new ArrayBuffer(40), 4))],
    [/no record -1/, () => Point.at(new ArrayBuffer(40), -1)], [/no record 0\.5/, () => Point.at(new ArrayBuffer(40), 0.5)], [/no record 2: there are 2/, () => Point.at(new ArrayBuffer(40), 2)],
  ]
  for (const [message, make] of cases) assert.throws(make, { code: 'ERR_PERCORE_INVALID_OPTION', message })
})

test('fields may have any other name, those of Object.prototype included', () => {
  const Odd = struct({ constructor: 'u8', toString: 'u8', '': 'u8', 0: 'u8' })
  const record = Odd.at(new ArrayBuffer(4))
  record.toString = 3
  record[''] = 4
  assert.deepEqual([record.constructor, record.toString, record[''], record[0]], [0, 3, 4, 0])
})

test('records written here are read by a worker where they lie', async () => {
  await using group = await startGroup({ workers: 1 })
  const block = group.alloc(3 * Point.byteLength)
  const point = Point.at(block)
  for (let i = 0; i < 3; i++) Point.write(Point.move(point, i), { x: i, y: -i })
  const reversed = await group.run('reverse', block)
  const bytes = reversed.bytes.slice().toReversed()
  assert.deepEqual(Point.read(Point.at(bytes, 2)), { x: 2, y: -2 })
  reversed.free()
})
