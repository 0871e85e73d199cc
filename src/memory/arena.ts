/**
 * A record's arena: the granules (1 MiB) it has reserved, and the one place where pages and large blocks get their units. The record's
 * holder only.
 *
 * Invariant: reserving is advice, the bits of the reserve are the truth. A granule's word names the record that takes its units from there
 * first and that others leave alone while they can; so a record that dies in the middle of reserving leaves nothing to repair, pages
 * may move to another owner and stay where they are, and a heap that is nearly full still uses its last free unit, wherever it is.
 *
 * Chunks grow 1 → 2 → 4 → 8 MiB: small heaps stay small, large ones lie in few pieces. A granule with nothing in it goes back.
 */
import { shared } from '../base/index.js'
import { C } from './counters.js'
import {
  type Geometry, GRANULE_SHIFT, GRANULE_UNITS, H_CHUNK_FIRST, H_CHUNK_LEVELS, H_CHUNK_MAX, R_GRANULES, R_LEVEL, R_LOWEST, R_RUN_END,
  R_RUN_START,
} from './layout.js'
import { claimUnits, IN_ANY, IN_UNRESERVED, isTaken, releaseNotedRun } from './reserve.js'
import type { View } from './view.js'

/** The granule that a unit lies in, if it is a whole one of this heap; else −1. */
function granuleOf(g: Geometry, unit: number): number {
  const granule = unit >>> GRANULE_SHIFT
  return granule << GRANULE_SHIFT >= g.firstUnit && (granule + 1) << GRANULE_SHIFT <= g.endUnit ? granule : -1
}

function isVacant(i32: Int32Array, g: Geometry, granule: number): boolean {
  const unit = granule << GRANULE_SHIFT
  return ((i32[g.bitmap + (unit >>> 5)]! >>> (unit & 31)) & 0xffff) === 0
}

/** Reserves up to `count` consecutive vacant granules. Returns the first unit of them, or 0 when there is not even one. */
function reserveChunk(v: View, count: number): number {
  const { i32, geometry: g, record, me } = v
  const first = (g.firstUnit + GRANULE_UNITS - 1) >>> GRANULE_SHIFT
  const end = g.endUnit >>> GRANULE_SHIFT
  for (let want = count; want >= 1; want = Math.floor(want / 2)) {
    let run = 0
    for (let granule = first; granule < end; granule++) {
      run = i32[g.granules + granule] === 0 && isVacant(i32, g, granule) ? run + 1 : 0
      if (run < want) continue
      const start = granule + 1 - run
      let got = 0
      while (got < want && shared.compareExchange(i32, g.granules + start + got, 0, me + 1) === 0) {
        i32[record + R_GRANULES] = i32[record + R_GRANULES]! + 1
        got++
      }
      v.f64[v.counters + C.granulesTaken]! += got
      if (got > 0) return start << GRANULE_SHIFT
      run = 0
    }
  }
  return 0
}

/**
 * Claims `count` units: in the record's own granules, else in a new chunk, else wherever they are. Returns the first, or 0. The run stays
 * noted, see {@link claimUnits}.
 */
export function takeUnits(v: View, count: number): number {
  const { i32, geometry: g, record, me } = v
  const from = Math.max(g.firstUnit, i32[record + R_LOWEST]!)
  if (count <= GRANULE_UNITS) {
    const own = i32[record + R_GRANULES] === 0 ? 0 : claimUnits(i32, g, record, count, from, me + 1)
    if (own !== 0) {
      if (count === 1) i32[record + R_LOWEST] = own + 1
      return own
    }
    const level = Math.min(i32[record + R_LEVEL]!, i32[g.base + H_CHUNK_LEVELS]!)
    const start = reserveChunk(v, Math.min(i32[g.base + H_CHUNK_FIRST]! << level, i32[g.base + H_CHUNK_MAX]!))
    if (start !== 0) {
      i32[record + R_LEVEL] = level + 1
      v.f64[v.counters + C.chunksTaken]! += 1
      if (start < from || count === 1) i32[record + R_LOWEST] = Math.min(start, from)
      const unit = claimUnits(i32, g, record, count, Math.min(start, from), me + 1)
      if (unit !== 0) return unit
    }
  }
  const unit = claimUnits(i32, g, record, count, g.firstUnit, IN_UNRESERVED)
  if (unit !== 0) return unit
  const last = claimUnits(i32, g, record, count, g.firstUnit, IN_ANY)
  if (last !== 0) v.f64[v.counters + C.unitsBorrowed]! += count
  return last
}

/**
 * Gives back the run of units the caller has noted in the record (R_RUN_START, R_RUN_END, with the store that unlisted them: a call in
 * between would be a place to die and lose them), and whole granules of the record that become vacant.
 */
export function returnNoted(v: View): void {
  const { i32, geometry: g, record, me } = v
  const start = i32[record + R_RUN_START]!
  const end = i32[record + R_RUN_END]!
  releaseNotedRun(i32, g, record)
  for (let unit = start; unit < end; unit = (unit | (GRANULE_UNITS - 1)) + 1) {
    const granule = granuleOf(g, unit)
    if (granule < 0 || i32[g.granules + granule] !== me + 1) continue
    if (unit < i32[record + R_LOWEST]!) i32[record + R_LOWEST] = unit
    if (i32[record + R_GRANULES]! > 1 && isVacant(i32, g, granule)) unreserve(v, granule)
  }
}

function unreserve(v: View, granule: number): void {
  const { i32, geometry: g, record } = v
  shared.store(i32, g.granules + granule, 0)
  i32[record + R_GRANULES] = i32[record + R_GRANULES]! - 1
  i32[record + R_LEVEL] = Math.max(0, i32[record + R_LEVEL]! - 1)
  v.f64[v.counters + C.granulesReturned]! += 1
}

/** The first `count` free units of the record's granules, after reserving as many as that takes or are to be had. */
export function arenaUnits(v: View, count: number): number[] {
  const { i32, geometry: g, me } = v
  for (;;) {
    const units: number[] = []
    for (let unit = g.firstUnit; unit < g.endUnit && units.length < count; unit++) {
      if (i32[g.granules + (unit >>> GRANULE_SHIFT)] === me + 1 && !isTaken(i32, g, unit)) units.push(unit)
    }
    if (units.length >= count || reserveChunk(v, Math.ceil((count - units.length) / GRANULE_UNITS)) === 0) return units
  }
}

/** Finds a dead record's granules again, and gives the vacant ones back. */
export function recountArena(v: View): void {
  const { i32, geometry: g, record, me } = v
  i32[record + R_GRANULES] = 0
  i32[record + R_LOWEST] = 0
  for (let granule = g.firstUnit >>> GRANULE_SHIFT; granule < g.endUnit >>> GRANULE_SHIFT; granule++) {
    if (i32[g.granules + granule] !== me + 1) continue
    i32[record + R_GRANULES] = i32[record + R_GRANULES]! + 1
    if (isVacant(i32, g, granule)) unreserve(v, granule)
  }
}

/** Vacant granules of the record, all of them, go back: for an idle thread. */
export function returnVacant(v: View): void {
  const { i32, geometry: g, record, me } = v
  if (i32[record + R_GRANULES] === 0) return
  for (let granule = g.firstUnit >>> GRANULE_SHIFT; granule < g.endUnit >>> GRANULE_SHIFT; granule++) {
    if (i32[g.granules + granule] === me + 1 && isVacant(i32, g, granule)) unreserve(v, granule)
  }
}
