/**
 * Mistakes made at the atomics seam: the real heap runs, and one kind of its shared steps is replaced by what such code is often shipped
 * with. The explorer must find every one: that is how we know that it can fail.
 */
import { type Seam, shared } from '../../src/base/index.js'
import { RECORD_LIVE, RECORD_PARKED, RECORD_PARKED_BORROWED, REMOTE_ARMED } from '../../src/memory/layout.js'
import { type Kind, kindOf, type Size, sizeOf } from './heap-words.js'

type Mistake = (right: Seam, kind: (index: number) => Kind) => Partial<Seam>

/** Neither of these two is one step. */
const compareThenStore = (right: Seam): Seam['compareExchange'] => (words, index, expected, value) => {
  const old = right.load(words, index)
  if (old === expected) right.store(words, index, value)
  return old
}
const loadThenStore = (right: Seam): Seam['exchange'] => (words, index, value) => {
  const old = right.load(words, index)
  right.store(words, index, value)
  return old
}

const tornCompare = (wanted: Kind): Mistake => (right, kind) => {
  const torn = compareThenStore(right)
  return { compareExchange: (words, index, ...values) => (kind(index) === wanted ? torn : right.compareExchange)(words, index, ...values) }
}
const tornExchange = (wanted: Kind): Mistake => (right, kind) => {
  const torn = loadThenStore(right)
  return { exchange: (words, index, value) => (kind(index) === wanted ? torn : right.exchange)(words, index, value) }
}
/** Replaces the compare-exchanges of remote words that `applies` to. */
const remote = (
  applies: (expected: number, value: number) => boolean,
  instead: (right: Seam, words: Int32Array, index: number, expected: number, value: number) => number,
): Mistake => (right, kind) => ({
  compareExchange: (words, index, expected, value) =>
    kind(index) === 'remote' && applies(expected, value)
      ? instead(right, words, index, expected, value)
      : right.compareExchange(words, index, expected, value),
})
/** A step of a record's state that is taken whatever the state is. */
const state = (from: number, to: number): Mistake => (right, kind) => ({
  compareExchange: (words, index, expected, value) => {
    if (kind(index) !== 'state' || expected !== from || value !== to) return right.compareExchange(words, index, expected, value)
    right.store(words, index, to)
    return from
  },
})
const isPush = (expected: number, value: number): boolean => value !== 0 && value !== REMOTE_ARMED && value !== expected

export const brokenSeams: Record<string, Mistake> = {
  'a batch is published by a load and a store': remote(isPush, (right, ...step) => compareThenStore(right)(...step)),
  'a page is announced by a load and a store': tornCompare('pending'),
  'a page is armed without a second look': remote(
    (_, value) => value === REMOTE_ARMED,
    (right, words, index, _, value) => {
      right.store(words, index, value)
      return 0
    },
  ),
  'the list of remote frees is taken by a load and a store': tornExchange('remote'),
  'the announced pages are taken by a load and a store': tornExchange('pending'),
  'a sender leaves the page armed': remote(
    (expected, value) => isPush(expected, value) && (expected & REMOTE_ARMED) !== 0,
    (right, words, index, expected, value) => right.compareExchange(words, index, expected, value | REMOTE_ARMED),
  ),
  'a sender forgets that the page was armed': (right, kind) => ({
    compareExchange: (words, index, expected, value) =>
      kind(index) === 'pending' ? expected : right.compareExchange(words, index, expected, value),
  }),
  'a page is disarmed whatever became of it': remote(
    (expected, value) => expected === REMOTE_ARMED && value === 0,
    (right, words, index, expected, value) => {
      right.store(words, index, value)
      return expected
    },
  ),
  'units are claimed by a load and a store': tornCompare('bitmap'),
  'units are given back by a load and a store': (right) => ({
    add: (words, index, value) => {
      const old = right.load(words, index)
      right.store(words, index, old + value)
      return old
    },
  }),
  'a record is taken by a load and a store': tornCompare('state'),
  'a large block is freed by a load and a store': tornCompare('home'),
  'a parked thread takes its record back whoever has it': state(RECORD_PARKED, RECORD_LIVE),
  'a borrowed record goes back to a thread that has died': state(RECORD_PARKED_BORROWED, RECORD_PARKED),
}

/** Runs `body` with the mistake in place of this thread's seam. */
export function withSeam(mistake: Mistake, size: Size, body: () => void): void {
  const right: Seam = { ...shared }
  const geometry = sizeOf(size)
  Object.assign(shared, mistake(right, (index) => kindOf(geometry, index)))
  try {
    body()
  } finally {
    Object.assign(shared, right)
  }
}
