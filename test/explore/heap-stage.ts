/**
 * What the scenarios of the real heap (src/memory) stand on: a tiny heap at the start of the explored memory, a ledger of the blocks in
 * callers' hands behind it, one actor per thread, and the account at the end. Threads of the explorer, and its director.
 *
 * Invariant: a block is in the ledger from when malloc has returned it until free is called, and carries the number of its slot; so a
 * block that is handed out twice is noticed at once, one that is lost at the end, when one thread takes all there is.
 */
import assert from 'node:assert/strict'
import { PercoreError, type Seam, shared, type Words } from '../../src/base/index.js'
import { attachHeap, createHeap, type Ptr, type SharedHeap } from '../../src/memory/index.js'
import {
  R_STATE, RECORD_BORROWED, RECORD_FRESH, RECORD_LIVE, RECORD_POOLED, UNIT_WORDS,
} from '../../src/memory/layout.js'
import { recordWord } from '../../src/memory/view.js'
import { finely, type Size, sizeOf } from './heap-words.js'
import type { Outcome, Scenario, Stage } from './scenario.js'

/**
 * The largest class that has pages of one unit, as all are that a tiny heap has room for: its blocks are the fewest per page, and are carved
 * one at a time.
 */
export const blockBytes = 7168
export const blocksPerPage = 9

/** Slots of the ledger: first those of the set-up, then some for each thread. */
const setupSlots = 64
const threadSlots = 16
const ledgerWords = 128
/** The word of a block that holds 1 + its slot; the first two are the heap's once it is free. */
const cookieAt = 2

export interface Plan extends Size {
  readonly adoption?: 'off' | 'gated' | 'eager'
  /** Prepares the heap; `heaps` has a handle for each record but the fresh ones. Returns the blocks that callers hold. */
  readonly build: (heaps: readonly SharedHeap[], words: Words) => readonly Ptr[]
  /** Records, the last ones, that nobody has ever held. */
  readonly fresh?: number
  /** Records that the threads hold from the start, by number; further ones are for them to attach. */
  readonly open: number
  readonly threads: readonly ((actor: Actor) => void)[]
  readonly mortal?: readonly number[]
  /** Makes points of the plain accesses to shared words as well, but not those of a mortal: it cannot die between two of them. */
  readonly fine?: boolean
}

const heapWords = (size: Size): number => (size.units + 1) * UNIT_WORDS
const isFull = (error: unknown): boolean => error instanceof PercoreError && error.code === 'ERR_PERCORE_OUT_OF_MEMORY'

function stateWord(plan: Plan, record: number): number {
  return recordWord(sizeOf(plan), record) + R_STATE
}

/** A handle for a record that is live already, without a step at the seam: who holds which record is not what is explored. */
function holding(plan: Plan, buffer: SharedArrayBuffer, record: number): SharedHeap {
  const seam: Seam = { ...shared }
  const mine = stateWord(plan, record)
  shared.load = (_, index) => (index === mine ? RECORD_POOLED : RECORD_LIVE)
  shared.compareExchange = () => RECORD_POOLED
  try {
    return attachHeap({ buffer, byteOffset: 0 })
  } finally {
    Object.assign(shared, seam)
  }
}

/** One thread's hands. Each call is a point, so that the plain looks of the fast paths fall between any two steps of the others. */
export class Actor {
  readonly stage: Stage
  readonly #raw: Int32Array
  readonly #ledger: number
  readonly #size: Size
  #slot: number
  #heap: SharedHeap | undefined

  constructor(plan: Plan, stage: Stage, seat: number) {
    this.stage = stage
    this.#raw = new Int32Array(stage.words.buffer)
    this.#ledger = heapWords(plan)
    this.#size = plan
    this.#slot = setupSlots + seat * threadSlots
    if (seat < plan.open) this.#heap = holding(plan, stage.words.buffer, seat)
  }

  get heap(): SharedHeap {
    this.stage.step()
    assert.ok(this.#heap, 'this thread is attached')
    return this.#heap
  }

  /** Returns the block's slot, or −1 when the heap is full. */
  malloc(bytes: number = blockBytes): number {
    const ptr = this.heap.tryMalloc(bytes)
    if (ptr === 0) return -1
    assert.equal(this.#raw[ptr + cookieAt], 0, `block ${ptr} is handed out while another thread holds it`)
    this.#raw[ptr + cookieAt] = this.#slot + 1
    this.#raw[this.#ledger + this.#slot] = ptr
    return this.#slot++
  }

  free(...slots: number[]): void {
    for (const slot of slots) {
      if (slot < 0) continue
      const heap = this.heap
      const ptr = this.#raw[this.#ledger + slot]
      assert.equal(this.#raw[ptr + cookieAt], slot + 1, `block ${ptr} belongs to its holder`)
      this.#raw[ptr + cookieAt] = 0
      this.#raw[this.#ledger + slot] = 0
      heap.free(ptr as Ptr)
    }
  }

  /** Frees a block and sends it at once. */
  give(...slots: number[]): void {
    for (const slot of slots) {
      this.free(slot)
      this.heap.flush()
    }
  }

  attach(): void {
    this.stage.step()
    this.#heap = attachHeap({ buffer: this.stage.words.buffer, byteOffset: 0 })
  }

  /** Attaches as soon as some thread has detached. */
  attachSoon(): void {
    for (;;) {
      try {
        return this.attach()
      } catch (error) {
        if (!isFull(error)) throw error
        this.stage.pause()
      }
    }
  }

  /** Lets others have what is free in this thread's pages, for a while. */
  park(): void {
    this.heap.park()
    this.stage.step()
    this.heap.unpark()
  }

  detach(): void {
    this.heap.detach()
    this.#heap = undefined
  }

  /** Waits for the end of a thread, and finishes what it left if it was killed; `forgotten` words of its record are wiped before. */
  reclaim(seat: number, forgotten: readonly number[] = []): void {
    if (!this.stage.join(seat)) return
    const record = recordWord(sizeOf(this.#size), seat)
    for (const word of forgotten) this.#raw[record + word] = 0
    this.heap.reclaim(seat)
  }

  /** Frees a block that another thread may free as well. Being told so is right. */
  freeAlso(ptr: number): void {
    try {
      this.heap.free(ptr as Ptr)
    } catch (error) {
      if (!(error instanceof PercoreError && error.code === 'ERR_PERCORE_BAD_POINTER')) throw error
      this.stage.note(ptr)
    }
  }
}

/** The blocks in callers' hands, which are taken out of them. */
function heldBlocks(plan: Plan, raw: Int32Array): Ptr[] {
  const held: Ptr[] = []
  const ledger = heapWords(plan)
  for (let slot = 0; slot < ledgerWords; slot++) {
    const ptr = raw[ledger + slot] as Ptr
    if (ptr === 0) continue
    assert.equal(raw[ptr + cookieAt], slot + 1, `block ${ptr} belongs to its holder still`)
    raw[ptr + cookieAt] = 0
    held.push(ptr)
  }
  return held
}

function auditIsClean(heap: SharedHeap, when: string): ReturnType<SharedHeap['audit']> {
  const report = heap.audit({ quiet: true })
  assert.deepEqual(report.problems, [], when)
  return report
}

/**
 * When all threads have ended: the audit is clean, the blocks that are out are those that callers hold, and once they are freed one thread
 * can have every block there is room for. A death may cost one block.
 */
function account(plan: Plan, { words, died }: Outcome): void {
  const raw = words.i32
  const heaps: SharedHeap[] = []
  for (let record = 0; record < plan.records; record++) {
    const state = raw[stateWord(plan, record)]
    assert.notEqual(state, RECORD_BORROWED, `record ${record} was borrowed and not returned`)
    if (state === RECORD_LIVE) heaps.push(holding(plan, words.buffer, record))
    else assert.ok(state === RECORD_POOLED || state === RECORD_FRESH)
  }
  const one = heaps.shift() ?? attachHeap({ buffer: words.buffer, byteOffset: 0 })
  const { blocks, largeBlocks } = auditIsClean(one, 'at the end')
  const held = heldBlocks(plan, raw)
  const lost = blocks.out + largeBlocks - held.length
  assert.ok(lost >= 0 && lost <= (died < 0 ? 0 : 1), `${lost} blocks are out and in nobody's hands`)
  for (const ptr of held) one.free(ptr)
  one.flush()
  for (const heap of heaps) heap.detach()
  auditIsClean(one, 'when all is freed')
  const all: Ptr[] = []
  for (let ptr = one.tryMalloc(blockBytes); ptr !== 0; ptr = one.tryMalloc(blockBytes)) {
    assert.equal(raw[ptr + cookieAt], 0, `block ${ptr} is handed out twice`)
    raw[ptr + cookieAt] = 1
    all.push(ptr)
  }
  const room = plan.units * blocksPerPage // long pages, if there is room for any, hold more
  if (lost === 0) {
    assert.ok(all.length >= room, `one thread can have ${all.length} blocks of ${room}`)
    assert.equal(one.stats().bytesFree, 0, 'every unit is in use')
  } else assert.ok(all.length < room && all.length >= room - 3 * blocksPerPage, `one thread can have ${all.length} blocks of ${room}`)
  auditIsClean(one, 'when the heap is full')
  for (const ptr of all) one.free(ptr)
  one.trim()
  auditIsClean(one, 'when it is empty again')
}

/** Makes a scenario of a plan. What the set-up builds is built once and copied from then on. */
export function heapScenario(plan: Plan): Scenario {
  const size = heapWords(plan)
  let image: Int32Array | undefined
  const build = (): Int32Array => {
    const buffer = new SharedArrayBuffer((size + ledgerWords) * 4)
    const i32 = new Int32Array(buffer)
    const heaps = [createHeap({ buffer, byteLength: size * 4, records: plan.records, adoption: plan.adoption ?? 'off' })]
    while (heaps.length < plan.records - (plan.fresh ?? 0)) heaps.push(attachHeap(heaps[0].handle))
    const blocks = plan.build(heaps, { buffer, i32, f64: new Float64Array(buffer), u8: new Uint8Array(buffer) })
    for (const [slot, ptr] of blocks.entries()) {
      i32[size + slot] = ptr
      i32[ptr + cookieAt] = slot + 1
    }
    return i32
  }
  return {
    words: size + ledgerWords,
    ...(plan.mortal === undefined ? {} : { mortal: plan.mortal }),
    setup: ({ i32 }) => i32.set((image ??= build())),
    threads: plan.threads.map((body, seat) => (stage: Stage): void => {
      if (plan.fine === true && plan.mortal?.includes(seat) !== true) finely(stage, plan, () => body(new Actor(plan, stage, seat)))
      else body(new Actor(plan, stage, seat))
    }),
    check: (outcome) => account(plan, outcome),
  }
}
