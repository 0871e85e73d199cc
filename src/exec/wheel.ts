/**
 * The timer wheel: any number of timers, each set and cancelled in O(1). One thread; time is a parameter.
 *
 * Invariant: a timer is in exactly one list, of the slot in which its tick lies as seen from the wheel's tick, or of those that are due. It
 * never fires before its tick.
 *
 * ```
 *  level 0   256 slots of 1 tick          a timer less than 256 ticks ahead lies at its tick
 *  level 1    64 slots of 256 ticks       … less than 2^14: at its 256 ticks; those are spread over level 0 when the wheel gets there
 *  level 2    64 slots of 2^14            level 3: 2^20, level 4: 2^26 ticks; farther ones wait in the last slot and are set again
 * ```
 *
 * Hashed and hierarchical timing wheels, scheme 6 and 7 of Varghese and Lauck (1987), as in Linux before 4.8. Lists are linked through
 * flat arrays, with the slots' heads as their first entries, so a timer costs 28 bytes and no garbage. A bit per slot says which
 * may be worth a look.
 */
const levels = 5
const nearSlots = 256
const farSlots = 64
const nearBits = 8
const farBits = 6
const headCount = nearSlots + (levels - 1) * farSlots
/** The list of timers whose tick has come. */
const dueHead = headCount
const firstNode = headCount + 1
const nodesAtFirst = 64
const ticksMax = 2 ** 32 - 1

/** A timer: its node, and how often that was used before. Exact below 2^53. */
export type Timer = number
const generationStep = 2 ** 26

/** Who is told when a timer is due. `target` and `generation` are as they were set. */
export type OnDue = (target: unknown, generation: number) => void

export class Wheel {
  /** The last tick whose timers are due. */
  tick: number
  /** Timers set. */
  count = 0
  #next = new Int32Array(firstNode + nodesAtFirst)
  #before = new Int32Array(firstNode + nodesAtFirst)
  #tickOf = new Float64Array(firstNode + nodesAtFirst)
  #used = new Int32Array(firstNode + nodesAtFirst)
  #generation = new Int32Array(firstNode + nodesAtFirst)
  readonly #target: unknown[] = []
  #free = 0
  #fresh = firstNode
  readonly #bits = new Int32Array(headCount / 32)

  constructor(tick: number) {
    this.tick = tick
    for (let head = 0; head <= dueHead; head++) this.#next[head] = this.#before[head] = head
  }

  /** Sets a timer for a tick; one that has passed is due at the next advance. Returns its node: see `timerAt`. */
  set(tick: number, target: unknown, generation: number): number {
    const node = this.#take()
    this.#tickOf[node] = tick
    this.#target[node - firstNode] = target
    this.#generation[node] = generation
    this.#place(node)
    this.count++
    return node
  }

  /** The timer set at that node: it can be cancelled whatever becomes of the node later. */
  timerAt(node: number): Timer {
    return this.#used[node] * generationStep + node
  }

  /** False if it has fired or was cancelled. */
  cancel(timer: Timer): boolean {
    const node = timer % generationStep
    if (this.#used[node] !== Math.floor(timer / generationStep)) return false
    this.#unlink(node)
    this.#give(node)
    return true
  }

  /** Fires timers up to `tick`, in order of their ticks, at most `most`; returns how many. The rest stays due. */
  advance(tick: number, most: number, onDue: OnDue): number {
    let fired = this.#drain(most, onDue)
    while (this.tick < tick && fired < most) {
      if (this.count === 0) {
        this.tick = tick
        break
      }
      this.tick = Math.min(tick, this.#nextStop())
      if (this.tick % nearSlots === 0) this.#cascade()
      this.#collect(this.tick & (nearSlots - 1))
      fired += this.#drain(most - fired, onDue)
    }
    return fired
  }

  /** True when timers are due that an advance left for the next. */
  get isDue(): boolean {
    return this.#next[dueHead] !== dueHead
  }

  /** No timer is due before this tick; Infinity when none is set. It may be the tick at which the wheel only has to spread a slot. */
  nextTick(): number {
    if (this.isDue) return this.tick
    if (this.count === 0) return Infinity
    let next = this.tick + (this.#distance(0, nearSlots, this.tick & (nearSlots - 1)) || Infinity)
    for (let level = 1, shift = nearBits; level < levels; level++, shift += farBits) {
      const width = 2 ** shift
      const now = Math.floor(this.tick / width)
      const distance = this.#distance(headOf(level), farSlots, now % farSlots)
      if (distance > 0) next = Math.min(next, (now + distance) * width)
    }
    return next
  }

  /** How many slots ahead, circularly, the next is that may hold timers: 1 to `slots`, 0 if none. */
  #distance(head: number, slots: number, at: number): number {
    const bits = this.#bits
    for (let distance = 1; distance <= slots;) {
      const slot = (at + distance) & (slots - 1)
      const word = bits[(head + slot) >> 5] >>> (slot & 31)
      if (word === 0) {
        distance += 32 - (slot & 31)
        continue
      }
      const found = distance + (31 - Math.clz32(word & -word))
      const index = head + ((at + found) & (slots - 1))
      if (this.#next[index] !== index) return found <= slots ? found : 0
      bits[index >> 5] &= ~(1 << (index & 31)) // emptied by cancelling
    }
    return 0
  }

  /** The next tick at which there is something to do. Nothing is ever spread within a round of level 0, only where one begins. */
  #nextStop(): number {
    const at = this.tick & (nearSlots - 1)
    const distance = this.#distance(0, nearSlots, at)
    return distance > 0 && distance < nearSlots - at ? this.tick + distance : this.nextTick()
  }

  /** Spreads the slots of higher levels that begin at this tick. */
  #cascade(): void {
    for (let level = 1, shift = nearBits; level < levels; level++, shift += farBits) {
      const slot = Math.floor(this.tick / 2 ** shift) % farSlots
      const head = headOf(level) + slot
      let node = this.#next[head]
      this.#next[head] = this.#before[head] = head
      this.#bits[head >> 5] &= ~(1 << (head & 31))
      while (node !== head) {
        const next = this.#next[node]
        this.#place(node)
        node = next
      }
      if (slot !== 0) break
    }
  }

  /** Moves a slot's timers behind those that are due. */
  #collect(head: number): void {
    const next = this.#next
    const before = this.#before
    this.#bits[head >> 5] &= ~(1 << (head & 31))
    if (next[head] === head) return
    const first = next[head]
    const last = before[head]
    const tail = before[dueHead]
    next[tail] = first
    before[first] = tail
    next[last] = dueHead
    before[dueHead] = last
    next[head] = before[head] = head
  }

  #drain(most: number, onDue: OnDue): number {
    let fired = 0
    for (let node = this.#next[dueHead]; node !== dueHead && fired < most; node = this.#next[dueHead]) {
      const target = this.#target[node - firstNode]
      const generation = this.#generation[node]
      this.#unlink(node)
      this.#give(node)
      fired++
      onDue(target, generation)
    }
    return fired
  }

  #place(node: number): void {
    const tick = this.#tickOf[node]
    const ahead = tick - this.tick
    if (ahead <= 0) return this.#link(node, dueHead)
    if (ahead < nearSlots) return this.#link(node, tick & (nearSlots - 1))
    const from = ahead > ticksMax ? this.tick + ticksMax : tick
    let level = 1
    let shift = nearBits
    while (level < levels - 1 && ahead >= 2 ** (shift + farBits)) {
      level++
      shift += farBits
    }
    this.#link(node, headOf(level) + (Math.floor(from / 2 ** shift) & (farSlots - 1)))
  }

  #link(node: number, head: number): void {
    const last = this.#before[head]
    this.#next[last] = node
    this.#before[node] = last
    this.#next[node] = head
    this.#before[head] = node
    if (head < headCount) this.#bits[head >> 5] |= 1 << (head & 31)
  }

  #unlink(node: number): void {
    const next = this.#next[node]
    const before = this.#before[node]
    this.#next[before] = next
    this.#before[next] = before
  }

  #take(): number {
    if (this.#free !== 0) {
      const node = this.#free
      this.#free = this.#next[node]
      return node
    }
    if (this.#fresh === this.#next.length) this.#grow()
    this.#target.push(undefined)
    return this.#fresh++
  }

  #give(node: number): void {
    this.#target[node - firstNode] = undefined
    this.#used[node] = (this.#used[node] + 1) & 0x3ffffff
    this.#next[node] = this.#free
    this.#free = node
    this.count--
  }

  #grow(): void {
    const length = 2 * this.#next.length
    this.#next = copyTo(new Int32Array(length), this.#next)
    this.#before = copyTo(new Int32Array(length), this.#before)
    this.#used = copyTo(new Int32Array(length), this.#used)
    this.#generation = copyTo(new Int32Array(length), this.#generation)
    const ticks = new Float64Array(length)
    ticks.set(this.#tickOf)
    this.#tickOf = ticks
  }
}

const headOf = (level: number): number => nearSlots + (level - 1) * farSlots

function copyTo<T extends Int32Array>(to: T, from: Int32Array): T {
  to.set(from)
  return to
}
