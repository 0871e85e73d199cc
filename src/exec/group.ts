/**
 * Scheduling groups: tasks that share a part of the executor's time. Each has its own ready ring; {@link Scheduler} says whose turn it is. One
 * thread: the executor's.
 *
 * Invariant: a ready ring holds each live task at most once, and has a place for each, so waking never fails and never allocates.
 *
 * The next to run is the ready group that has had the least time for its shares (start-time fair queueing; Seastar's and Glommio's
 * task queues, Linux' CFS). A group that was not ready does not save up: it continues at the time of those that ran meanwhile.
 */
import { ceilPowerOfTwo, PercoreError } from '../base/index.js'
import { Histogram } from './histogram.js'

/** Tasks run between two looks at the clock, at most: a look costs 60–120 ns, so it adds 1 ns per task. */
export const probeMaxDefault = 128
/** A group runs this long before the next has its turn, unless a latency class asks for less. */
export const quantumMsDefault = 0.5
const groupsMax = 255

/** How a scheduling group is treated. */
export interface GroupOptions {
  readonly name: string
  /** Its part of the time, when other groups have work too; 1 to 100,000. Default 1000. */
  readonly shares?: number
  /**
   * For work that must start soon: whatever runs gives way within about this many milliseconds, so that a task of this group starts, as long
   * as the group keeps within its shares and no single task runs longer. Default: none.
   */
  readonly latencyMs?: number
}

/** The ready tasks of a scheduling group, and its account. */
export class ReadyGroup {
  declare readonly index: number
  declare readonly name: string
  declare readonly latencyMs: number
  declare shares: number
  declare readonly ring: Int32Array
  declare readonly mask: number
  /** Free-running; the ring is empty when they are equal. */
  declare head: number
  declare tail: number
  /** Time had, over shares. */
  had = 0
  active = false
  /** Estimated cost of a task, and how many may run between two looks at the clock. */
  costMs = 0
  probe = 1
  readonly #probeMax: number
  /** For statistics. */
  ran = 0
  ranMs = 0
  readonly runUs: Histogram = new Histogram()
  readonly waitUs: Histogram = new Histogram()
  longestMs = 0
  longestName = ''
  /** A ready task whose wait is being measured: its place, and since when. */
  markAt = 0
  markMs = -1

  constructor(index: number, options: GroupOptions, capacity: number, firstIndex: number, probeMax: number) {
    const { name, shares = 1000, latencyMs = Infinity } = options
    checkShares(name, shares)
    if (!(latencyMs > 0)) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `latencyMs of group ${name} must be above 0, not ${latencyMs}`)
    this.index = index
    this.#probeMax = probeMax
    this.name = name
    this.shares = shares
    this.latencyMs = latencyMs
    this.ring = new Int32Array(ceilPowerOfTwo(capacity))
    this.mask = this.ring.length - 1
    this.head = firstIndex
    this.tail = firstIndex
  }

  /** Tasks ready to run. */
  get ready(): number {
    return (this.tail - this.head) | 0
  }

  /** Makes a task ready. */
  push(slot: number): void {
    this.ring[this.tail & this.mask] = slot
    this.tail = (this.tail + 1) | 0
  }

  /** `ran` tasks took `ms`: charges them, and learns how often to look at the clock. Estimates rise at once and fall slowly. */
  charge(ran: number, ms: number, nowMs: number, quantumMs: number): void {
    const cost = ms / ran
    this.costMs = cost > this.costMs ? cost : 0.75 * this.costMs + 0.25 * cost
    const probe = quantumMs / (4 * this.costMs)
    this.probe = probe >= this.#probeMax ? this.#probeMax : probe < 1 ? 1 : Math.floor(probe)
    this.had += ms / this.shares
    this.ran += ran
    this.ranMs += ms
    this.runUs.add(cost * 1000, ran)
    if (this.markMs >= 0 && ((this.head - this.markAt) | 0) > 0) {
      this.waitUs.add((nowMs - this.markMs) * 1000, 1)
      this.markMs = -1
    }
  }

  /** The longest run so far that was measured alone. */
  remember(ms: number, name: string): void {
    this.longestMs = ms
    this.longestName = name
  }

  /** Begins to measure how long the last ready task waits, if none is being measured. */
  mark(nowMs: number): void {
    if (this.markMs >= 0 || this.head === this.tail) return
    this.markAt = (this.tail - 1) | 0
    this.markMs = nowMs
  }
}

export function checkShares(name: string, shares: number): number {
  if (shares >= 1 && shares <= 100_000) return shares
  throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `shares of group ${name} must be from 1 to 100000, not ${shares}`)
}

/** All groups of an executor. */
export class Scheduler {
  readonly groups: ReadyGroup[] = []
  readonly #capacity: number
  readonly #firstIndex: number
  quantumMs: number
  /** The time had of the group that ran last: where those that become ready continue. */
  #floor = 0

  readonly #probeMax: number

  constructor(capacity: number, quantumMs: number, firstIndex: number, probeMax: number) {
    this.#probeMax = probeMax
    this.#capacity = capacity
    this.#firstIndex = firstIndex
    this.quantumMs = quantumMs
  }

  add(options: GroupOptions): ReadyGroup {
    if (this.groups.length === groupsMax) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `an Exec has at most ${groupsMax} scheduling groups`)
    const group = new ReadyGroup(this.groups.length, options, this.#capacity, this.#firstIndex, this.#probeMax)
    this.groups.push(group)
    this.quantumMs = Math.min(this.quantumMs, group.latencyMs / 2)
    return group
  }

  /** The group to run next, or undefined when nothing is ready. */
  pick(nowMs: number): ReadyGroup | undefined {
    let best: ReadyGroup | undefined
    for (const group of this.groups) {
      if (group.head === group.tail) {
        group.active = false
        continue
      }
      if (!group.active) {
        group.active = true
        if (group.had < this.#floor) group.had = this.#floor
      }
      group.mark(nowMs)
      if (best === undefined || group.had < best.had || (group.had === best.had && group.latencyMs < best.latencyMs)) best = group
    }
    if (best !== undefined && best.had > this.#floor) this.#floor = best.had
    return best
  }

  get hasReady(): boolean {
    for (const group of this.groups) if (group.head !== group.tail) return true
    return false
  }
}
