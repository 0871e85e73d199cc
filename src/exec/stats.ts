/**
 * What an executor can tell about itself. One thread: the executor's; plain objects, so they can be sent anywhere.
 *
 * Invariant: nothing here costs a running task anything: counts come from indices that are kept anyway, times from the looks at the clock
 * between batches. What they cannot know is said: see {@link GroupStats}.
 */
import type { Core } from './core.js'
import type { ReadyGroup } from './group.js'
import type { StateCounters } from './state-memory.js'

/** A scheduling group so far. */
export interface GroupStats {
  readonly name: string
  readonly shares: number
  /** Ready to run now. */
  readonly ready: number
  /** Runs of tasks: a call is one, a coroutine one for each time it goes on. */
  readonly runs: number
  readonly runMs: number
  /**
   * Time of one run and of one wait from ready to running, in µs, each within a factor of two. Of fast tasks, of which many run between two
   * looks at the clock, a run is their mean, and one wait per batch is measured. With `timing: 'each'` every run is measured.
   */
  readonly runUs: Quantiles
  readonly waitUs: Quantiles
  /** The longest run that was measured alone, and the name of its function; '' if none was. */
  readonly longestMs: number
  readonly longestName: string
}

export interface Quantiles {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** An executor so far. */
export interface ExecStats {
  readonly tasks: number
  readonly ready: number
  readonly timers: number
  readonly turns: number
  /** Runs of tasks, of all groups. */
  readonly runs: number
  readonly failed: number
  readonly cancelled: number
  /** Coroutines woken, and wake-ups that came too late. */
  readonly wakes: number
  readonly staleWakes: number
  /** Time in turns, and between them. */
  readonly busyMs: number
  readonly parkedMs: number
  readonly groups: readonly GroupStats[]
  readonly state: StateCounters
}

/** A run that took longer than `stallMs`. */
export interface Stall {
  readonly group: string
  readonly ms: number
  /** The name of the task's function, '' if it has none or was not alone; and how many tasks ran in that time. */
  readonly name: string
  readonly tasks: number
  /** The stack in which it was found stuck, innermost call first; undefined without `watch`, or if nobody looked in time. */
  readonly stack: string | undefined
  /** Where the task was spawned, if `traceSpawns` is on and it was alone. */
  readonly spawnStack: string | undefined
}

/** Sees a run from outside, where it is stuck: `watchStalls` of `percore` makes one. */
export interface StallWatch {
  /** A run of one or more tasks begins. */
  begin(): void
  /** It has ended. */
  end(): void
  /** The stack in which the run that ended last was found; undefined if it was not looked at. */
  stack(): string | undefined
}

/** Kept by the turn. */
export interface Times { turns: number; busyMs: number; parkedMs: number; lastMs: number }

export function statsOf(core: Core, times: Times, timers: number): ExecStats {
  const groups = core.scheduler.groups.map(groupStats)
  return {
    tasks: core.slab.live,
    ready: groups.reduce((sum, { ready }) => sum + ready, 0),
    timers,
    turns: times.turns,
    runs: groups.reduce((sum, { runs }) => sum + runs, 0),
    failed: core.failures,
    cancelled: core.cancellations,
    wakes: core.wakes,
    staleWakes: core.staleWakes,
    busyMs: times.busyMs,
    parkedMs: times.parkedMs,
    groups,
    state: core.memory.counters(),
  }
}

function groupStats(group: ReadyGroup): GroupStats {
  const { name, shares, ready, ran, ranMs, longestMs, longestName } = group
  return { name, shares, ready, runs: ran, runMs: ranMs, runUs: group.runUs.quantiles(), waitUs: group.waitUs.quantiles(), longestMs, longestName }
}
