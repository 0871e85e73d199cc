/**
 * The entry of a worker's thread: attaches to the fabric, loads the handlers, reports, and starts turning.
 * Runs once per thread, on it.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { type ErrorCode, PercoreError, shared } from '../base/index.js'
import { createCodec, SharedBlock } from '../codec/index.js'
import { attachHeap } from '../memory/index.js'
import { epochMs, osThreadId } from '../platform/index.js'
import { LaneConsumer, LaneProducer, ring, Sleeper } from '../ring/index.js'
import { CarrierEnd, carrierOf } from './carrier.js'
import { Cancels } from './called-off.js'
import { TaskContext, type WorkerScope } from './context.js'
import { Coroutines, withCoroutines } from './coroutines.js'
import { attachFabric, laneAt, noRecord, sheetAt, slotAt, slotLayout, slotState, stampsAt, taskWordsAt } from './fabric.js'
import { type RecycleAfter, withFatigue } from './fatigue.js'
import { dispose, initialise } from './hooks.js'
import { type Idle, startTurning, type Waking } from './idle.js'
import { loadHandlers } from './load.js'
import { createLoop } from './loop.js'
import { Meter } from './meter.js'
import { Nested, nestedCapacity, withNested } from './nested.js'
import { reportCapacity, ReportSender } from './reports.js'
import { StreamSources } from './stream-source.js'
import { tableOf } from './table.js'
import { settle, type ThreadTraits } from './threads.js'
import { isView } from './view.js'
import { tidy } from './tidy.js'
import type { WasmMemory } from './wasm-memory.js'

/** What the supervisor hands a new thread. */
export interface WorkerBrief {
  readonly buffer: SharedArrayBuffer
  /** What it lies in, if that is WebAssembly's. */
  readonly memory: WasmMemory | undefined
  readonly worker: number
  /** See meter.ts. */
  readonly meters: SharedArrayBuffer
  /** URL of the handlers; a group may do without and run functions only. */
  readonly module: string | undefined
  /** Functions on the group's thread that handlers may call. */
  readonly mainNames: readonly string[]
  readonly workerData: unknown
  readonly idle: Idle
  readonly cores: number
  readonly workers: number
  readonly recycle: RecycleAfter
  readonly traits: ThreadTraits
  /** For values that hold handles: see carrier.ts. */
  readonly port: MessagePort
}

/** What a thread says to its supervisor: a bell, that it should be replaced, that it has calls of its own, what its host refused, or how its start went. */
export type WorkerMessage = 0 | { readonly tired: true } | { readonly nested: true } | { readonly problem: string } | { readonly names: readonly string[] } | { readonly failed: StartFailure }

/** Why a thread could not start. Messages do not keep an error's code, so it travels beside it. */
export interface StartFailure {
  readonly code: ErrorCode
  readonly message: string
  readonly cause: unknown
}

const port = parentPort
if (port === null) throw new PercoreError('ERR_PERCORE_INVARIANT', 'this file is the entry of a worker thread and does nothing on the main thread')
const say = (message: WorkerMessage): void => port.postMessage(message)

async function main(brief: WorkerBrief): Promise<void> {
  for (const problem of settle(brief.traits, brief.worker)) say({ problem })
  const fabric = attachFabric(brief.buffer, brief.memory)
  const { words, laneCapacity } = fabric
  const { i32, f64 } = words
  const slot = slotAt(brief.worker + 1)
  const sendBell = (): void => say(0)
  const callersDoorbell = slotAt(0) + slotLayout.doorbell
  const lookingAt = slotAt(0) + slotLayout.looking
  const heap = attachHeap({ buffer: brief.buffer, byteOffset: fabric.heapOffset })
  i32[slot + slotLayout.heapRecord] = heap.record
  const handles = new CarrierEnd(brief.port, -1)
  const codec = createCodec(words, heap, { sheet: sheetAt(fabric, brief.worker + 1), carrier: carrierOf(() => handles) })
  i32[slot + slotLayout.threadId] = osThreadId() ?? 0
  const table = await loadHandlers(brief.module)
  let waking: Waking | undefined
  const keepTurning = (): void => waking?.keepTurning()
  const coroutines = new Coroutines(keepTurning)
  const scope: WorkerScope = {
    worker: brief.worker,
    workerData: brief.workerData,
    memory: brief.memory,
    state: undefined,
    get exec() { return coroutines.exec },
    alloc: (bytes) => new SharedBlock(brief.buffer, heap.malloc(bytes), bytes, heap.free),
    signalOf: (running) => cancels.signalOf(running),
    report: (task, generation, progress) => reports.send(task, generation, progress),
    group: {
      run: (name, value) => (isReady ? nested.run(name, value) : Promise.reject(notYet())),
      main: (name, value) => (isReady ? nested.main(name, value) : Promise.reject(notYet())),
    },
  }
  const cancels = new Cancels(i32, taskWordsAt(fabric), slot)
  const context = new TaskContext(scope)
  let isNested = false
  let isReady = false
  const ringCaller = (urgent: boolean): void => ring(i32, callersDoorbell, sendBell, urgent)
  const reports = new ReportSender(
    new LaneProducer(i32, laneAt(fabric, brief.worker, 'reports'), reportCapacity),
    codec,
    () => i32[slotAt(0) + slotLayout.listening] > 0,
    () => ringCaller(false), // a nap of the caller is short, and its end costs more than a report
  )

  const streams = new StreamSources(brief.worker, () => ++i32[slot + slotLayout.streams])
  function ownContext(): TaskContext {
    if (isNested) return new TaskContext(scope)
    const task = loop.currentTask()
    return new TaskContext(scope, task, loop.currentGeneration(), cancels.running(task))
  }

  const handlers = tableOf({ handlers: table.handlers, coroutines, streams, ownContext })
  const loop = createLoop({
    i32,
    f64,
    slot,
    stampsAt: stampsAt(fabric),
    heap,
    codec,
    inboxAt: laneAt(fabric, brief.worker, 'toWorker'),
    highInboxAt: laneAt(fabric, brief.worker, 'highToWorker'),
    outboxAt: laneAt(fabric, brief.worker, 'fromWorker'),
    capacity: laneCapacity,
    handlers,
    lends: Uint8Array.from(handlers, (_, number) => (isView(table.handlers[number]) ? 1 : 0)),
    context,
    meter: new Meter(brief.meters, brief.worker, handlers.length),
    cancels,
    instead: (result) => streams.instead(result),
    ringCaller,
  })

  const nested = new Nested({
    up: new LaneProducer(i32, laneAt(fabric, brief.worker, 'nestedUp'), nestedCapacity),
    down: new LaneConsumer(i32, laneAt(fabric, brief.worker, 'nestedDown'), nestedCapacity),
    codec,
    handlers,
    names: table.names,
    mainNames: brief.mainNames,
    context,
    ringCaller: () => ringCaller(true),
    keepTurning,
    announce: () => {
      shared.store(i32, slotAt(0) + slotLayout.called, 1)
      say({ nested: true })
    },
    starting: (nested) => {
      isNested = nested
    },
  })

  const isClosing = (): boolean => shared.load(i32, slot + slotLayout.state) === slotState.closing
  const idleMsAt = (slot + slotLayout.idleMs) / 2
  const idleSinceAt = (slot + slotLayout.idleSince) / 2

  scope.state = await initialise(table.hooks, context, brief.module)
  isReady = true
  const tasks = withFatigue(withNested(loop, nested, i32, slot + slotLayout.nested), brief.recycle, () => say({ tired: true }))
  waking = startTurning({
    loop: withCoroutines(tasks, coroutines, isClosing),
    idle: brief.idle,
    cores: brief.cores,
    workers: brief.workers,
    callerLooks: () => i32[lookingAt] === 1,
    sleeper: new Sleeper(i32, slot + slotLayout.doorbell, () => loop.hasWork() || nested.hasWork() || coroutines.hasWork || isClosing()),
    eventLoopIsBusy,
    isClosing,
    wentIdle: () => {
      f64[idleSinceAt] = epochMs()
    },
    wentBusy: () => {
      f64[idleMsAt] += epochMs() - f64[idleSinceAt]
      f64[idleSinceAt] = 0
    },
    beforeSleep: () => {
      i32[slot + slotLayout.parks]++
      heap.idle()
    },
    beforeBlock: () => {
      i32[slot + slotLayout.parks]++
      heap.park()
    },
    afterBlock: heap.unpark,
    closed: () => void end(),
  })
  async function end(): Promise<void> {
    await streams.close()
    const problem = await dispose(table.hooks, context)
    if (problem !== undefined) say({ problem })
    i32[slot + slotLayout.heapRecord] = noRecord
    heap.detach()
    drainStandardStreams(() => process.exit())
  }

  shared.compareExchange(i32, slot + slotLayout.state, slotState.ended, slotState.running)
  process.on('exit', () => {
    if (isClosing()) return
    shared.store(i32, slot + slotLayout.state, slotState.ended)
    ring(i32, callersDoorbell, sendBell) // whoever waits on that thread gets no event of it
  })
  tidy(heap, () => f64[idleSinceAt] !== 0, isClosing)
  port?.on('message', waking.rung)
  say({ names: table.names })
}

function notYet(): PercoreError {
  return new PercoreError('ERR_PERCORE_WORKER_START', 'an init hook cannot call the group: its worker takes no answers yet. Call from the handlers.')
}

/** What handlers have printed reaches the main thread before this one ends. */
function drainStandardStreams(then: () => void): void {
  process.stdout.write('', () => process.stderr.write('', then))
}

/** True while there is more for the event loop to wait for than the supervisor's port. */
function eventLoopIsBusy(): boolean {
  return process.getActiveResourcesInfo().length > 1 || process.stdout.writableLength > 0 || process.stderr.writableLength > 0
}

try {
  await main(workerData as WorkerBrief)
} catch (error) {
  const code = error instanceof PercoreError ? error.code : 'ERR_PERCORE_WORKER_START'
  const failure = { code, message: error instanceof Error ? error.message : String(error) }
  try {
    say({ failed: { ...failure, cause: error instanceof PercoreError ? error.cause : error } })
  } catch {
    say({ failed: { ...failure, cause: undefined } })
  }
}
