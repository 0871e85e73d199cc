/**
 * What runs behind the face of a group: fabric, heap, dispatcher, threads, and how they are made to know each other. On the thread that starts it.
 *
 * Invariant: `closed` never goes back, and nothing is placed once it is set. What was placed before is settled before the threads end.
 */
import { ceilPowerOfTwo, PercoreError } from '../base/index.js'
import { createCodec } from '../codec/index.js'
import { createHeap, type SharedHeap } from '../memory/index.js'
import { epochMs } from '../platform/index.js'
import type { CallWithParts } from './call-with.js'
import { carrierOf } from './carrier.js'
import { Dispatcher } from './dispatcher.js'
import { Elastic } from './elastic.js'
import { createFabric, type Fabric, sheetAt, slotAt, slotLayout } from './fabric.js'
import type { Announcer } from './group-events.js'
import { createMeters, MeterReader } from './meter.js'
import { type ExecGroupOptions, type GroupSettings, settingsOf } from './options.js'
import { Supervisor } from './supervisor.js'
import { namesByNumber } from './table.js'
import { tidy } from './tidy.js'

/** Heap records beyond one per thread: a thread that dies while it starts may lose one. */
const spareHeapRecords = 8

export class Engine {
  readonly fabric: Fabric
  readonly heap: SharedHeap
  readonly dispatcher: Dispatcher
  readonly supervisor: Supervisor
  readonly elastic: Elastic
  readonly meter: MeterReader
  /** What calls with options are made with. */
  readonly callParts: CallWithParts
  readonly startedAtMs: number = performance.now()
  /** The handlers' names, by number, and their numbers; none before the threads are up. */
  names: readonly string[] = []
  numbers: ReadonlyMap<string, number> = new Map()
  closed = false
  readonly #announcer: Announcer
  #namesByNumber: readonly string[] = []
  #ended: Promise<void> | undefined

  /** Nothing runs yet. Throws ERR_PERCORE_INVALID_OPTION and ERR_PERCORE_OUT_OF_MEMORY. */
  constructor(module: string | undefined, options: ExecGroupOptions, announcer: Announcer) {
    const settings = settingsOf(options)
    this.#announcer = announcer
    this.fabric = createFabric(settings.capacity, ceilPowerOfTwo(settings.depth), settings.memoryBytes, settings.wasmMemory)
    const { words, heapOffset } = this.fabric
    this.heap = createHeap({ buffer: words.buffer, byteOffset: heapOffset, records: settings.capacity + spareHeapRecords })
    tidy(this.heap, () => true, () => this.closed)
    const meters = createMeters(this.fabric.workers)
    this.meter = new MeterReader(meters)
    this.supervisor = this.#createSupervisor(module, settings, meters)
    this.dispatcher = this.#createDispatcher(settings)
    this.elastic = this.#createElastic(settings)
    this.callParts = this.#createCallParts()
  }

  /** Starts the threads; resolves when all of them have loaded the handlers. */
  async start(): Promise<void> {
    this.names = await this.supervisor.start(this.dispatcher.workers)
    this.#namesByNumber = namesByNumber(this.names)
    this.numbers = new Map(this.names.map((name, number) => [name, number]))
  }

  /** Why a call of that name is refused: the group was closed, or has no such handler. */
  refusal(name: string): PercoreError {
    if (this.closed) return closedError('the group was closed')
    return new PercoreError('ERR_PERCORE_NO_SUCH_HANDLER', `no handler is named '${String(name)}'. There are: ${this.names.join(', ')}.`)
  }

  close(): Promise<void> {
    this.#refuse('the group was closed')
    this.#ended ??= this.dispatcher.whenIdle().then(() => this.supervisor.close())
    return this.#ended
  }

  async terminate(): Promise<void> {
    this.#refuse('the group was terminated')
    await this.supervisor.terminate()
    this.dispatcher.abandonAll(closedError('the group was terminated'))
    await this.#ended
  }

  #refuse(why: string): void {
    this.closed = true
    this.dispatcher.admission.end(closedError(why))
    this.elastic.end()
  }

  #createSupervisor(module: string | undefined, settings: GroupSettings, meters: SharedArrayBuffer): Supervisor {
    const { cores, idle, maxWorkers, recycle, threads, workerData } = settings
    const announcer = this.#announcer
    const mainNames = settings.main.map(([name]) => name)
    return new Supervisor(this.fabric, this.heap, { module, workerData, idle, cores, workers: maxWorkers, recycle, meters, mainNames, threads }, {
      bell: () => this.dispatcher.wake(),
      nested: () => this.dispatcher.nested(),
      warned: (problem) => announcer.warnOnce(problem),
      died: (worker, error) => {
        const started = this.dispatcher.recover(worker, error)
        announcer.tellOfWorker('died', worker, error)
        return started
      },
      started: (worker) => announcer.tellOfWorker('started', worker),
      ended: (worker) => announcer.tellOfWorker('ended', worker),
      replaced: (worker) => announcer.tellOfWorker('replaced', worker),
      gaveUp: (worker, error) => {
        this.dispatcher.abandon(worker, error)
        announcer.tellOfWorker('gave-up', worker, error)
      },
      reinstated: (worker) => this.dispatcher.reinstate(worker),
      tired: (worker) => this.elastic.tired(worker),
    })
  }

  #createDispatcher(settings: GroupSettings): Dispatcher {
    const { fabric, heap, supervisor } = this
    const { balancer, cores, depth, highWater, lowWater, maxQueue, whenFull, workers } = settings
    const announcer = this.#announcer
    return new Dispatcher({
      fabric, heap, balancer, cores, depth, highWater, lowWater, maxQueue, whenFull, workers,
      codec: createCodec(fabric.words, heap, { sheet: sheetAt(fabric, 0), carrier: carrierOf((at) => supervisor.carrierAt(at)) }),
      threads: supervisor,
      names: () => this.#namesByNumber,
      events: {
        high: (load) => announcer.tell('high', load),
        low: (load) => announcer.tell('low', load),
        dropped: (handler, value) => announcer.dropped(this.names[handler] ?? '', value),
      },
      main: settings.main.map(([, fn]) => fn),
      busy: () => this.elastic.busy(),
    })
  }

  #createElastic(settings: GroupSettings): Elastic {
    const { f64 } = this.fabric.words
    const announcer = this.#announcer
    return new Elastic({
      calls: this.dispatcher,
      threads: this.supervisor,
      min: settings.minWorkers,
      max: settings.maxWorkers,
      idleTimeoutMs: settings.idleTimeoutMs,
      idleMs: (worker) => {
        const since = f64[(slotAt(worker + 1) + slotLayout.idleSince) / 2]
        return since === 0 ? 0 : Math.max(0.001, epochMs() - since)
      },
      isEnding: () => this.supervisor.ending,
      events: {
        resized: (count) => announcer.tell('resized', count),
        recycled: (worker) => announcer.tellOfWorker('recycled', worker),
        failed: (error) => announcer.warnOnce(String(error)),
      },
    })
  }

  #createCallParts(): CallWithParts {
    const { dispatcher, supervisor } = this
    const actions: CallWithParts['actions'] = {
      place: (call) => {
        if (!this.closed) dispatcher.admission.place(call)
        return !this.closed
      },
      callOff: (call, why) => dispatcher.callOff(call, why),
      progress: (call) => dispatcher.progress(call),
      kill: (worker, why) => supervisor.kill(worker, why),
    }
    return {
      actions,
      reports: dispatcher.reports,
      get workers() {
        return dispatcher.workers
      },
    }
  }
}

export function closedError(what: string): PercoreError {
  return new PercoreError('ERR_PERCORE_CLOSED', `${what}. Start a new one to run more tasks.`)
}
