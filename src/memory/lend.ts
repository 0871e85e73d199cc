/**
 * Lending: what a thread that cannot look after its record lets others have. A record in the pool lends pages to whoever needs one; that
 * of a parked thread only to a thread that would else be out of memory. The borrower; {@link park} and {@link unpark} the holder.
 *
 * Invariant: a record is in the hands of one thread at a time: of its holder while LIVE, of its borrower while BORROWED or PARKED_BORROWED,
 * of nobody while POOLED or PARKED. Nobody waits to borrow; the holder may have to wait to get it back, for as long as one refill or trim.
 *
 * ```text
 *  R_STATE, every arrow one compare-exchange (or the store of the only one who may change it)
 *
 *   FRESH ──attach──▶ LIVE ──────────detach──────────▶ POOLED ◀──give back──┐
 *                     │  ▲ ◀──────────attach─────────── │  └────borrow────▶ BORROWED
 *              L1 park│  │L2 unpark                     ▲                     ▲
 *                     ▼  │                              │                     │
 *                    PARKED ──L5 reclaim, holder dead───┘                     │
 *           L3 borrow │  ▲ L4 give back                                       │
 *                     ▼  │                                                    │
 *              PARKED_BORROWED ──L5 reclaim, holder dead──────────────────────┘
 * ```
 *
 * L1 publishes the holder's plain words to the borrower, L4 the borrower's to the holder: pairs L1–L3, L4–L2. When the holder dies while
 * its record is out, L5 only changes where the borrower's L4 will bring it; and a parked thread has left its record in order, so there
 * is nothing to rebuild. A borrower that dies is found by R_BORROWED, as with the pool (record.ts).
 */
import { invariant, shared } from '../base/index.js'
import { R_BORROWED, R_STATE, RECORD_BORROWED, RECORD_LIVE, RECORD_PARKED, RECORD_PARKED_BORROWED, RECORD_POOLED } from './layout.js'
import { recordWord, type View } from './view.js'

/** How often a record that is out is looked at again, and for how long; it comes back in microseconds unless its borrower died. */
const WAIT_MS = 1
const SPINS = 50_000
const ROUNDS_MAX = 60_000

/** The holder will not look after its record until {@link unpark}. What it had batched must have been sent. */
export function park(v: View): void {
  shared.store(v.i32, v.record + R_STATE, RECORD_PARKED) // L1
}

/** The holder is back; waits for a borrower to finish. */
export function unpark(v: View): void {
  const { i32, record } = v
  for (let round = 0; ; round++) {
    const state = shared.compareExchange(i32, record + R_STATE, RECORD_PARKED, RECORD_LIVE) // L2
    if (state === RECORD_PARKED || state === RECORD_LIVE) return
    invariant(round < ROUNDS_MAX, `the thread that borrowed record ${v.me} has ended and nobody has reclaimed its own record`)
    awaitReturn(i32, record + R_STATE, state)
  }
}

/** Waits for a moment, or less if R_STATE changes from `lent`. Spins where a thread may not block, such as a browser's main thread. */
export function awaitReturn(i32: Int32Array, stateWord: number, lent: number): void {
  try {
    shared.wait(i32, stateWord, lent, WAIT_MS)
  } catch {
    for (let spin = 0; spin < SPINS && shared.load(i32, stateWord) === lent; spin++);
  }
}

/** Takes hold of another record for a moment, if nobody has it: of one in the pool or, if `starving`, of a parked thread's. */
export function borrow(v: View, other: number, starving: boolean): boolean {
  const { i32 } = v
  const at = recordWord(v.geometry, other) + R_STATE
  const lendable = i32[at] === RECORD_POOLED ? RECORD_POOLED : RECORD_PARKED // a guess; the compare-exchange knows
  if (lendable === RECORD_PARKED && !starving) return false
  const lent = lendable === RECORD_POOLED ? RECORD_BORROWED : RECORD_PARKED_BORROWED
  if (shared.compareExchange(i32, at, lendable, lent) !== lendable) return false // L3
  i32[v.record + R_BORROWED] = other + 1
  return true
}

/** Puts a borrowed record back where it belongs, for its borrower or for who reclaims it. */
export function giveBack(v: View, other: number): void {
  const { i32 } = v
  const at = recordWord(v.geometry, other) + R_STATE
  const parked = // a record borrowed from the pool can only go back there
    i32[at] === RECORD_PARKED_BORROWED &&
    shared.compareExchange(i32, at, RECORD_PARKED_BORROWED, RECORD_PARKED) === RECORD_PARKED_BORROWED // L4
  if (!parked) shared.store(i32, at, RECORD_POOLED)
  i32[v.record + R_BORROWED] = 0
  if (parked) shared.notify(i32, at)
}

/** The holder of a record has died. True when it was parked: then all is done, or left to the borrower. */
export function poolParked(i32: Int32Array, stateWord: number): boolean {
  for (;;) {
    const state = shared.load(i32, stateWord)
    if (state !== RECORD_PARKED && state !== RECORD_PARKED_BORROWED) return false
    const pooled = state === RECORD_PARKED ? RECORD_POOLED : RECORD_BORROWED
    if (shared.compareExchange(i32, stateWord, state, pooled) === state) return true // L5
  }
}
