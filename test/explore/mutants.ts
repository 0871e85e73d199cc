/**
 * Broken copies of the lane and the doorbell, each with one mistake of those that such code is usually shipped with. The explorer
 * must find every one: that is how we know that it can fail.
 */
import { shared } from '../../src/base/index.js'
import { descriptorWords, doorbellMode, LaneConsumer, LaneProducer, ring, Sleeper } from '../../src/ring/index.js'

const { running, blocked, inLoop } = doorbellMode
/** Words of a lane, as drawn in lane.ts. */
const tailAt = 0
const headAt = 16
const startedAt = 48
const slotsAt = 64

/** What a doorbell scenario uses. */
export interface Doorbell {
  Sleeper: new (i32: Int32Array, at: number, hasWork: () => boolean) => Pick<Sleeper, 'block' | 'parkInLoop' | 'unpark'>
  ring: (i32: Int32Array, at: number, sendMessage: () => void) => void
}

/** What a lane scenario uses. */
export interface Lane {
  Producer: new (i32: Int32Array, at: number, capacity: number) => LaneProducer
  Consumer: new (i32: Int32Array, at: number, capacity: number) => LaneConsumer
}

export const rightDoorbell: Doorbell = { Sleeper, ring }
export const rightLane: Lane = { Producer: LaneProducer, Consumer: LaneConsumer }

class OpenSleeper {
  readonly i32: Int32Array
  readonly at: number
  readonly hasWork: () => boolean

  constructor(i32: Int32Array, at: number, hasWork: () => boolean) {
    this.i32 = i32
    this.at = at
    this.hasWork = hasWork
  }

  announce(mode: number): void {
    shared.store(this.i32, this.at, mode)
  }

  block(timeoutMs?: number): void {
    this.announce(blocked)
    if (!this.hasWork()) shared.wait(this.i32, this.at, blocked, timeoutMs)
    this.unpark()
  }

  parkInLoop(): boolean {
    this.announce(inLoop)
    if (!this.hasWork()) return true
    this.unpark()
    return false
  }

  unpark(): void {
    shared.store(this.i32, this.at, running)
  }
}

class NoSecondLook extends OpenSleeper {
  override block(timeoutMs?: number): void {
    this.announce(blocked)
    shared.wait(this.i32, this.at, blocked, timeoutMs)
    this.unpark()
  }

  override parkInLoop(): boolean {
    this.announce(inLoop)
    return true
  }
}

class LookFirst extends OpenSleeper {
  override block(timeoutMs?: number): void {
    if (this.hasWork()) return
    this.announce(blocked)
    shared.wait(this.i32, this.at, blocked, timeoutMs)
    this.unpark()
  }

  override parkInLoop(): boolean {
    if (this.hasWork()) return false
    this.announce(inLoop)
    return true
  }
}

class PlainMode extends OpenSleeper {
  override announce(mode: number): void {
    this.i32[this.at] = mode
  }
}

/** The obvious protocol: a flag, and a wait on the count of publications in the word behind it (it stands for the tail). */
class WaitOnTail extends OpenSleeper {
  override block(timeoutMs?: number): void {
    this.announce(blocked)
    const published = shared.load(this.i32, this.at + 1)
    if (!this.hasWork()) shared.wait(this.i32, this.at + 1, published, timeoutMs)
    this.unpark()
  }
}

const clearBlindly: Doorbell['ring'] = (i32, at, sendMessage) => {
  const mode = shared.load(i32, at)
  if (mode === running) return
  shared.store(i32, at, running)
  if (mode === blocked) shared.notify(i32, at, 1)
  else sendMessage()
}

const ringOnTail: Doorbell['ring'] = (i32, at) => {
  shared.add(i32, at + 1, 1)
  if (shared.load(i32, at) === running) return
  shared.store(i32, at, running)
  shared.notify(i32, at + 1, 1)
}

export const brokenDoorbells: Record<string, Doorbell> = {
  'no second look': { Sleeper: NoSecondLook, ring },
  'looks before it announces': { Sleeper: LookFirst, ring },
  'announces by a plain store': { Sleeper: PlainMode, ring },
  'clears the mode by a store': { Sleeper, ring: clearBlindly },
  'waits on the tail': { Sleeper: WaitOnTail, ring: ringOnTail },
}

class PublishesEarly extends LaneProducer {
  override claim(): number {
    const slot = super.claim()
    if (slot >= 0) shared.store(this.i32, this.at + tailAt, (this.written + 1) | 0)
    return slot
  }
}

class PublishesPlainly extends LaneProducer {
  override publish(): void {
    const { store } = shared
    shared.store = (words, index, value) => (words[index] = value)
    super.publish()
    shared.store = store
  }
}

class OneTooMany extends LaneProducer {
  override claim(): number {
    const head = shared.load(this.i32, this.at + headAt)
    if (((this.written - head) | 0) > this.capacity) return -1
    return this.at + slotsAt + (this.written & (this.capacity - 1)) * descriptorWords
  }
}

class NoWrap extends LaneProducer {
  override claim(): number {
    const head = shared.load(this.i32, this.at + headAt) >>> 0
    if ((this.written >>> 0) >= head + this.capacity) return -1
    return this.at + slotsAt + (this.written & (this.capacity - 1)) * descriptorWords
  }
}

class ReleasesEarly extends LaneConsumer {
  override advance(): void {
    super.advance()
    this.release()
  }
}

class StartsLate extends LaneConsumer {
  override advance(): void {
    const started = this.i32[this.at + startedAt]
    super.advance()
    this.i32[this.at + startedAt] = started
  }

  override release(): void {
    this.i32[this.at + startedAt] = this.head
    super.release()
  }
}

export const brokenLanes: Record<string, Lane> = {
  'publishes before the slot is written': { Producer: PublishesEarly, Consumer: LaneConsumer },
  'publishes by a plain store': { Producer: PublishesPlainly, Consumer: LaneConsumer },
  'takes one slot too many': { Producer: OneTooMany, Consumer: LaneConsumer },
  'compares indices by size': { Producer: NoWrap, Consumer: LaneConsumer },
  'releases before the slot is read': { Producer: LaneProducer, Consumer: ReleasesEarly },
}
export const startsLate: Lane = { Producer: LaneProducer, Consumer: StartsLate }
