/** Values of every kind against the engine's own structuredClone: equal, of the same prototypes, with the same shared references. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { PercoreError } from '../../src/base/index.js'
import { kind, kindMask } from '../../src/codec/index.js'
import { bench } from './fixture.js'
import { seed } from './seed.js'

const { codec, at, trip, live } = bench(64 << 20)

/** Whether two graphs have the same shape: what is one object here is one object there, prototypes and key orders match. */
function assertSameGraph(a: unknown, b: unknown, pairs: Map<unknown, unknown> = new Map(), taken: Set<unknown> = new Set()): void {
  if (typeof a !== 'object' || a === null) return assert.ok(Object.is(a, b), `${String(a)} and ${String(b)}`)
  assert.ok(typeof b === 'object' && b !== null)
  if (pairs.has(a)) return assert.equal(pairs.get(a), b, 'a shared reference stays shared')
  assert.ok(!taken.has(b), 'two objects stay two')
  pairs.set(a, b)
  taken.add(b)
  assert.equal(Object.getPrototypeOf(a), Object.getPrototypeOf(b))
  assert.deepEqual(Reflect.ownKeys(a), Reflect.ownKeys(b))
  for (const key of Reflect.ownKeys(a)) {
    const one: PropertyDescriptor = Object.getOwnPropertyDescriptor(a, key)!
    const two: PropertyDescriptor = Object.getOwnPropertyDescriptor(b, key)!
    assert.deepEqual([one.enumerable, one.writable, one.configurable], [two.enumerable, two.writable, two.configurable])
    assertSameGraph(one.value, two.value, pairs, taken)
  }
  if (a instanceof Date) assertSameGraph(a.getTime(), (b as typeof a).getTime())
  if (a instanceof Map) assertSameGraph([...a], [...b as typeof a], pairs, taken)
  if (a instanceof Set) assertSameGraph([...a], [...b as typeof a], pairs, taken)
  if (ArrayBuffer.isView(a)) assertSameGraph(a.buffer, (b as typeof a).buffer, pairs, taken)
}

function assertClones(value: unknown): void {
  const expected: unknown = structuredClone(value)
  const actual = trip(value)
  assert.equal(live(), 0)
  assert.deepStrictEqual(actual, expected)
  assertSameGraph(expected, actual)
}

const key = fc.oneof({ weight: 6, arbitrary: fc.constantFrom('id', 'name', 'tags', 'score', 'x', 'y') }, fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'length', '0', '1', '17', '4294967295', '-1', '01', '', 'ключ', '\ud800', 'hasOwnProperty'))
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(-0, 0, NaN, 2 ** 27 - 1, 2 ** 27, -(2 ** 27), -(2 ** 27) - 1, 2 ** 31, -(2 ** 31)))
const text = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }))
const scalar = fc.oneof(number, text, fc.boolean(), fc.constantFrom(null, undefined))

function objectOf(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.tuple(fc.array(fc.tuple(key, value), { maxLength: 8 }), fc.boolean()).map(([entries, bare]) => {
    const object = Object.create(bare ? null : Object.prototype) as object
    for (const [name, item] of entries) Object.defineProperty(object, name, { value: item, enumerable: true, configurable: true, writable: true })
    return object
  })
}

const { plain } = fc.letrec<{ plain: unknown }>((tie) => ({
  plain: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, fc.array(tie('plain'), { maxLength: 8 }), objectOf(tie('plain'))),
}))

const viewClasses = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array]
const buffer = fc.oneof(fc.uint8Array({ minLength: 8, maxLength: 64 }).map((bytes) => bytes.buffer),
  fc.nat(40).map((length) => new ArrayBuffer(length + 8, { maxByteLength: length + 20 })))
/** Views of every kind, with an offset, of their own or of one another's buffer. */
const views = fc.tuple(fc.array(buffer, { minLength: 1, maxLength: 2 }), fc.array(fc.tuple(fc.nat(viewClasses.length), fc.nat(1), fc.nat(7), fc.nat(7)), { maxLength: 4 }))
  .map(([buffers, choices]) => choices.map(([kindIndex, which, offset, length]) => {
    const of = buffers[which % buffers.length]!
    const type = viewClasses[kindIndex]
    if (type === undefined) return new DataView(of, Math.min(offset, of.byteLength))
    const size = type.BYTES_PER_ELEMENT
    const from = Math.min(offset, of.byteLength / size >> 0) * size
    return new type(of, from, Math.min(length, (of.byteLength - from) / size >> 0))
  }))
class Point {
  x = 1
  #hidden = 2
  get sum(): number { return this.x + this.#hidden }
}
const errorClasses = [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError]
const error = fc.tuple(fc.constantFrom(...errorClasses), fc.string(), fc.option(scalar), fc.boolean()).map(([type, message, cause, more]) =>
  Object.assign(cause === null ? new type(message) : new type(message, { cause }), more ? { code: 'E_MORE', name: 'Custom' } : {}))

const exotic = fc.oneof(
  fc.bigInt(), fc.date({ noInvalidDate: true }), fc.constantFrom(/a+/gi, /\u{1f600}/uy, new String('boxed'), new String('\ud800'), new Number(-0), new Number(NaN), new Boolean(false), Object(7n)),
  fc.uint8Array(), fc.float64Array().map((array) => array.subarray(array.length >> 1)), fc.uint8Array().map((array) => array.buffer),
  views, buffer, fc.uint8Array().map((array) => Buffer.from(array)), error,
  fc.array(error, { maxLength: 3 }).map((errors) => new AggregateError(errors, 'all of them', { cause: errors[0] })),
  fc.sparseArray(scalar, { maxLength: 20 }), fc.sparseArray(scalar, { maxLength: 6 }).map((array) => Object.assign(array, { named: 1 })),
  fc.constant(new Point()), scalar.map((value) => ({ get computed() { return value } })), scalar.map((value) => Object.freeze([value, value])),
  fc.constantFrom(new (class extends Map<number, number> {})([[1, 2]]), new (class extends Array<unknown> {})(3), new (class extends Date {})(3), Object.assign(new Set([1]), { lost: 1 })),
  fc.constantFrom('k'.repeat(70_000), '\u4e00'.repeat(300)).map((name) => ({ [name]: name.length })),
)
const { any } = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, exotic, fc.array(tie('any'), { maxLength: 6 }), objectOf(tie('any')),
    fc.array(fc.tuple(tie('any'), tie('any')), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie('any'), { maxLength: 4 }).map((items) => new Set(items)),
    tie('any').map((shared) => [shared, { again: shared }]),
    tie('any').map((inner) => {
      const looped: Record<string, unknown> = { inner }
      looped['self'] = looped
      return looped
    })),
}))

test('plain data comes back as structuredClone gives it', () => {
  fc.assert(fc.property(plain, assertClones), { seed, numRuns: 3000 })
})

test('everything structuredClone takes comes back as structuredClone gives it', () => {
  fc.assert(fc.property(any.filter((value) => !(value instanceof Uint8Array)), assertClones), { seed, numRuns: 3000 })
})

const poisons: readonly (readonly [RegExp, () => unknown])[] = [
  [/is a function \(late\)/, () => function late() {}], [/is a symbol \(Symbol\(s\)\)/, () => Symbol('s')], [/is a Promise.*Await it/, () => Promise.resolve()],
  [/is a WeakMap/, () => new WeakMap()], [/is a Proxy/, () => new Proxy({}, {})], [/is a Proxy/, () => new Proxy([], {})], [/is a Generator/, () => (function* () {})()],
  [/is a WeakRef/, () => new WeakRef({})], [/cannot be read \(boom\)/, () => ({ get bad() { throw new Error('boom') } })],
]
type Step = readonly [text: string, wrap: (inner: unknown) => unknown]
const steps: readonly Step[] = [
  ['.a', (inner) => ({ x: 1, a: inner })], ['["b-c"]', (inner) => ({ 'b-c': inner })], ['[2]', (inner) => [0, 'one', inner]], ['.get("k")', (inner) => new Map([['k', inner]])],
  ['.cause', (inner) => new Error('outer', { cause: inner })],
]

test('what structuredClone refuses is refused wherever it lies, by the path to it, and leaves nothing behind', () => {
  fc.assert(fc.property(fc.constantFrom(...poisons), fc.array(fc.constantFrom(...steps), { maxLength: 5 }), ([reason, make], way) => {
    const poison = make()
    const value = way.reduceRight<unknown>((inner, [, wrap]) => wrap(inner), poison)
    assert.throws(() => structuredClone(value))
    const path = `value${way.map(([text]) => text).join('')}`
    assert.throws(() => codec.encode(value, at), (refusal: unknown) => {
      assert.ok(refusal instanceof PercoreError)
      assert.equal(refusal.code, 'ERR_PERCORE_NOT_CLONEABLE')
      assert.match(refusal.message, reason)
      assert.ok(refusal.message.startsWith(`${path} `) || refusal.message.startsWith(`${path}.bad `), `${refusal.message} does not name ${path}`)
      return true
    })
    assert.equal(live(), 0)
    assert.deepEqual(trip({ next: [1] }), { next: [1] })
  }), { seed, numRuns: 500 })
})

test('what lives in the host, not in the data, is refused with its name', async () => {
  const { port1 } = new MessageChannel()
  const key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])
  const memory = new SharedArrayBuffer(8)
  const cases: [RegExp, unknown][] = [
    [/^value is a SharedArrayBuffer.*workerData/, memory], [/^value\.view is an Int32Array.*workerData/, { view: new Int32Array(memory) }], [/^value is a Blob/, new Blob(['x'])],
    [/^value\[0\] is a CryptoKey/, [key]], [/^value is a MessagePort/, port1],
    [/^value is nested too deeply/, Array.from({ length: 100_000 }).reduce((inner) => [inner], 0)],
  ]
  for (const [message, value] of cases) assert.throws(() => codec.encode(value, at), { code: 'ERR_PERCORE_NOT_CLONEABLE', message })
  port1.close()
  assert.equal(live(), 0)
})

test('what the engine writes and cannot read fails where it is read, with a code, and frees its block', () => {
  const wasm = Reflect.get(globalThis, 'WebAssembly') as { Module: new (code: Uint8Array) => object }
  const looped = new Error('round')
  looped.cause = looped
  for (const value of [looped, { inside: [looped] }, new wasm.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))]) {
    assert.throws(() => trip(value), { code: 'ERR_PERCORE_NOT_CLONEABLE', message: /cannot be rebuilt/ })
    assert.equal(live(), 0)
  }
})

test('plain data does not need the engine\'s serialiser, and what only looks plain does not escape it', () => {
  const shared = { a: 1 }
  const looped: Record<string, unknown> = {}
  looped['self'] = looped
  const deep: unknown[] = []
  for (let depth = 0, inner = deep; depth < 200; depth++) inner.push(inner = [])
  const getter = { get later() { return new Map() } }
  const bytes = Uint8Array.of(1, 2, 3)
  const cases: [number, unknown][] = [
    [kind.plain, {}], [kind.plain, []], [kind.plain, { a: [1, { b: 'c' }], d: undefined }], [kind.plain, Object.create(null)], [kind.plain, { get now() { return 1 } }],
    [kind.plain, { [Symbol('ignored')]: 1, kept: 2 }], [kind.plain, [undefined]], [kind.plain, JSON.parse('{"__proto__":{"a":1}}')],
    [kind.structured, { a: shared, b: shared }], [kind.structured, looped], [kind.structured, deep], [kind.structured, [1, , 3]], [kind.structured, getter], // oxlint-disable-line no-sparse-arrays
    [kind.structured, Object.assign([1], { named: 2 })], [kind.structured, /(a)/.exec('a')], [kind.structured, new (class Point { x = 1 })()],
    [kind.plain, { when: new Date(0), data: new Uint8Array(9) }],
    [kind.structured, [bytes, bytes.buffer]], [kind.structured, [bytes, new Uint8Array(bytes.buffer)]], [kind.structured, [bytes.subarray(1)]],
    [kind.structured, [Buffer.alloc(3)]], [kind.structured, { when: Object.create(Date.prototype) as Date }], [kind.structured, { none: new Uint8Array() }],
    [kind.structured, [1n]], [kind.structured, Array(3)], [kind.structured, Object.assign([], { length: 2 })],
    [kind.structured, Object.assign(Array(2), { 0: 1, extra: 2 })],
  ]
  for (const [expected, value] of cases) {
    const tag = codec.encode(value, at)
    assert.equal(tag & kindMask, expected)
    codec.release(tag, at)
    assertClones(value)
  }
})

test('many objects, long lists and large trees come back equal', () => {
  const rows = Array.from({ length: 5000 }, (_, id) => ({ id, name: `row ${id}`, tags: ['a', `b${id % 7}`], score: id / 3, [`extra${id % 100}`]: null }))
  assert.deepStrictEqual(trip(rows), rows)
  const twice = [...rows, rows[17]]
  const back = trip(twice)
  assert.equal(back[17], back[5000])
  const dictionary = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`key ${i * 7919 % 3000}`, i]))
  assert.deepStrictEqual(trip(dictionary), dictionary)
  assert.deepEqual(Object.keys(trip(dictionary)), Object.keys(dictionary))
  for (let round = 0; round < 300; round++) assertClones({ [`only${round}`]: round, ['__proto__']: round, list: [{ [`k${round % 3}`]: 'x'.repeat(round) }] })
  assertClones({ text: 'y'.repeat(1_000_000), wide: '\u4e00'.repeat(300_000) })
})

test('an invalid date stays one', () => {
  assert.ok(Number.isNaN(trip({ at: new Date(NaN) }).at.getTime()))
})

test('a shape seen a thousand times still reads right, whatever its keys are named', () => {
  const value = JSON.parse('{"a":1,"__proto__":2,"b-c":3,"\\"]: 4":4,"\\u2028":5,"class":6,"7":7,"\\ud800":8,"${x}":9}') as unknown
  const expected = structuredClone(value)
  for (let round = 0; round < 1000; round++) assert.deepStrictEqual(trip(value), expected)
  assert.deepEqual(Reflect.ownKeys(trip(value) as object), Reflect.ownKeys(expected as object))
})

test('a host that forbids making code from text reads the same', async () => {
  const { runHardened } = await import('./hardened.js')
  assert.deepEqual(await runHardened(), { id: 1, name: 'x', rounds: 1000 })
})

test('a setter on Object.prototype is not met by what is read', () => {
  const trap = { enumerable: false, configurable: true, set() { throw new Error('met') }, get() { return 'inherited' } }
  Object.defineProperty(Object.prototype, 'score', trap) // oxlint-disable-line no-extend-native
  try {
    const value = Object.defineProperty({ id: 1 }, 'score', { value: 2, enumerable: true })
    for (let round = 0; round < 300; round++) assert.deepEqual(Object.getOwnPropertyDescriptor(trip(value), 'score')?.value, 2)
  } finally {
    Reflect.deleteProperty(Object.prototype, 'score')
  }
})

test('an enumerable property on Object.prototype is not taken for an own one', () => {
  Object.defineProperty(Object.prototype, 'polluted', { value: 1, enumerable: true, configurable: true }) // oxlint-disable-line no-extend-native
  try {
    assert.deepEqual(Object.keys(trip({ a: 1 })), ['a'])
  } finally {
    Reflect.deleteProperty(Object.prototype, 'polluted')
  }
})

test('getters that change, remove or send while they are read do no harm', () => {
  const shrinking = (): object => ({ get a() { Reflect.deleteProperty(this, 'b'); return 1 }, b: 2, c: 3 })
  const growing = (): object => ({ get a() { Reflect.set(this, 'later', 1); return 1 }, c: 3 })
  for (const make of [shrinking, growing]) assert.deepStrictEqual(trip(make()), structuredClone(make()))
  const list: unknown[] = [1, { get cut() { list.length = 2; return 0 } }, 3]
  assert.deepEqual(trip(list), [1, { cut: 0 }])
  const nested = { get inner() { return trip({ sent: [1, 'two'] }) }, after: 'kept' }
  assert.deepEqual(trip(nested), { inner: { sent: [1, 'two'] }, after: 'kept' })
})

test('what structuredClone refuses is refused with what, where and what to do, and leaves nothing behind', () => {
  const cases: [unknown, RegExp][] = [
    [() => 1, /^value is a function, which cannot be copied.*handler/],
    [Symbol('s'), /^value is a symbol \(Symbol\(s\)\)/],
    [{ rows: [1, 2, 3, { callback() {} }] }, /^value\.rows\[3\]\.callback is a function \(callback\)/],
    [new Map([['jobs', [new WeakMap()]]]), /^value\.get\("jobs"\)\[0\] is a WeakMap/],
    [new Map([[() => 1, 1]]), /^the key #0 of value is a function/],
    [new Set(['a', Symbol('b')]), /^\[\.\.\.value\]\[1\] is a symbol/],
    [{ 'a b': { done: Promise.resolve() } }, /^value\["a b"\]\.done is a Promise.*Await/],
    [{ proxy: new Proxy({ a: 1 }, {}) }, /^value\.proxy is a Proxy/],
    [[new Proxy([], {})], /^value\[0\] is/],
    [{ port: new MessageChannel().port1 }, /^value\.port is a MessagePort/],
    [{ memory: new SharedArrayBuffer(8) }, /^value\.memory is a SharedArrayBuffer.*workerData/],
    [new Error('outer', { cause: () => 1 }), /^value\.cause is a function/],
    [{ get broken() { throw new TypeError('from the getter') } }, /^value\.broken cannot be read \(from the getter\)/],
  ]
  for (const [value, message] of cases) {
    assert.throws(() => codec.encode(value, at), (error) => {
      assert.ok(error instanceof PercoreError)
      assert.equal(error.code, 'ERR_PERCORE_NOT_CLONEABLE')
      assert.match(error.message, message)
      return true
    })
    assert.equal(live(), 0)
    assert.equal(trip('usable'), 'usable')
  }
})

test('a host without a serialiser still takes plain data, and refuses the rest', () => {
  const refused = (): never => { throw new TypeError('no serialiser here') }
  const { codec, at, trip } = bench(1 << 20, { structured: { serialize: refused, deserialize: refused } })
  assert.deepEqual(trip({ a: [1, 'x'] }), { a: [1, 'x'] })
  assert.throws(() => codec.encode(new Map(), at), { code: 'ERR_PERCORE_NOT_CLONEABLE', message: /no serialiser here/ })
  const error = codec.decode(codec.encodeError(new TypeError('bad row', { cause: new Error('why') }), at), at) as Error
  assert.ok(error instanceof TypeError)
  assert.equal((error.cause as Error).message, 'why')
})
