import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { PercoreError } from '../../src/base/index.js'
import { isError, kind, kindMask } from '../../src/codec/index.js'
import { bench } from './fixture.js'

const { codec, at, live, limit } = bench()

function fail<T>(thrown: T): T {
  const tag = codec.encodeError(thrown, at)
  assert.ok(isError(tag))
  const received = codec.decode(tag, at) as T
  assert.equal(live(), 0)
  return received
}

test('built-in errors keep class, name, message and the stack of the thread that threw', () => {
  for (const type of [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError]) {
    const error = new type('no good')
    const received = fail(error)
    assert.notEqual(received, error)
    assert.equal(Object.getPrototypeOf(received), type.prototype)
    assert.equal(received.message, 'no good')
    assert.equal(received.name, type.name)
    assert.equal(received.stack, error.stack)
    assert.deepEqual(Object.keys(received), [])
  }
})

test('a class of the program comes back as its nearest built-in class under its own name', () => {
  class QuotaError extends RangeError {
    override readonly name = 'QuotaError'
    readonly limit = 10
  }
  const received = fail(new QuotaError('too much'))
  assert.equal(Object.getPrototypeOf(received), RangeError.prototype)
  assert.equal(received.name, 'QuotaError')
  assert.equal(received.limit, 10)
  assert.match(String(received.stack), /errors\.test/)
})

test('code, cause and own enumerable properties survive, those of system errors too', () => {
  const cause = Object.assign(new TypeError('inner', { cause: 'the root' }), { code: 'E_INNER' })
  const received = fail(Object.assign(new Error('outer', { cause }), { code: 42, where: { line: 3, seen: new Set([1]) }, rows: [1, 2] }))
  assert.equal(received.code, 42)
  assert.deepEqual(received.where, { line: 3, seen: new Set([1]) })
  assert.deepEqual(received.rows, [1, 2])
  const inner = received.cause as Error & { code: string }
  assert.equal(Object.getPrototypeOf(inner), TypeError.prototype)
  assert.deepEqual([inner.message, inner.code, inner.cause], ['inner', 'E_INNER', 'the root'])
  let missing: unknown
  try {
    process.chdir('/no/such/place')
  } catch (error) {
    missing = error
  }
  const system = fail(missing) as NodeJS.ErrnoException
  assert.deepEqual([system.code, system.syscall], ['ENOENT', 'chdir'])
})

test('an AggregateError brings its errors along', () => {
  const received = fail(new AggregateError([new RangeError('a'), 'b', new PercoreError('ERR_PERCORE_ROW', 'c')], 'all failed'))
  assert.ok(received instanceof AggregateError)
  assert.equal(received.message, 'all failed')
  assert.ok(received.errors[0] instanceof RangeError)
  assert.equal(received.errors[1], 'b')
  assert.equal(received.errors[2].code, 'ERR_PERCORE_ROW')
})

test('a PercoreError is one on the other side, and a DOMException too', () => {
  const received = fail(new PercoreError('ERR_PERCORE_ROW', 'row 7', { cause: new Error('x') }))
  assert.ok(received instanceof PercoreError)
  assert.deepEqual([received.code, received.name, received.message, (received.cause as Error).message], ['ERR_PERCORE_ROW', 'PercoreError', 'row 7', 'x'])
  const aborted = fail(new DOMException('stop', 'AbortError'))
  assert.ok(aborted instanceof DOMException)
  assert.deepEqual([aborted.name, aborted.code, aborted.message], ['AbortError', 20, 'stop'])
})

test('an error of another realm keeps its class', () => {
  const received = fail(runInNewContext('new TypeError("elsewhere")') as Error)
  assert.ok(received instanceof TypeError)
  assert.equal(received.message, 'elsewhere')
})

test('what was thrown without being an error comes back as itself', () => {
  for (const thrown of [undefined, null, 0, -0.5, 'a string', { code: 1 }, [1], new Map([[1, 2]]), 'x'.repeat(500)]) assert.deepEqual(fail(thrown), thrown)
})

test('what cannot be sent is described instead of sent', () => {
  const thrown = fail<unknown>(() => 1) as PercoreError
  assert.equal(thrown.code, 'ERR_PERCORE_NOT_CLONEABLE')
  assert.match(thrown.message, /a function/)
  const error = fail(Object.assign(new Error('outer', { cause: Symbol('why') }), { retry() {}, attempts: 3 }))
  assert.deepEqual(Object.keys(error), ['attempts'])
  assert.equal((error.cause as PercoreError).code, 'ERR_PERCORE_NOT_CLONEABLE')
  assert.match((error.cause as PercoreError).message, /Symbol\(why\)/)
})

test('no error is strange enough to throw', () => {
  const hostile = new Error('x')
  for (const name of ['stack', 'message', 'name', 'code', 'cause', 'extra']) {
    Object.defineProperty(hostile, name, { enumerable: true, get() { throw new Error(`no ${name}`) } })
  }
  const looped = new Error('round')
  looped.cause = looped
  const throwing = new Proxy(new Error('p'), { get() { throw new Error('trap') }, ownKeys() { throw new Error('trap') } })
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const odd = Object.assign(new Error('odd'), { name: 5, stack: { a: 1 }, message: 7 })
  for (const thrown of [hostile, looped, throwing, proxy, odd, Object.create(Error.prototype), Object.create(null)]) {
    const tag = codec.encodeError(thrown, at)
    assert.ok(isError(tag))
    codec.decode(tag, at)
    assert.equal(live(), 0)
  }
  let chain: unknown = fail(looped)
  for (let depth = 0; chain instanceof Error; depth++, chain = chain.cause) assert.ok(depth < 100, 'the chain of causes ends')
})

test('an error that finds no room still says how it began', () => {
  limit(64)
  const tag = codec.encodeError(new TypeError(`row 12 is not valid: ${'x'.repeat(500)}`), at)
  limit(Infinity)
  assert.equal(tag & kindMask, kind.lostError)
  const received = codec.decode(tag, at) as PercoreError
  assert.equal(received.code, 'ERR_PERCORE_OUT_OF_MEMORY')
  assert.match(received.message, /TypeError: row 12 is not valid/)
  assert.equal(live(), 0)
})

test('errors that hold one another end, and those that are cut off are counted', () => {
  const knot = new AggregateError([], 'knot')
  knot.errors.push(knot, knot, knot)
  knot.cause = knot
  let count = 0
  const visit = (error: unknown): void => {
    count++
    if (error instanceof AggregateError) error.errors.forEach(visit)
    if (error instanceof Error && error.cause !== undefined) visit(error.cause)
  }
  visit(fail(knot))
  assert.ok(count < 5000, `${count} errors`)
  const many = fail(new AggregateError(Array.from({ length: 1500 }, (_, i) => new Error(`no ${i}`)), 'many'))
  assert.equal(many.errors.length, 1001)
  assert.equal(many.errors[999].message, 'no 999')
  assert.equal(many.errors[1000].message, '500 more errors were cut off')
  const some = fail(new AggregateError(Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? i : new Error(`no ${i}`))), 'some'))
  assert.deepEqual([some.errors.length, some.errors[298], some.errors[299].message], [300, 298, 'no 299'])
})
