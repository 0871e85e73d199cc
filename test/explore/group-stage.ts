/**
 * A group on the explorer's stage: the real worker loop, nested calls, idle policy and cancels on each worker's thread; the real ways out and back,
 * router and poller on the caller's, put together as `Dispatcher` and `worker.ts` put them together. Lanes are tiny, every thread goes to sleep at once when it
 * has nothing to do, and its event loop is turned by hand. One worker may die anywhere; another thread joins it, tells the caller and is its successor.
 */
import assert from 'node:assert/strict'
import { shared, wordsOf } from '../../src/base/index.js'
import { type Codec, kind } from '../../src/codec/index.js'
import { calledOff, Cancels, mayBeCalledOff } from '../../src/group/called-off.js'
import { createCompletion } from '../../src/group/completion.js'
import type { Context, Handler } from '../../src/group/index.js'
import { type Idle, type IdleParts, startTurning } from '../../src/group/idle.js'
import { slotLayout } from '../../src/group/fabric.js'
import { count, Ledger } from '../../src/group/ledger.js'
import { createLoop, type Loop } from '../../src/group/loop.js'
import { createMeters, Meter } from '../../src/group/meter.js'
import { Nested, type NestedParts, withNested } from '../../src/group/nested.js'
import { hasStarted, recoverTasks } from '../../src/group/packed.js'
import { Poller } from '../../src/group/poller.js'
import { Router, type RouterParts } from '../../src/group/router.js'
import { waitFor } from '../../src/group/run-sync.js'
import { createTaskSlab } from '../../src/group/slab.js'
import { stampWords } from '../../src/group/stamps.js'
import { createSubmission } from '../../src/group/submission.js'
import type { SharedHeap } from '../../src/memory/index.js'
import { initLane, LaneConsumer, LaneProducer, type LaneReaders, laneReaders, laneWords, laneWriters, recoverProduced, ring, Sleeper } from '../../src/ring/index.js'
import { hasTimers, installEventLoop, turnEventLoop } from './event-loop.js'
import type { Outcome, Scenario, Stage } from './scenario.js'

const callersBell = 0
const callersBox = 16
const bellOf = (worker: number): number => 32 + 16 * worker
const boxOf = (worker: number): number => 64 + worker
const exited = 66
/** Where the successor is told to start. */
const heirsBox = 67
const stop = 68
const called = 69
const openOf = (worker: number): number => 70 + worker
const lookingAt = 72
const endedOf = (worker: number): number => 73 + worker
/** Blocks made and not freed, by thread; not looked at until the end. */
const blocksOf = (thread: number): number => 76 + thread
/** Thread slots, and for each task of the caller its word and its stamp. */
const slotOf = (worker: number): number => 80 + 64 * worker
const taskWordsAt = 208
const tasksMax = 16
const stampsAt: number = taskWordsAt + tasksMax
const lanesAt: number = stampsAt + stampWords * tasksMax
/** Lanes start two below the wrap of u32. */
const first = -2

export interface Sizes {
  readonly workers: 1 | 2
  readonly lane: number
  readonly nested: number
}

const ways = ['in', 'high', 'out', 'up', 'down'] as const
type Way = typeof ways[number]

function laneOf(sizes: Sizes, worker: number, way: Way): number {
  const words = (other: Way): number => laneWords(other === 'up' || other === 'down' ? sizes.nested : sizes.lane)
  const before = (to: Way | undefined): number => ways.slice(0, to === undefined ? undefined : ways.indexOf(to)).reduce((sum, other) => sum + words(other), 0)
  return lanesAt + worker * before(undefined) + before(way)
}

/**
 * The words that are read plainly as advice: the tail of lanes of high priority, whether anything of nested calls can have come, whether the caller looks for
 * completions, and whether a task was called off.
 */
function hintsOf({ sizes, tasks }: Play): number[] {
  const workers = Array.from({ length: sizes.workers }, (_, worker) => worker)
  const off = tasks.some((task) => task.calledOff === true) ? tasks.map((_, index) => taskWordsAt + index) : []
  return [...workers.map((worker) => laneOf(sizes, worker, 'high')), ...workers.map(openOf), lookingAt, ...off]
}

/** A task of the caller's. */
export interface Task {
  readonly worker: number
  readonly handler: number
  readonly value: number
  readonly high?: boolean
  /** It is called off in the next turn of the event loop after the one in which it was pushed. */
  readonly calledOff?: boolean
  /** What it gives. */
  readonly gives: number
  /** Pushed once so many tasks have been settled, or, if it says so, in a later turn of the event loop than the one before. */
  readonly after?: number
  readonly later?: boolean
}

/** What handlers may use. */
export interface Scope {
  readonly call: (handler: number, value: number) => PromiseLike<number>
  readonly callMain: (handler: number, value: number) => PromiseLike<number>
  /** For a task that may be called off: resolves when it is. */
  readonly whenCalledOff: () => PromiseLike<number>
}

export interface Play {
  readonly sizes: Sizes
  readonly tasks: readonly Task[]
  /** A worker's handlers, by number; nested calls name them by it. */
  readonly handlers: (stage: Stage, scope: Scope) => readonly Handler[]
  readonly main?: () => (value: number) => unknown
  /** How often that is called, at least. */
  readonly mainCalls?: number
  readonly idle: Idle
  /** Whether workers find their event loop busy, and so sleep there. */
  readonly busy: boolean
  /** Whether cores are short: the caller naps. */
  readonly naps?: boolean
  /** The caller waits on the spot, as runSync does: no message gets in and no microtask runs. */
  readonly onTheSpot?: boolean
  readonly mortal?: boolean
  /** A worker may end with answers in its lane that nobody awaits. */
  readonly leaves?: boolean
  readonly flaws?: Flaws
}

/** Mistakes: each replaces a piece of the real code. */
export interface Flaws {
  readonly nested?: (parts: NestedParts) => Nested
  readonly router?: (parts: RouterParts) => Router
  readonly withNested?: typeof withNested
  /** In place of the second look before a worker sleeps. Lane 0 is the normal one, lane 1 that of high priority. */
  readonly workerLooks?: (loop: Loop, nested: Nested, lanes: LaneReaders) => boolean
  readonly callerLooks?: (completions: () => boolean, router: Router) => boolean
  readonly up?: (i32: Int32Array, at: number, capacity: number) => LaneProducer
  readonly ringCaller?: (really: () => void, callerLooks: () => boolean) => void
  /** A caller that waits on the spot does not hear of the first nested call. */
  readonly deaf?: boolean
  /** The bell of a task that is called off is rung before that is counted. */
  readonly ringsFirst?: boolean
  readonly idle?: Partial<IdleParts>
}

const noHeap = { flush: () => {} } as unknown as SharedHeap

/** A codec of integers, each a block that somebody must free. */
function codecOf(stage: Stage, thread: number): Codec {
  const { i32 } = stage
  const raw = wordsOf(stage.words.buffer).i32
  const encode = (value: unknown, at: number): number => {
    i32[at + 1] = Number(value)
    raw[blocksOf(thread)]++
    return kind.bytes
  }
  const release = (tag: number): void => void (raw[blocksOf(thread)] -= tag === 0 ? 0 : 1)
  return {
    encode,
    encodeError: (_, at) => encode(failedValue, at),
    decode: (tag, at) => {
      if (tag === kind.int32 || tag === 0) return i32[at + 1]
      release(tag)
      return i32[at + 1]
    },
    encodeList: () => assert.fail('nobody runs many here'),
    relay: () => assert.fail('nothing comes over a port here'),
    lend: () => assert.fail('no handler takes a view here'),
    release,
  }
}

const failedValue = -1
const dead = new Error('its worker died')

function work(play: Play, stage: Stage, worker: number, thread: number): void {
  const { sizes, flaws = {} } = play
  const { i32, words: { f64 } } = stage
  installEventLoop(0.2)
  const send = (): void => stage.send(callersBox)
  const callerLooks = (): boolean => i32[lookingAt] === 1
  const ringNow = (urgent: boolean): void => ring(i32, callersBell, send, urgent)
  const ringCaller = (urgent: boolean): void => (flaws.ringCaller === undefined ? ringNow(urgent) : flaws.ringCaller(() => ringNow(urgent), callerLooks))
  const codec = codecOf(stage, thread)
  const context = {} as unknown as Context<never>
  const names = ['0', '1', '2', '3', '4', '5', '6', '7']
  const handlers = play.handlers(stage, {
    call: (handler, value) => nested.run(names[handler], value) as Promise<number>,
    callMain: (handler, value) => nested.main(names[handler], value) as Promise<number>,
    whenCalledOff: () => {
      const signal = cancels.signalOf(cancels.running(loop.currentTask()))
      return new Promise((resolve) => {
        if (signal.aborted) resolve(0)
        else signal.addEventListener('abort', () => resolve(0))
      })
    },
  })
  const cancels = new Cancels(i32, taskWordsAt, slotOf(worker))
  const loop = createLoop({
    i32, f64, slot: slotOf(worker), heap: noHeap, codec,
    stampsAt, inboxAt: laneOf(sizes, worker, 'in'), highInboxAt: laneOf(sizes, worker, 'high'), outboxAt: laneOf(sizes, worker, 'out'), capacity: sizes.lane,
    handlers, lends: new Uint8Array(handlers.length), context, cancels, instead: () => undefined,
    meter: new Meter(createMeters(handlers.length), 0, handlers.length), ringCaller,
  })
  const makeUp = flaws.up ?? ((words, at, capacity) => new LaneProducer(words, at, capacity))
  const parts: NestedParts = {
    up: makeUp(i32, laneOf(sizes, worker, 'up'), sizes.nested),
    down: new LaneConsumer(i32, laneOf(sizes, worker, 'down'), sizes.nested),
    codec, handlers, names, mainNames: names, context,
    ringCaller: () => ringCaller(true),
    keepTurning: () => waking.keepTurning(),
    announce: () => {
      shared.store(i32, called, 1)
      send()
    },
    starting: () => {},
  }
  const nested = flaws.nested?.(parts) ?? new Nested(parts)
  const both = (flaws.withNested ?? withNested)(loop, nested, i32, openOf(worker))
  const isClosing = (): boolean => shared.load(i32, stop) === 1
  const hasWork = (): boolean => (flaws.workerLooks?.(loop, nested, laneReaders(i32, [laneOf(sizes, worker, 'in'), laneOf(sizes, worker, 'high')], sizes.lane)) ?? (loop.hasWork() || nested.hasWork())) || isClosing()
  const sleeper = new Sleeper(i32, bellOf(worker), hasWork)
  let ended = false
  const waking = startTurning({
    loop: both, sleeper, idle: play.idle, cores: 2, workers: 1, turns: 0,
    callerLooks,
    eventLoopIsBusy: () => play.busy || hasTimers(),
    isClosing,
    wentIdle: () => {}, wentBusy: () => {}, beforeSleep: () => {}, beforeBlock: () => {}, afterBlock: () => {},
    closed: () => {
      ended = true
    },
    ...flaws.idle,
  })
  turnEventLoop(stage, boxOf(worker), waking.rung, () => ended)
  shared.store(i32, endedOf(worker), 1)
  send()
}

/** Looks in vain of a caller on the spot after which another thread gets a chance. */
const looksInARow = 3

/** Sleeps until it is woken: the time-out would hide a lost wake-up. */
class Untimed extends Sleeper {
  override block(): void {
    super.block()
  }
}

function call(play: Play, stage: Stage): void {
  const { sizes, tasks, flaws = {} } = play
  const { i32, words: { f64 } } = stage
  installEventLoop(0)
  const workers = Array.from({ length: sizes.workers }, (_, worker) => worker)
  const lanesOf = (way: Way): number[] => workers.map((worker) => laneOf(sizes, worker, way))
  const codec = codecOf(stage, 0)
  const memory = { i32, f64, heap: noHeap, codec }
  const slab = createTaskSlab(tasksMax)
  const doorbells = workers.map(bellOf)
  const ledger = new Ledger(i32, doorbells, sizes.lane, sizes.workers, sizes.workers)
  const laneAts = [...lanesOf('in'), ...lanesOf('high')]
  const lanes = laneWriters(i32, laneAts, sizes.lane)
  const completions = laneReaders(i32, lanesOf('out'), sizes.lane)
  const completion = createCompletion({ memory, slab, ledger, lanes: completions })
  const bells = workers.map((worker) => () => stage.send(boxOf(worker)))
  const ringWorker = (worker: number): void => ring(i32, doorbells[worker], bells[worker])
  const really = play.main?.()
  let mainCalls = 0
  const mainFunction = (value: number): unknown => {
    mainCalls++
    return really?.(value)
  }
  const routerParts: RouterParts = {
    ups: lanesOf('up').map((at) => new LaneConsumer(i32, at, sizes.nested)),
    downs: lanesOf('down').map((at) => new LaneProducer(i32, at, sizes.nested)),
    codec, main: [mainFunction],
    serves: () => true, leaves: () => false, workers: () => sizes.workers,
    ring: ringWorker,
    open: (worker) => shared.store(i32, openOf(worker), 1),
    settled: () => {},
    wake: () => wake(),
  }
  const router = flaws.router?.(routerParts) ?? new Router(routerParts)
  const hasCompletions = (): boolean => workers.some((worker) => completions.poll(worker) > 0)
  const hasWork = (): boolean => flaws.callerLooks?.(hasCompletions, router) ?? (hasCompletions() || router.hasWork())
  const drain = (): number => {
    let settledNow = router.active ? router.drain() : 0
    for (const worker of workers) settledNow += completion.drain(worker, Infinity)
    return settledNow
  }
  const poller = new Poller({
    sleeper: new Sleeper(i32, callersBell, hasWork),
    drain,
    inFlight: () => ledger.counts[count.inFlight] + router.inFlight,
    listens: () => router.active,
    cores: 2,
    coresAreShort: () => play.naps === true,
    hold: () => {},
    started: () => {
      i32[lookingAt] = 1
    },
    stopped: () => {
      i32[lookingAt] = 0
    },
    turns: play.naps === true ? 10 : 1,
  })
  const submission = createSubmission({ memory, stampsAt, slab, ledger, lanes, highLanes: sizes.workers, doorbells, bells, poll: poller, ended: () => {} })
  const wake = (): void => {
    if (!poller.polling) poller.start()
  }

  let pushed = 0
  let settled = 0
  const outcomes = new Set<number>()
  const settle = (n: number, sign: number): void => {
    assert.ok(!outcomes.has(n), `task ${n} is settled once`)
    outcomes.add(n)
    stage.note(sign * (n + 1))
    settled++
    push()
  }
  function push(): void {
    while (pushed < tasks.length) {
      const task = tasks[pushed]
      if (ledger.credits[task.worker] <= 0 || settled < (task.after ?? 0)) return
      pushOne(pushed++, task)
      if (tasks[pushed]?.later === true) {
        setImmediate(push)
        return
      }
    }
  }
  function pushOne(n: number, { worker, handler, value, gives, high = false, calledOff: off = false }: Task): void {
    const succeeded = (result: unknown): void => {
      if (!off) assert.equal(result, gives, `task ${n} gives what it should`)
      settle(n, 1)
    }
    const index = slab.next()
    if (off) i32[taskWordsAt + index] = calledOff.no
    submission.submit(high ? worker + sizes.workers : worker, worker, handler, value, succeeded, () => settle(n, -1), off ? mayBeCalledOff : 0)
    if (!off) return
    setImmediate(() => {
      if (outcomes.has(n)) return
      shared.store(i32, taskWordsAt + index, calledOff.aborted) // X1
      if (flaws.ringsFirst === true) ringWorker(worker)
      shared.add(i32, slotOf(worker) + slotLayout.calledOff, 1) // X2
      if (flaws.ringsFirst !== true) ringWorker(worker) // X3
    })
  }
  let didRecover = false
  function recover(): void {
    didRecover = true
    const started = [0, sizes.workers].map((lane) => recoverTasks(i32, laneAts[lane], sizes.lane))
    recoverProduced(i32, laneOf(sizes, 0, 'out'))
    while (completion.drain(0, Infinity) > 0);
    for (const [high, lane] of [0, sizes.workers].entries()) {
      for (const { task, position, entry } of slab.heldBy(lane)) {
        if (!hasStarted(started[high], position, entry)) continue
        const reject = slab.reject(task)
        slab.retire(task)
        ledger.credits[0]++
        ledger.counts[count.inFlight]--
        reject?.(dead)
      }
    }
    router.recover(0, dead as never)
    wake()
    shared.store(i32, bellOf(0), 0)
    stage.send(heirsBox)
  }
  function onMessage(): void {
    if (shared.load(i32, called) === 1) router.active = true
    if (!didRecover && shared.load(i32, exited) === 1) recover()
    wake()
  }

  /** As `Dispatcher.runSync` does. */
  function waitOnTheSpot(): void {
    const hearOfNested = (): boolean => {
      if (flaws.deaf !== true && !router.active && shared.load(i32, called) === 1) router.active = true
      return router.hasWork()
    }
    let looks = 0
    submission.endTurn()
    waitFor({
      sleeper: new Untimed(i32, callersBell, () => flaws.callerLooks?.(hasCompletions, router) ?? (hasCompletions() || hearOfNested())),
      drain: () => {
        if (hearOfNested()) router.runDue()
        const settledNow = drain()
        looks = settledNow > 0 ? 0 : looks + 1
        if (looks > looksInARow) stage.yield()
        if (settledNow > 0) submission.endTurn()
        return settledNow
      },
      isSettled: () => settled === tasks.length,
      hasEnded: () => false,
      maySpin: false,
    }, Infinity)
  }

  push()
  if (play.onTheSpot === true) waitOnTheSpot()
  turnEventLoop(stage, callersBox, onMessage, () => settled === tasks.length && router.inFlight === 0 && mainCalls >= (play.mainCalls ?? 0))
  shared.store(i32, stop, 1)
  for (const worker of workers) ringWorker(worker)
  turnEventLoop(stage, callersBox, onMessage, () => workers.every((worker) => shared.load(i32, endedOf(worker)) === 1))
}

/** What the callers of the tasks were told, and that no block was lost or freed twice. */
function check(play: Play, { words, notes, died }: Outcome): void {
  const [outcomes = []] = notes
  const tasks = outcomes.filter((note) => Math.abs(note) <= play.tasks.length)
  assert.deepEqual(tasks.map(Math.abs).toSorted((a, b) => a - b), play.tasks.map((_, n) => n + 1), 'each task has one outcome')
  let blocks = 0
  for (let thread = 0; thread < 4; thread++) blocks += words.i32[blocksOf(thread)]
  if (died < 0) {
    assert.ok(tasks.every((note) => note > 0), `nothing fails: ${tasks.join(' ')}`)
    if (play.leaves === true) assert.ok(blocks >= 0, 'no block was freed twice')
    else assert.equal(blocks, 0, 'every block was freed once')
  } else assert.ok(blocks >= 0, 'no block was freed twice')
}

/** The scenario of a play. Worker w is thread w + 1; if worker 0 may die, the thread behind the workers joins it and is its successor. */
export function scenarioOf(play: Play, alsoCheck: (outcome: Outcome) => void = () => {}): Scenario {
  const { sizes } = play
  const heir = sizes.workers + 1
  const successor = (stage: Stage): void => {
    if (!stage.join(1)) return
    shared.store(stage.i32, exited, 1)
    stage.send(callersBox)
    if (shared.load(stage.i32, endedOf(0)) === 1) return
    stage.receive(heirsBox)
    work(play, stage, 0, heir)
  }
  return {
    words: laneOf(sizes, sizes.workers, 'in'),
    hints: hintsOf(play),
    mortal: play.mortal === true ? [1] : [],
    setup: ({ i32 }) => {
      for (let worker = 0; worker < sizes.workers; worker++) for (const way of ways) initLane(i32, laneOf(sizes, worker, way), first)
    },
    threads: [
      (stage) => call(play, stage),
      ...Array.from({ length: sizes.workers }, (_, worker) => (stage: Stage) => work(play, stage, worker, worker + 1)),
      ...(play.mortal === true ? [successor] : []),
    ],
    check: (outcome) => {
      check(play, outcome)
      alsoCheck(outcome)
    },
  }
}
