/** The three kinds of ring, for suites that hold for all of them. */
import { shared } from '../../src/base/index.js'
import { MpmcRing, MpscRing, type Ring, type RingHandle, type RingOptions, SpscRing } from '../../src/ring/index.js'
import { laneAt, laneWordsOf, readLayout } from '../../src/ring/ring-layout.js'

export interface Kind {
  readonly name: 'spsc' | 'mpsc' | 'mpmc'
  /** How many it can have of each. */
  readonly producers: number
  readonly consumers: number
  create(options: RingOptions): Ring
  attach(handle: RingHandle): Ring
  bytes(options: RingOptions): number
}

export const kinds: readonly Kind[] = [
  { name: 'spsc', producers: 1, consumers: 1, create: SpscRing.create, attach: SpscRing.attach, bytes: SpscRing.bytes },
  mpscOf(3),
  mpmcOf(3, 2),
]

export function mpscOf(producers: number): Kind {
  const full = (options: RingOptions): Parameters<typeof MpscRing.create>[0] => ({ ...options, producers })
  return {
    name: 'mpsc', producers, consumers: 1,
    create: (options) => MpscRing.create(full(options)), attach: MpscRing.attach, bytes: (options) => MpscRing.bytes(full(options)),
  }
}

export function mpmcOf(producers: number, consumers: number): Kind {
  const full = (options: RingOptions): Parameters<typeof MpmcRing.create>[0] => ({ ...options, producers, consumers })
  return {
    name: 'mpmc', producers, consumers,
    create: (options) => MpmcRing.create(full(options)), attach: MpmcRing.attach, bytes: (options) => MpmcRing.bytes(full(options)),
  }
}

/** Makes a ring whose indices begin here and not at 0: rings run free in u32, and wrap there. */
export function ringAt(kind: Kind, options: RingOptions, index: number): Ring {
  const ring = kind.create(options)
  setIndices(kind, ring, index)
  return ring
}

export function setIndices(kind: Kind, ring: Ring, index: number): void {
  const i32 = new Int32Array(ring.handle.buffer)
  const layout = readLayout(kind.name, ring.handle)
  for (let lane = 0; lane < layout.producers; lane++) {
    for (const word of [laneWordsOf.tail, laneWordsOf.head]) shared.store(i32, laneAt(layout, lane) + word, index | 0)
  }
}

/** Counts the atomic operations of `act`. */
export function atomicsOf(act: () => void): number {
  const saved = { ...shared }
  let count = 0
  for (const name of Object.keys(saved) as (keyof typeof saved)[]) {
    Object.assign(shared, { [name]: (...args: unknown[]) => {
      count++
      return (saved[name] as (...args: unknown[]) => unknown)(...args)
    } })
  }
  try {
    act()
  } finally {
    Object.assign(shared, saved)
  }
  return count
}
