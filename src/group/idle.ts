/**
 * How a worker's thread spends its time: turning the loop while there is work, then spinning a little, then sleeping in the
 * cheapest way that still lets the user's timers, sockets and promises make progress. It belongs to the worker's thread.
 *
 * ```
 *  turn … ─▶ empty ─▶ no task's promise pending? ─ yes ─▶ spin ─▶ one event-loop turn ─▶ event loop idle too? ─ yes ─▶ block in Atomics.wait
 *                              └─ no ─▶ ≤ 20 event-loop turns ─▶ park in the event loop, woken by a message  ◀─ no ─┘
 * ```
 *
 * Promise reactions do not run while this loop does, so it goes back to the event loop at least every 10 ms, every 300 µs
 * while a task's promise is pending, and once before it blocks.
 */
import type { Sleeper } from '../ring/index.js'
import type { Loop } from './loop.js'

/** How a worker waits when it has nothing to do; see `ExecGroupOptions.idle`. */
export const idles = ['auto', 'loop', 'spin', 'block'] as const
export type Idle = (typeof idles)[number]

/** Longest spin: about what it costs to wake a blocked thread. */
const spinUsMax = 15
const spinUsMin = 0.5

/** And while the caller looks for completions: when it has them it sends more, and it sleeps itself if they are long in coming. */
const attendUsMax = 100

/**
 * After work this thread leaves its stack before it blocks, so that what handlers left behind runs: ticks, microtasks, rejections. The
 * immediates of one event-loop turn have that in common, and a turn costs 4 µs where cores are short. So many are made at a time.
 */
const breathsPerTurn = 8

/** Event-loop turns before parking there: about 1 µs each. */
const emptyTurnsMax = 20

/** Longest stretch without an event-loop turn, in estimated µs; and while a task's promise is pending. */
const stretchUsMax = 10_000
const stretchUsAsync = 300

export interface IdleParts {
  readonly loop: Loop
  readonly sleeper: Sleeper
  readonly idle: Idle
  /** Cores, and workers that may want one: spinning takes from others when there are not more of those. */
  readonly cores: number
  readonly workers: number
  /** Whether the caller looks for completions at this moment; no atomics. */
  readonly callerLooks: () => boolean
  /** True while the event loop has anything of the user's to wait for. */
  readonly eventLoopIsBusy: () => boolean
  readonly isClosing: () => boolean
  /** Called when there is nothing to do, before spinning or sleeping, and when work has been found again. */
  readonly wentIdle: () => void
  readonly wentBusy: () => void
  /** Called before the thread sleeps in its event loop, where anything of the user's may run. */
  readonly beforeSleep: () => void
  /** Called before and after the thread blocks: in between nothing runs on it. */
  readonly beforeBlock: () => void
  readonly afterBlock: () => void
  /** Called once, when the group closes and nothing is left. */
  readonly closed: () => void
  /** Instead of {@link emptyTurnsMax}: fewer, where every step is explored. */
  readonly turns?: number
}

/** What brings a thread back that has gone to sleep in its event loop. */
export interface Waking {
  /** A bell message has come. */
  readonly rung: () => void
  /** This thread has made work that only a turn can do. From anywhere on it, handlers included. */
  readonly keepTurning: () => void
}

export function startTurning(parts: IdleParts): Waking {
  const { loop, sleeper, idle, cores, callerLooks, eventLoopIsBusy, isClosing } = parts
  const coresAreShort = parts.workers >= cores
  const mayBlock = idle !== 'loop'
  const spinCeiling = idle === 'spin' ? spinUsMax : idle !== 'auto' || cores === 1 ? 0 : coresAreShort ? spinUsMax / 8 : spinUsMax
  const mayAttend = idle === 'auto' && !coresAreShort
  const turnsMax = parts.turns ?? emptyTurnsMax
  let spinUs = spinCeiling
  let emptyTurns = 0
  /** Turns that did something since it last slept. */
  let turnsAwake = 0
  let scheduled = false
  let turning = false
  let idling = false
  let needsBreath = false
  let breaths = 0
  let awaited = false
  let ended = false

  function again(): void {
    scheduled = true
    setImmediate(stretch)
  }

  /** Comes back before the event loop polls, if it can. */
  function breathe(): void {
    if (breaths > 0) {
      scheduled = awaited = true
      return
    }
    again()
    for (; breaths < breathsPerTurn - 1; breaths++) setImmediate(breath).unref() // unref: the event loop is no busier for it
  }

  function breath(): void {
    breaths--
    if (!awaited) return
    awaited = false
    stretch()
  }

  function spin(): boolean {
    // Woken for one task, it may sit on the caller's core and would starve it.
    const attendUs = mayAttend && turnsAwake > 1 ? attendUsMax : 0
    if (spinUs < spinUsMin && (attendUs === 0 || !callerLooks())) {
      spinUs = Math.min(spinUsMin * 2, spinCeiling) // one short try next time, so that spinning can be learnt again
      return false
    }
    const start = performance.now()
    for (let spunUs = 0; spunUs < spinUs || (spunUs < attendUs && callerLooks()); spunUs = (performance.now() - start) * 1000) {
      for (let i = 0; i < 32; i++) {
        if (loop.hasWork()) {
          spinUs = Math.min(spinCeiling, spinUs * 2)
          return true
        }
      }
    }
    spinUs /= 2
    return false
  }

  function setIdle(now: boolean): void {
    if (idling === now) return
    idling = now
    if (now) parts.wentIdle()
    else parts.wentBusy()
  }

  function stretch(): void {
    scheduled = false
    if (ended) return
    turning = true
    turnWhileThereIsWork()
    turning = false
  }

  /** Until this thread goes to its event loop: to come back, or to sleep there. */
  function turnWhileThereIsWork(): void {
    loop.publish()
    let budgetUs = stretchUsMax
    for (;;) {
      const count = loop.turn(budgetUs)
      if (count > 0) {
        setIdle(false)
        emptyTurns = 0
        turnsAwake++
        needsBreath = true
        if (loop.outstanding() > 0 && budgetUs > stretchUsAsync) budgetUs = stretchUsAsync
        budgetUs -= loop.spentUs()
        if (budgetUs <= 0) return again()
        continue
      }
      setIdle(true)
      if (loop.outstanding() === 0 && isClosing()) {
        ended = true
        return parts.closed()
      }
      if (mayBlock && loop.outstanding() === 0) {
        if (spin()) continue
        if (needsBreath) {
          needsBreath = false
          return breathe()
        }
        if (!eventLoopIsBusy()) {
          if (idle === 'spin') return again()
          parts.beforeBlock()
          sleeper.block()
          turnsAwake = 0
          parts.afterBlock()
          budgetUs = stretchUsMax
          continue
        }
      }
      if (++emptyTurns <= turnsMax) return again()
      parts.beforeSleep()
      if (!sleeper.parkInLoop()) again()
      return
    }
  }

  function unpark(): void {
    sleeper.unpark()
    emptyTurns = 0
  }

  again()
  return {
    rung: () => {
      unpark()
      if (!scheduled) stretch()
    },
    keepTurning: () => {
      if (scheduled || turning) return
      unpark()
      again()
    },
  }
}
