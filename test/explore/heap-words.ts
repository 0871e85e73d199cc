/**
 * What the words of a tiny heap are for, and a view that makes a point of every plain access to one that several threads use: the
 * heap guesses and polls by plain loads, and those are no steps at the atomics seam. Threads of the explorer.
 */
import { type Seam, shared } from '../../src/base/index.js'
import {
  CLASS_SLOTS, type Geometry, geometryOf, PAGE_SHIFT, PENDING_NEXT, R_PENDING, R_STATE, RECORD_WORDS, REMOTE, UNIT_BYTES, unitColumnAt,
} from '../../src/memory/layout.js'
import type { Stage } from './scenario.js'

export interface Size {
  /** 64 KiB units beside the one that the header takes. */
  readonly units: number
  readonly records: number
}

export function sizeOf({ units, records }: Size): Geometry {
  return geometryOf(0, (units + 1) * UNIT_BYTES, records, false)
}

/** Which kind of word of the heap an index is; 'other' are those of one thread, and those that never change. */
export type Kind = 'remote' | 'next' | 'pending' | 'state' | 'bitmap' | 'home' | 'granule' | 'other'

export function kindOf(g: Geometry, index: number): Kind {
  const within = (first: number, count: number): boolean => index >= first && index < first + count
  if (within(g.records, g.recordCount * RECORD_WORDS)) {
    const inRecord = (index - g.records) % RECORD_WORDS
    if (inRecord === R_STATE) return 'state'
    return inRecord >= R_PENDING && inRecord < R_PENDING + CLASS_SLOTS ? 'pending' : 'other'
  }
  if (within(g.bitmap, Math.ceil(g.endUnit / 32))) return 'bitmap'
  if (within(g.granules, Math.ceil(g.endUnit / 16))) return 'granule'
  if (within(unitColumnAt(g, 'home'), g.endUnit)) return 'home'
  if (!within(g.remotes, g.endUnit << PAGE_SHIFT)) return 'other'
  const inLine = (index - g.remotes) % (1 << PAGE_SHIFT)
  if (inLine === REMOTE) return 'remote'
  return inLine === PENDING_NEXT ? 'next' : 'other'
}

/** Runs `body` with points at the plain accesses too, in each heap that it attaches to. */
export function finely(stage: Stage, size: Size, body: () => void): void {
  const { buffer } = stage.words
  const geometry = sizeOf(size)
  const Real = Int32Array
  const raw = new Map<Int32Array, Int32Array>()
  const watched = (words: Int32Array): Int32Array => {
    const base = words.byteOffset / 4
    const step = (index: number): void => void (kindOf(geometry, base + index) !== 'other' && stage.step())
    const view = new Proxy(words, {
      get: (target, key) => {
        const index = Number(key)
        if (!Number.isInteger(index)) return Reflect.get(target, key, target) as unknown
        step(index)
        return target[index]
      },
      set: (target, key, value: number) => {
        const index = Number(key)
        step(index)
        target[index] = value
        return true
      },
    })
    raw.set(view, words)
    return view
  }
  const right: Seam = { ...shared }
  const of = (words: Int32Array): Int32Array => raw.get(words) ?? words
  const seam: Seam = {
    load: (words, ...step) => right.load(of(words), ...step),
    store: (words, ...step) => right.store(of(words), ...step),
    exchange: (words, ...step) => right.exchange(of(words), ...step),
    compareExchange: (words, ...step) => right.compareExchange(of(words), ...step),
    add: (words, ...step) => right.add(of(words), ...step),
    wait: (words, ...step) => right.wait(of(words), ...step),
    notify: (words, ...step) => right.notify(of(words), ...step),
  }
  Object.assign(shared, seam)
  globalThis.Int32Array = new Proxy(Real, {
    construct: (target, args: unknown[]) => {
      const words = Reflect.construct(target, args) as Int32Array
      return args[0] === buffer && args.length === 3 ? watched(words) : words
    },
  })
  try {
    body()
  } finally {
    globalThis.Int32Array = Real
    Object.assign(shared, right)
  }
}
