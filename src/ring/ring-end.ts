/**
 * What the two ends of a ring have in common: a place at it, and three ways to wait there. One thread only.
 *
 * Invariant: `look` is called after every announcement of a sleep, and by atomic loads sees all that the other side has published.
 *
 * A wait is told of work by the other side. Should that die in the very moment of telling, the waiting thread finds out by itself: no
 * sleep lasts longer than `relookMs` without a look.
 */
import { shared, type Words } from '../base/index.js'
import { EventCount } from './event-count.js'
import { laneAt, laneWordsOf, type RingLayout } from './ring-layout.js'

type Channel = InstanceType<typeof BroadcastChannel>

/** How long a sleeper may stay deceived by a thread that died while waking it. Looking costs so little that an idle ring shows no load. */
const relookMs = 500
/** Looks between two looks at the clock. */
const looksPerClock = 64

/** The word and the channel of one side's sleepers. */
export class Bell extends EventCount {
  readonly #name: string
  #channel: Channel | undefined

  constructor(i32: Int32Array, at: number, name: string) {
    super(i32, at, () => this.open().postMessage(0))
    this.#name = name
  }

  /** The channel by which sleepers in event loops are reached: a message stays until it is received. It holds no process open. */
  open(): Channel {
    if (this.#channel === undefined) {
      this.#channel = new BroadcastChannel(this.#name)
      keepAlive(this.#channel, false)
    }
    return this.#channel
  }

  close(): void {
    this.#channel?.close()
    this.#channel = undefined
  }
}

/** Where a lane's producer sleeps until there is room. */
export function roomBell(i32: Int32Array, layout: RingLayout, lane: number): Bell {
  return new Bell(i32, laneAt(layout, lane) + laneWordsOf.room, `${layout.name}-room-${lane}`)
}

/** Where the ring's consumers sleep until there are records. */
export function itemsBell(i32: Int32Array, layout: RingLayout): Bell {
  return new Bell(i32, layout.itemsAt, `${layout.name}-items`)
}

/** A browser's channel has neither, and needs neither. */
function keepAlive(channel: Channel, alive: boolean): void {
  const { ref, unref } = channel as { ref?: () => void, unref?: () => void }
  ;(alive ? ref : unref)?.call(channel)
}

export abstract class RingEnd {
  /** The buffer as words, floats and bytes. A slot is an index into `words.i32`. */
  readonly words: Words
  readonly i32: Int32Array
  /** Which of the ring's producers or consumers this is, from 0. */
  readonly index: number
  readonly recordWords: number
  /** Records that one producer has room for. */
  readonly capacity: number
  /** Where this end sleeps. */
  protected readonly own: Bell
  readonly #seatAt: number
  readonly #waiting: Set<() => void> = new Set<() => void>()

  protected constructor(words: Words, { capacity, recordWords }: RingLayout, index: number, seatAt: number, own: Bell) {
    this.words = words
    this.i32 = words.i32
    this.index = index
    this.capacity = capacity
    this.recordWords = recordWords
    this.own = own
    this.#seatAt = seatAt
  }

  /** Whether there are so many records, or room for so many: by looking, not from memory. */
  abstract look(count: number): boolean

  /**
   * Looks until there is what it waits for (true), or the time is up (false). For waits of microseconds, while there is a core to spare.
   */
  spin(timeoutMs: number, count = 1): boolean {
    if (this.look(count)) return true
    for (const end = performance.now() + timeoutMs; performance.now() < end;) {
      for (let looks = 0; looks < looksPerClock; looks++) if (this.look(count)) return true
    }
    return false
  }

  /**
   * Blocks this thread until there is what it waits for (true), or the time is up (false). A producer that waits for room is told of it
   * when a quarter of its lane is free, or the consumer has nothing left to take; it looks for itself every half second. Never on a
   * browser's main thread, which may not block. `end.spin(0.02) || end.block()` spins first.
   */
  block(timeoutMs: number = Number.POSITIVE_INFINITY, count = 1): boolean {
    if (this.look(count)) return true
    const hasWork = (): boolean => this.look(count)
    const end = performance.now() + timeoutMs
    for (let left = timeoutMs; left > 0; left = end - performance.now()) {
      this.own.block(hasWork, Math.min(left, relookMs))
      if (this.look(count)) return true
    }
    return false
  }

  /**
   * Resolves when there is what it waits for (true), or the time is up (false). The thread's event loop goes on, and is held open
   * meanwhile.
   */
  ready(timeoutMs: number = Number.POSITIVE_INFINITY, count = 1): Promise<boolean> {
    if (this.look(count)) return Promise.resolve(true)
    return new Promise((resolve) => this.#waitInLoop(count, performance.now() + timeoutMs, resolve))
  }

  /** Gives the place back, for another thread to take. Waits under way resolve to false at once. */
  close(): void {
    for (const giveUp of this.#waiting) giveUp()
    this.own.close()
    shared.store(this.i32, this.#seatAt, 0)
  }

  #waitInLoop(count: number, end: number, resolve: (there: boolean) => void): void {
    const channel = this.own.open()
    const hasWork = (): boolean => this.look(count)
    let timer: ReturnType<typeof setTimeout> | undefined
    const settle = (there: boolean): void => {
      clearTimeout(timer)
      channel.removeEventListener('message', wake)
      this.#waiting.delete(giveUp)
      if (this.#waiting.size === 0) keepAlive(channel, false)
      resolve(there)
    }
    const wake = (): void => {
      clearTimeout(timer)
      const left = end - performance.now()
      if (!this.own.parkInLoop(hasWork)) settle(true)
      else if (left <= 0) settle(false)
      else timer = setTimeout(wake, Math.min(left, relookMs))
    }
    const giveUp = (): void => settle(false)
    this.#waiting.add(giveUp)
    keepAlive(channel, true)
    channel.addEventListener('message', wake)
    wake()
  }
}
