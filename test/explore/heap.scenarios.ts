/**
 * The real heap (src/memory) at sizes where a page holds nine blocks and a heap a few pages: every way in which two or three threads meet
 * in it, and deaths. Words: a page is *full* when all its blocks are out and its owner has armed it.
 */
import assert from 'node:assert/strict'
import type { Words } from '../../src/base/index.js'
import { C } from '../../src/memory/counters.js'
import type { Ptr, SharedHeap } from '../../src/memory/index.js'
import {
  BATCH_SLOTS, R_ARMING, R_BORROWED, R_COUNTERS, R_OWED, R_RUN_END, R_RUN_START, UNIT_BYTES, UNIT_SHIFT, UNIT_WORDS,
} from '../../src/memory/layout.js'
import { recordWord, viewOf } from '../../src/memory/view.js'
import { type Actor, blockBytes, blocksPerPage, heapScenario, type Plan } from './heap-stage.js'
import { brokenSeams, withSeam } from './heap-mutants.js'
import { sizeOf } from './heap-words.js'
import type { Scenario } from './scenario.js'

const take = (heap: SharedHeap, count: number, bytes = blockBytes): Ptr[] => Array.from({ length: count }, () => heap.malloc(bytes))
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

/** Record 0 holds one page, all of it in use. */
const onePage = ([owner]: readonly SharedHeap[]): Ptr[] => take(owner, blocksPerPage)
/** Record 0 holds `count` pages in use, all but the last armed; slot 9·p + k is block k of page p. */
const pages = (count: number) => ([owner]: readonly SharedHeap[]): Ptr[] => take(owner, count * blocksPerPage)

const ownerReuses = (actor: Actor): void => {
  actor.malloc()
  actor.free(0)
  actor.malloc()
  actor.malloc()
}
const gives = (...slots: number[]) => (actor: Actor): void => actor.give(...slots)

/** The page is dry; its owner arms it, and finds what comes back. */
const oneSender: Plan = { units: 1, records: 2, open: 2, build: onePage, threads: [ownerReuses, gives(1, 2)] }
const twoSenders: Plan = {
  units: 1, records: 3, open: 3, build: onePage,
  threads: [(actor) => { actor.malloc(); actor.malloc() }, gives(1, 2), gives(3)],
}

/** A full page empties from three sides, while its owner idles and trims: it may be given back only when no sender has its name. */
const emptied: Plan = {
  units: 2, records: 3, open: 3, build: pages(2),
  threads: [
    (actor) => {
      actor.free(0)
      actor.heap.idle()
      actor.heap.trim()
    },
    (actor) => { actor.free(...range(1, 5)); actor.heap.flush() },
    (actor) => { actor.free(...range(5, 9)); actor.heap.flush() },
  ],
}

/** Owner at work in one page while others give blocks of a full one back, twice over. */
const rearmed: Plan = {
  units: 2, records: 2, open: 2, build: pages(2),
  threads: [
    (actor) => {
      actor.heap.idle()
      const slot = actor.malloc()
      actor.malloc()
      actor.give(slot)
    },
    gives(0, 1, 9),
  ],
}

/** Two full pages of one owner are announced at once. */
const announced: Plan = {
  units: 3, records: 3, open: 3, build: pages(3),
  threads: [(actor) => { actor.heap.idle(); actor.malloc() }, gives(0), gives(9)],
}

/** Two pages whose batches share a slot: the units 16 and 73. Large blocks fill the rest of the heap but for the last unit. */
const conflict: Plan = {
  units: 74, records: 2, open: 2,
  build: ([owner]) => {
    const first = take(owner, blocksPerPage)
    const large = [15, 41, 15].map((units) => owner.malloc(units * UNIT_BYTES))
    const more = take(owner, blocksPerPage + 1)
    const slots = [first, more].map(([block]) => block >>> UNIT_SHIFT).map((unit) => (unit + (unit >>> 3)) % BATCH_SLOTS)
    assert.equal(slots[0], slots[1], 'the pages share a slot')
    return [...first, ...more, ...large]
  },
  threads: [
    (actor) => {
      actor.malloc()
      actor.malloc()
      actor.heap.idle()
    },
    (actor) => {
      actor.free(0, 18, 1)
      actor.heap.flush()
    },
  ],
}

/** The owner goes while blocks are on their way to it; another thread takes its record over. */
const handover: Plan = {
  units: 1, records: 2, open: 2, build: onePage,
  threads: [
    (actor) => {
      actor.malloc()
      actor.detach()
    },
    gives(1, 2),
    (actor) => {
      actor.attachSoon()
      actor.malloc()
      actor.heap.idle()
      actor.free(0)
    },
  ],
}

/** A pooled record with room, one that lends itself of it, two that attach: each gets one, whatever is borrowed at the moment. */
const pool: Plan = {
  units: 2, records: 3, open: 1, fresh: 1,
  build: ([owner, gone]) => {
    const blocks = [...take(owner, blocksPerPage), ...take(gone, blocksPerPage)]
    gone.free(blocks.pop()!)
    gone.detach()
    return blocks
  },
  threads: [
    (actor) => actor.free(actor.malloc()),
    (actor) => {
      actor.attach()
      actor.give(9)
      actor.detach()
    },
    (actor) => {
      actor.attach()
      actor.malloc()
    },
  ],
}

/** Blocks come back to the page that a thread takes out of a pooled record. */
const lending: Plan = {
  units: 2, records: 3, open: 2,
  build: (heaps) => {
    const gone = heaps.at(-1)!
    const blocks = take(gone, 2 * blocksPerPage)
    gone.free(blocks.shift()!)
    gone.detach()
    return blocks
  },
  threads: [(actor) => { actor.malloc(); actor.malloc() }, gives(1, 9)],
}

/** Memory is short, so a thread takes back what the records in the pool hold, while others attach and free. */
const trimming: Plan = {
  units: 2, records: 3, open: 2,
  build: (heaps) => {
    const gone = heaps.at(-1)!
    const blocks = take(gone, 2 * blocksPerPage)
    for (const ptr of blocks.splice(1, blocksPerPage - 1)) gone.free(ptr)
    gone.detach()
    return blocks
  },
  threads: [
    (actor) => {
      actor.malloc(100)
      actor.malloc(100)
    },
    gives(0, 1),
    (actor) => {
      actor.attachSoon()
      actor.malloc()
      actor.detach()
    },
  ],
}

/** A parked thread has all the memory; some of it is given back, and wanted by a thread that has none, when its owner wakes up. */
const parked: Plan = {
  units: 2, records: 3, open: 3, build: pages(2),
  threads: [
    (actor) => {
      actor.park()
      actor.malloc()
      actor.park()
    },
    gives(0, 9),
    (actor) => {
      actor.malloc()
      actor.free(actor.malloc())
    },
  ],
}

/** The same, and one wants a whole page that has become empty. */
const parkedEmpty: Plan = {
  units: 2, records: 3, open: 3, build: pages(2),
  threads: [
    (actor) => {
      actor.park()
      actor.malloc()
    },
    (actor) => { actor.free(...range(0, 9)); actor.heap.flush() },
    (actor) => actor.malloc(UNIT_BYTES),
  ],
}

const grabs = (...sizes: number[]) => (actor: Actor): void => {
  for (const size of sizes) actor.malloc(size)
}
const twoUnits = 2 * UNIT_BYTES
/** Three threads want units of a heap that has not enough for all. */
const units: Plan = {
  units: 4, records: 3, open: 3, build: () => [],
  threads: [grabs(blockBytes, twoUnits), grabs(twoUnits), grabs(blockBytes, twoUnits)],
}

/** One whole granule between two halves: reserved, used up, vacated and given back by two at once. */
const chunks: Plan = {
  units: 32, records: 2, open: 2, build: ([owner]) => [owner.malloc(14 * UNIT_BYTES)],
  threads: [0, 1].map(() => (actor: Actor): void => {
    const slot = actor.malloc(twoUnits)
    actor.malloc()
    actor.free(slot)
    actor.heap.trim()
  }),
}

/** Large blocks are freed by others than those who took them, while a third takes what becomes free. */
const large: Plan = {
  units: 4, records: 3, open: 3, build: ([owner]) => take(owner, 2, twoUnits),
  threads: [
    (actor) => {
      actor.free(0)
      actor.malloc(twoUnits)
    },
    (actor) => {
      actor.free(1)
      actor.malloc(3 * UNIT_BYTES)
    },
    (actor) => actor.free(actor.malloc(twoUnits)),
  ],
}

/** Two threads free the same large block; it starts at the first unit. */
const freedTwice: Plan = {
  units: 4, records: 2, open: 2,
  build: ([owner]) => {
    owner.malloc(twoUnits)
    return []
  },
  threads: [0, 1].map(() => (actor: Actor): void => actor.freeAlso(UNIT_WORDS)),
}

/** Four full pages of one class wait at their home, eight blocks in each; every gate of adoption is open. */
const adoptable = (heaps: readonly SharedHeap[], { buffer }: Words): Ptr[] => {
  const [owner, adopter, sender] = heaps
  const blocks = take(owner, 5 * blocksPerPage)
  const given = [1, 2, 3, 4].flatMap((page) => blocks.splice((page - 1), blocksPerPage - 1))
  for (const ptr of given) sender.free(ptr)
  sender.flush()
  const geometry = sizeOf({ units: 5, records: heaps.length })
  const { f64 } = viewOf(buffer, geometry, 0)
  f64[(recordWord(geometry, owner.record) + R_COUNTERS) / 2 + C.refills] = 0
  f64[(recordWord(geometry, adopter.record) + R_COUNTERS) / 2 + C.refills] = 1000
  return blocks
}
/** Slots 0..3 are the last blocks of the four announced pages, the rest those of the owner's active page. */
const adoption = (policy: 'gated' | 'eager'): Plan => ({
  units: 5, records: 3, open: 3, adoption: policy, build: adoptable,
  threads: [
    (actor) => {
      actor.free(1)
      actor.malloc()
    },
    (actor) => {
      actor.malloc()
      actor.free(2)
      actor.heap.idle()
    },
    gives(0, 3),
  ],
})

/** The thread at `seat` of a plan may die anywhere; one more thread reclaims its record. The other threads go on. */
function dies(plan: Plan, seat: number, forgotten: readonly number[] = []): Plan {
  const reclaims = (actor: Actor): void => actor.reclaim(seat, forgotten)
  return { ...plan, records: plan.records + 1, open: plan.open + 1, threads: [...plan.threads, reclaims], mortal: [seat] }
}

/** The owner goes or dies on its way out; whoever comes next takes its record over, while blocks come back. */
const handedOn: Plan = {
  units: 1, records: 3, open: 3, build: onePage, mortal: [0],
  threads: [
    ...handover.threads.slice(0, 2),
    (actor) => {
      actor.reclaim(0)
      actor.malloc()
    },
    (actor) => {
      actor.attachSoon()
      actor.malloc()
      actor.detach()
    },
  ],
}

const right: Record<string, Plan> = {
  'owner and one sender': oneSender,
  'owner and two senders': twoSenders,
  'a page that empties': emptied,
  'a page that comes and goes': rearmed,
  'two pages announced at once': announced,
  'batches of two pages in one slot': conflict,
  'an owner that detaches': handover,
  'a pool of records': pool,
  'a page out of a pooled record': lending,
  'what others left is trimmed': trimming,
  'pages of a parked thread': parked,
  'pages of a parked thread, disowned': { ...parked, adoption: 'eager' },
  'an empty page of a parked thread': parkedEmpty,
  'units for three': units,
  'chunks for two': chunks,
  'large blocks': large,
  'a large block freed twice': freedTwice,
  'adoption, gated': adoption('gated'),
  'adoption, eager': adoption('eager'),
  'a sender dies': dies(oneSender, 1),
  'an owner dies': dies(oneSender, 0),
  'an owner dies on its way out': handedOn,
  'an owner dies as its page empties': dies(emptied, 0),
  'a borrower dies': dies(lending, 0),
  'one that takes units dies': dies(units, 0),
  'one that frees a large block dies': dies(large, 1),
  'a parked thread dies': dies(parked, 0),
  'one that borrows from a parked thread dies': dies(parked, 2),
  'an adopter dies': dies(adoption('eager'), 1),
  'an owner dies, its pages disowned': dies({ ...oneSender, adoption: 'eager' }, 0),
  'an owner dies whose pages are adopted': dies(adoption('gated'), 0),
  'a thread dies that trims what others left': dies({ ...trimming, threads: trimming.threads.slice(0, 2) }, 0),
}

/** All of it again, with points at the plain accesses. */
const fine = Object.entries(right).map(([name, plan]): [string, Plan] => [`${name}, finely`, { ...plan, fine: true }])
const all: readonly (readonly [string, Plan])[] = [...Object.entries(right), ...fine]

/** A mistake at the seam, and the plan that shows it. */
const shownBy: Record<keyof typeof brokenSeams, Plan> = {
  'a batch is published by a load and a store': twoSenders,
  'a page is announced by a load and a store': announced,
  'a page is armed without a second look': oneSender,
  'the list of remote frees is taken by a load and a store': oneSender,
  'the announced pages are taken by a load and a store': announced,
  'a sender leaves the page armed': oneSender,
  'a sender forgets that the page was armed': oneSender,
  'a page is disarmed whatever became of it': emptied,
  'units are claimed by a load and a store': units,
  'units are given back by a load and a store': large,
  'a record is taken by a load and a store': pool,
  'a large block is freed by a load and a store': freedTwice,
  'a parked thread takes its record back whoever has it': parked,
  'a borrowed record goes back to a thread that has died': dies(parked, 0),
}

/** What a dead thread had noted is lost before its record is reclaimed. */
const forgetful: Record<string, Plan> = {
  'the page to be armed is forgotten': dies(oneSender, 0, [R_ARMING]),
  'the page to be announced is forgotten': dies(oneSender, 1, [R_OWED]),
  'the units on their way are forgotten': dies(units, 0, [R_RUN_START, R_RUN_END]),
  'the record that was borrowed is forgotten': dies(lending, 0, [R_BORROWED]),
}

function broken(plan: Plan, name: string): Scenario {
  const threads = plan.threads.map((body) => (actor: Actor): void => withSeam(brokenSeams[name], plan, () => body(actor)))
  return heapScenario({ ...plan, threads })
}

export const mortalNames: readonly string[] = all.filter(([, plan]) => plan.mortal !== undefined).map(([name]) => name)
export const brokenNames: readonly string[] = Object.keys({ ...shownBy, ...forgetful }).map((name) => `heap, broken: ${name}`)
export const scenarios: Record<string, Scenario> = {
  ...Object.fromEntries(all.map(([name, plan]) => [name, heapScenario(plan)])),
  ...Object.fromEntries(Object.entries(forgetful).map(([name, plan]) => [`heap, broken: ${name}`, heapScenario(plan)])),
  ...Object.fromEntries(Object.entries(shownBy).map(([name, plan]) => [`heap, broken: ${name}`, broken(plan, name)])),
}
