/**
 * The timer wheel: any number of timers, each set and cancelled in O(1). One thread; time is a parameter.
 *
 * Invariant: a timer is in exactly one list, of the slot in which its tick lies as seen from the wheel's tick, or of those that are due. It
 * never fires before its tick.
 *
 * ```
 *  level 0  1024 slots of 1 tick          a timer less than 1024 ticks ahead lies at its tick
 *  level 1    64 slots of 1024 ticks      … less than 2^16: at its 1024 ticks; those are spread over level 0 when the wheel gets there
 *  level 2    64 slots of 2^16            level 3: 2^22, level 4: 2^28 ticks; those that are 2^32 or more ahead are set again when they get nearer
 * ```
 *
 * Hashed and hierarchical timing wheels, scheme 6 and 7 of Varghese and Lauck (1987), as in Linux before 4.8. Lists are linked through
 * one flat array, with the slots' heads as its first entries, so a timer costs 40 bytes, in one piece, and no garbage. A bit per slot says which
 * may be worth a look.
 */
const levels = 5
const nearSlots = 1024
const farSlots = 64
const nearBits = 10
const farBits = 6
const headCount = nearSlots + (levels - 1) * farSlots

// Where things lie in the words: a head is two, a node eight, of half a cache line, and both begin with the list's links.
const next = 0
const before = 1
const used = 2
const generationAt = 3
/** A double: two words. */
const tickAt = 4
const headWords = 2
const nodeShift = 3
const nodeWords: number = 1 << nodeShift
/** The list of timers whose tick has come. */
const dueHead: number = headWords * headCount
const firstNode: number = (dueHead + headWords + nodeWords - 1) & -nodeWords
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
  #words: Int32Array = new Int32Array(firstNode + nodeWords * nodesAtFirst)
  /** The same memory: a node's tick is a double. */
  #ticks: Float64Array = new Float64Array(this.#words.buffer)
  readonly #target: unknown[] = []
  #free = 0
  #fresh = firstNode
  readonly #bits = new Int32Array(headCount / 32)

  constructor(tick: number) {
    this.tick = tick
    for (let head = 0; head <= dueHead; head += headWords) this.#words[head + next] = this.#words[head + before] = head
  }

  /** Sets a timer for a tick; one that has passed is due at the next advance. Returns its node: see `timerAt`. */
  set(tick: number, target: unknown, generation: number): number {
    const node = this.#take()
    this.#ticks[(node + tickAt) >>> 1] = tick
    this.#target[(node - firstNode) >>> nodeShift] = target
    this.#words[node + generationAt] = generation
    this.#place(node)
    this.count++
    return node
  }

  /** The timer set at that node: it can be cancelled whatever becomes of the node later. */
  timerAt(node: number): Timer {
    return this.#words[node + used] * generationStep + node
  }

  /** False if it has fired or was cancelled. */
  cancel(timer: Timer): boolean {
    const node = timer % generationStep
    if (this.#words[node + used] !== Math.floor(timer / generationStep)) return false
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
    return this.#words[dueHead + next] !== dueHead
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
      if (!this.#isEmpty(index)) return found <= slots ? found : 0
      bits[index >> 5] &= ~(1 << (index & 31)) // emptied by cancelling
    }
    return 0
  }

  /** `slot` counts all levels' slots. */
  #isEmpty(slot: number): boolean {
    return this.#words[headWords * slot + next] === headWords * slot
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
      const index = headOf(level) + slot
      const head = headWords * index
      const words = this.#words
      let node = words[head + next]
      words[head + next] = words[head + before] = head
      this.#bits[index >> 5] &= ~(1 << (index & 31))
      while (node !== head) {
        const following = words[node + next]
        this.#place(node)
        node = following
      }
      if (slot !== 0) break
    }
  }

  /** Moves a slot's timers behind those that are due. */
  #collect(slot: number): void {
    const words = this.#words
    const head = headWords * slot
    this.#bits[slot >> 5] &= ~(1 << (slot & 31))
    if (words[head + next] === head) return
    const first = words[head + next]
    const last = words[head + before]
    const tail = words[dueHead + before]
    words[tail + next] = first
    words[first + before] = tail
    words[last + next] = dueHead
    words[dueHead + before] = last
    words[head + next] = words[head + before] = head
  }

  #drain(most: number, onDue: OnDue): number {
    let fired = 0
    // The words are not kept: whoever is told may set timers, and they may grow.
    for (let node = this.#words[dueHead + next]; node !== dueHead && fired < most; node = this.#words[dueHead + next]) {
      const target = this.#target[(node - firstNode) >>> nodeShift]
      const generation = this.#words[node + generationAt]
      this.#unlink(node)
      this.#give(node)
      fired++
      onDue(target, generation)
    }
    return fired
  }

  #place(node: number): void {
    const tick = this.#ticks[(node + tickAt) >>> 1]
    const ahead = tick - this.tick
    if (ahead <= 0) return this.#link(node, dueHead)
    if (ahead < nearSlots) return this.#linkAt(node, tick & (nearSlots - 1))
    const from = ahead > ticksMax ? this.tick + ticksMax : tick
    let level = 1
    let shift = nearBits
    while (level < levels - 1 && ahead >= 2 ** (shift + farBits)) {
      level++
      shift += farBits
    }
    this.#linkAt(node, headOf(level) + (Math.floor(from / 2 ** shift) & (farSlots - 1)))
  }

  #linkAt(node: number, slot: number): void {
    this.#bits[slot >> 5] |= 1 << (slot & 31)
    this.#link(node, headWords * slot)
  }

  #link(node: number, head: number): void {
    const words = this.#words
    const last = words[head + before]
    words[last + next] = node
    words[node + before] = last
    words[node + next] = head
    words[head + before] = node
  }

  #unlink(node: number): void {
    const words = this.#words
    const following = words[node + next]
    const preceding = words[node + before]
    words[preceding + next] = following
    words[following + before] = preceding
  }

  #take(): number {
    if (this.#free !== 0) {
      const node = this.#free
      this.#free = this.#words[node + next]
      return node
    }
    if (this.#fresh === this.#words.length) this.#grow()
    this.#target.push(undefined)
    const node = this.#fresh
    this.#fresh = node + nodeWords
    return node
  }

  #give(node: number): void {
    this.#target[(node - firstNode) >>> nodeShift] = undefined
    this.#words[node + used] = (this.#words[node + used] + 1) & 0x3ffffff
    this.#words[node + next] = this.#free
    this.#free = node
    this.count--
  }

  #grow(): void {
    const words = new Int32Array(this.#words.length + (this.#words.length - firstNode))
    words.set(this.#words)
    this.#words = words
    this.#ticks = new Float64Array(words.buffer)
  }
}

const headOf = (level: number): number => nearSlots + (level - 1) * farSlots
