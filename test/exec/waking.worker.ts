/**
 * Both sides of a stress of remote wakers: an executor whose tasks ask to be woken, and threads that answer, each through a lane of its own.
 *
 * An ask is one word on the lane's board, at the slot of the task's waker. It is answered by one wake-up that carries it as its value, so a
 * task whose wake-up is lost waits for ever, and one that gets another's knows it. Between answers come wake-ups for wakers that are closed.
 */
import assert from 'node:assert/strict'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { createPrng, PercoreError, shared } from '../../src/base/index.js'
import { type Coroutine, Exec, RemoteInbox, type RemoteWaker, wakeRemote, type WakerToken } from '../../src/exec/index.js'
import { doorbellWords, LaneConsumer, LaneProducer, laneWords, ring, Sleeper } from '../../src/ring/index.js'

/** Tasks of a lane that are alive at once: each has one waker, so there are as many slots. */
export const slots = 8
/** Words of the shared memory; then the parts of each lane. */
export const layout = { bell: 0, stop: doorbellWords, halted: doorbellWords + 1, never: doorbellWords + 2, parts: 2 * doorbellWords } as const
/** Words of a lane's part: tasks over (the executor's), then the waking thread's counters, then for each slot the ask, and the last that was answered. */
export const of = { over: 0, late: 16, refused: 17, board: 32, answered: 32 + slots, lane: 48 } as const

export function partAt(index: number, capacity: number): number {
  return layout.parts + index * (of.lane + laneWords(capacity))
}

/** Where a waking thread stands still, to be killed there. */
export type Halt = 'claimed' | 'committed' | 'published' | 'rung'

export interface WakingData {
  readonly buffer: SharedArrayBuffer
  readonly capacity: number
  readonly seed: number
  /** For the executor: how many lanes it has, and how many tasks each is to wake; whether it also sleeps for a while only. */
  readonly executor?: { readonly lanes: number; readonly tasks: number; readonly naps: boolean }
  /** For a thread that wakes. */
  readonly waking?: { readonly lane: number; readonly port: MessagePort; readonly halt?: Halt | undefined }
}

/** An ask names its waker and how often that has asked: generation, round (never 0), slot. */
const askOf = ({ slot, generation }: WakerToken, round: number): number => (generation << 7) | (round << 3) | slot
const tokenOf = (ask: number): WakerToken => ({ slot: ask & (slots - 1), generation: ask >>> 7 })
const isFor = ({ slot, generation }: WakerToken, ask: number): boolean => (ask & (slots - 1)) === slot && ask >>> 7 === generation

function execute(i32: Int32Array, { capacity, seed }: WakingData, { lanes, tasks, naps }: NonNullable<WakingData['executor']>): void {
  const prng = createPrng(seed)
  const parts = Array.from({ length: lanes }, (_, lane) => partAt(lane, capacity))
  const inboxes = parts.map((part) => new RemoteInbox(new LaneConsumer(i32, part + of.lane, capacity)))
  const exec = new Exec({ tasksMax: 2 * slots * lanes, firstIndex: -3, onError: (error) => { throw error } })
  exec.inbox = {
    hasWork: () => inboxes.some((inbox) => inbox.hasWork()),
    take: () => inboxes.forEach((inbox) => inbox.take()),
  }

  function* task(lane: number): Coroutine<void> {
    const waker = inboxes[lane].waker()
    const board = parts[lane] + of.board + waker.token.slot
    for (let round = 1, rounds = 1 + prng.below(4); round <= rounds; round++) {
      const ask = askOf(waker.token, round)
      shared.store(i32, board, ask)
      for (let n = prng.below(4); n > 0; n--) yield
      if (round === rounds && prng.below(8) === 0) break // closed, woken or not
      for (let seen = 0; seen !== ask;) {
        seen = prng.below(4) === 0 ? yield* byProxy(waker) : yield* waker
        assert.ok(isFor(waker.token, seen) && seen <= ask, `${JSON.stringify(waker.token)} was woken for ${JSON.stringify(tokenOf(seen))}`)
      }
    }
    waker.close()
    shared.store(i32, board, 0)
    i32[parts[lane] + of.over]++
  }

  /** Lets another wait, and calls it off, perhaps when it has just been woken: then the wake-up is for whoever waits next. */
  function* byProxy(waker: RemoteWaker): Coroutine<number> {
    const proxy = exec.fork(function* () { return yield* waker })
    for (let n = prng.below(400); n > 0 && !proxy.done; n--) yield
    if (!proxy.cancel()) return yield* proxy
    for (;;) {
      try {
        return yield* waker
      } catch (error) {
        if (!(error instanceof PercoreError && error.code === 'ERR_PERCORE_INVALID_OPTION')) throw error
        yield // the other has not yet been told
      }
    }
  }

  /** One after the other, so that slots are used again at once. */
  function* line(lane: number): Coroutine<void> {
    for (; begun[lane] < tasks; yield* task(lane)) begun[lane]++
  }

  const begun = parts.map(() => 0)
  for (let lane = 0; lane < lanes; lane++) for (let n = 0; n < slots; n++) exec.spawn(line, lane)
  const stopped = (): boolean => shared.load(i32, layout.stop) === 2
  const sleeper = new Sleeper(i32, layout.bell, () => exec.hasWork() || stopped())
  const ports: MessagePort[] = []

  function run(): void {
    for (;;) {
      const last = stopped()
      if (exec.turn(prng.below(100)) > 0 || exec.hasWork()) continue
      if (exec.tasks === 0) shared.compareExchange(i32, layout.stop, 0, 1)
      if (last) {
        parentPort?.postMessage({ alive: exec.tasks, stale: inboxes.map((inbox) => inbox.stale) })
        for (const port of [...ports, parentPort]) port?.close()
        return
      }
      const how = prng.below(naps ? 3 : 2)
      if (how === 0) sleeper.block()
      else if (how === 2) sleeper.nap(prng.below(100) / 100)
      else if (sleeper.parkInLoop()) return
    }
  }
  const wake = (): void => {
    sleeper.unpark()
    run()
  }
  parentPort?.on('message', (port: MessagePort | null) => {
    if (port !== null) ports.push(port.on('message', wake))
    wake()
  })
}

/** Answers asks, and wakes who is closed, until it is told to stop. */
function wake(i32: Int32Array, { capacity, seed }: WakingData, { lane: index, port }: NonNullable<WakingData['waking']>): void {
  const prng = createPrng(seed)
  const part = partAt(index, capacity)
  const lane = new LaneProducer(i32, part + of.lane, capacity)
  const answered: number[] = []

  /** Sends what was answered once, if its waker is closed by now. */
  function late(): boolean {
    const ask = answered[prng.below(answered.length)] ?? 0
    if (ask === 0 || isFor(tokenOf(ask), shared.load(i32, part + of.board + tokenOf(ask).slot))) return true
    if (!wakeRemote(lane, tokenOf(ask), ask)) return false
    i32[part + of.late]++
    return true
  }

  function answer(): boolean {
    const from = prng.below(slots)
    for (let n = 0; n < slots; n++) {
      const slot = (from + n) & (slots - 1)
      const ask = shared.load(i32, part + of.board + slot)
      if (ask === 0 || ask === i32[part + of.answered + slot]) continue
      for (let times = prng.below(8) === 0 ? 2 : 1; times > 0; times--) {
        if (!wakeRemote(lane, tokenOf(ask), ask)) return false
        i32[part + of.answered + slot] = ask // a successor need not answer it
        answered[prng.below(16)] = ask
      }
      return true
    }
    return true
  }

  while (shared.load(i32, layout.stop) === 0) {
    let hasRoom = true
    for (let n = prng.below(2 * capacity + 2); n > 0 && hasRoom; n--) hasRoom = prng.below(2) === 0 ? late() : answer()
    if (!hasRoom) i32[part + of.refused]++
    if (lane.pending > 0 && (!hasRoom || prng.below(4) > 0)) {
      lane.publish()
      ring(i32, layout.bell, () => port.postMessage(null))
    }
    pause(i32, prng.below(4) * prng.below(100) / 1000)
  }
  lane.publish()
  port.close()
}

/** Answers asks, and stands still at a certain point of one. */
function wakeAndHalt(i32: Int32Array, { capacity }: WakingData, { lane: index }: NonNullable<WakingData['waking']>, where: Halt): void {
  const part = partAt(index, capacity)
  const halt = (here: Halt): void => {
    if (here !== where) return
    shared.store(i32, layout.halted, 1)
    shared.wait(i32, layout.never, 0)
  }
  class Halting extends LaneProducer {
    override claim(): number {
      const slot = super.claim()
      halt('claimed')
      return slot
    }

    override commit(): void {
      super.commit()
      halt('committed')
    }

    override publish(): void {
      super.publish()
      halt('published')
    }
  }
  const lane = new Halting(i32, part + of.lane, capacity)
  const { notify } = shared
  shared.notify = (...who) => {
    halt('rung')
    return notify(...who)
  }
  for (let slot = 0; ; slot = (slot + 1) & (slots - 1)) {
    const ask = shared.load(i32, part + of.board + slot)
    if (ask === 0 || ask === i32[part + of.answered + slot]) pause(i32, 0.1)
    else {
      if (where !== 'claimed') i32[part + of.answered + slot] = ask // nobody else will: recovery must bring it
      while (!wakeRemote(lane, tokenOf(ask), ask)) pause(i32, 0.1)
      lane.publish()
      ring(i32, layout.bell, () => halt('rung'))
    }
  }
}

function pause(i32: Int32Array, ms: number): void {
  if (ms > 0) shared.wait(i32, layout.never, 0, ms)
}

const data = (workerData ?? {}) as Partial<WakingData>
if (data.buffer !== undefined) {
  const i32 = new Int32Array(data.buffer)
  const { executor, waking } = data as WakingData
  if (executor !== undefined) execute(i32, data as WakingData, executor)
  else if (waking?.halt !== undefined) wakeAndHalt(i32, data as WakingData, waking, waking.halt)
  else if (waking !== undefined) wake(i32, data as WakingData, waking)
}
