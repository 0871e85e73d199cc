/**
 * The sheets on which threads share the shapes of objects (src/codec/shapes.ts): the real codec between the ends of a lane. Writers send rows whose
 * shapes are shared with them, and may die anywhere; a successor carries on in lane and sheet. Readers know nothing but the addresses in the rows.
 */
import assert from 'node:assert/strict'
import type { Words } from '../../src/base/index.js'
import { type Codec, createCodec, type ShapeSheet } from '../../src/codec/index.js'
import { shapeBytes, shareAfterUses } from '../../src/codec/shapes.js'
import { initLane, LaneConsumer, LaneProducer, laneWords, recoverProduced } from '../../src/ring/index.js'
import type { Outcome, Scenario, Stage } from './scenario.js'

const capacity = 2
/** Lanes start two below the wrap of u32. */
const first = -2
/** A descriptor for each thread that nobody reads; then a sheet for each writer, and its lane. */
const scratchAt = (thread: number): number => thread * 16
const sheetOf = (writer: number, bytes: number): ShapeSheet => ({ at: 64 + writer * 32, bytes })
const laneAt = (writer: number): number => 128 + writer * laneWords(capacity)
const written = 32
const payload = 3
const sheetBytesMax = 128

const shapes = [['a'], ['b'], ['a', 'b']] as const
const keysOf = (row: number): readonly string[] => shapes[(row - 1) % shapes.length]
const rowOf = (row: number): object => Object.fromEntries(keysOf(row).map((key) => [key, row]))

interface Play {
  readonly writers: number
  /** Rows of each writer. */
  readonly rows: number
  readonly sheetBytes?: number
  /** Writer 0 may die, and has a successor. */
  readonly mortal?: boolean
  readonly flaws?: Partial<Parts>
}

/** What a mistake replaces. */
interface Parts {
  /** The words in which a writer's codec writes; and what is called once a row is published. */
  readonly writes: (words: Words, sheet: ShapeSheet) => { readonly words: Words; readonly published: () => void }
  /** The sheet of a writer. */
  readonly sheet: (writer: number) => number
  /** Before a successor carries on. */
  readonly inherit: (stage: Stage, sheet: ShapeSheet) => void
}
const right: Parts = { writes: (words) => ({ words, published: () => {} }), sheet: (writer) => writer, inherit: () => {} }

function codecOf(words: Words, sheet?: ShapeSheet): Codec {
  return createCodec(words, { malloc: () => assert.fail('a row fits its descriptor'), free: () => assert.fail('no block is taken') }, { sheet })
}

function scenarioOf({ writers, rows, sheetBytes = sheetBytesMax, mortal = false, flaws = {} }: Play): Scenario {
  const parts = { ...right, ...flaws }

  function write(stage: Stage, thread: number, writer: number, from: number): void {
    const sheet = sheetOf(parts.sheet(writer), sheetBytes)
    const { words, published } = parts.writes(stage.words, sheet)
    const codec = codecOf(words, sheet)
    const lane = new LaneProducer(stage.i32, laneAt(writer), capacity)
    for (let row = from; row <= rows; row++) {
      for (let use = 1; use < shareAfterUses; use++) codec.encode(rowOf(row), scratchAt(thread) + payload) // this one shares its shape
      let slot = lane.claim()
      for (; slot < 0; slot = lane.claim()) stage.pause()
      stage.i32[slot] = codec.encode(rowOf(row), slot + payload)
      lane.commit()
      lane.publish()
      published()
    }
  }

  /** Every other row is read by a thread that has just come, as far as its codec knows. */
  function read(stage: Stage): void {
    const lanes = Array.from({ length: writers }, (_, writer) => new LaneConsumer(stage.i32, laneAt(writer), capacity))
    const next = lanes.map(() => 1)
    let codec = codecOf(stage.words)
    while (next.some((row) => row <= rows)) {
      let taken = 0
      for (const [writer, lane] of lanes.entries()) {
        const ready = lane.poll()
        for (let n = 0; n < ready; n++) {
          const row = next[writer]++
          const value = codec.decode(stage.i32[lane.peek()], lane.peek() + payload) as object
          assert.deepEqual(value, rowOf(row))
          assert.deepEqual(Object.keys(value), keysOf(row))
          if (row % 2 === 0) codec = codecOf(stage.words)
          lane.advance()
        }
        if (ready > 0) lane.release()
        taken += ready
      }
      if (taken === 0) stage.pause()
    }
  }

  const threads = Array.from({ length: writers }, (_, writer) => (stage: Stage) => write(stage, writer, writer, 1))
  const successor = (stage: Stage): void => {
    if (!stage.join(0)) return
    recoverProduced(stage.i32, laneAt(0))
    parts.inherit(stage, sheetOf(0, sheetBytes))
    write(stage, writers + 1, 0, ((stage.i32[laneAt(0) + written] - first) | 0) + 1)
  }
  return {
    words: laneAt(writers),
    mortal: mortal ? [0] : [],
    setup: ({ i32 }) => { for (let writer = 0; writer < writers; writer++) initLane(i32, laneAt(writer), first) },
    threads: mortal ? [...threads, read, successor] : [...threads, read],
    check: ({ words }) => { for (let writer = 0; writer < writers; writer++) assertWhole(words, sheetOf(writer, sheetBytes), rows) },
  }
}

/** A sheet holds each shape that there was room for, once, and nothing else. */
function assertWhole({ i32, u8 }: Outcome['words'], { at, bytes }: ShapeSheet, rows: number): void {
  const header = 8
  const met: string[] = []
  for (let from = header; from < i32[at];) {
    const size = 8 + i32[at + from / 4 + 1]
    met.push(u8.slice(at * 4 + from, at * 4 + from + size).join(' '))
    from += (size + 7) & ~7
  }
  const all = shapes.slice(0, rows).map((keys) => shapeBytes(keys).join(' '))
  assert.deepEqual(met.toSorted(), all.slice(0, Math.floor((bytes - header) / 16)).toSorted(), 'each shape lies on the sheet once')
}

/** A sheet's shapes are not written where they are to be, but when `write` is called. */
function holding(words: Words, counted: (write: () => void) => Int32Array): { readonly words: Words; readonly write: () => void } {
  let held = (): void => {}
  const write = (): void => {
    held()
    held = () => {}
  }
  const u8 = new Proxy(words.u8, {
    get: (target, key) => {
      if (key === 'set') return (bytes: Uint8Array, at: number) => { held = () => target.set(bytes, at) }
      return Reflect.get(target, key, target) as unknown
    },
  })
  return { words: { ...words, u8, i32: counted(write) }, write }
}

const countsFirst: Parts['writes'] = (words, sheet) => ({
  words: holding(words, (write) => new Proxy(words.i32, {
    get: (target, key) => Reflect.get(target, key, target) as unknown,
    set: (target, key, value: number) => {
      target[Number(key)] = value
      if (Number(key) === sheet.at) write()
      return true
    },
  })).words,
  published: () => {},
})

const publishesFirst: Parts['writes'] = (words) => {
  const { words: held, write } = holding(words, () => words.i32)
  return { words: held, published: write }
}

export const holds: Record<string, Scenario> = {
  'shapes shared with the rows that have them': scenarioOf({ writers: 1, rows: 4 }),
  'two threads share, each on its own sheet': scenarioOf({ writers: 2, rows: 2 }),
  'a sheet with room for two of three shapes': scenarioOf({ writers: 1, rows: 3, sheetBytes: 40 }),
  'a thread that shares dies, and its successor carries on': scenarioOf({ writers: 1, rows: 4, mortal: true }),
}

export const broken: Record<string, Scenario> = {
  'a shape is counted before it is written': scenarioOf({ writers: 1, rows: 2, mortal: true, flaws: { writes: countsFirst } }),
  'a row is published before its shape is written': scenarioOf({ writers: 1, rows: 2, flaws: { writes: publishesFirst } }),
  'two threads share on one sheet': scenarioOf({ writers: 2, rows: 2, flaws: { sheet: () => 0 } }),
  'a successor begins the sheet anew': scenarioOf({
    writers: 1, rows: 2, mortal: true,
    flaws: { inherit: ({ i32 }, { at }) => { i32[at] = 0 } },
  }),
}

export const scenarios: Record<string, Scenario> = { ...holds, ...broken }
