/**
 * A group seen from outside: its figures, and whether its heap is sound. Read out of shared memory on the group's thread; the workers notice nothing.
 */
import { shared } from '../base/index.js'
import type { AuditReport } from '../memory/index.js'
import { epochMs } from '../platform/index.js'
import type { Engine } from './engine.js'
import { slotAt, slotLayout } from './fabric.js'
import type { HandlerStats, Percentiles } from './meter.js'

/** How often an audit looks before it reports a problem, and how long it waits in between: a worker is done in microseconds once it runs. */
const auditLooks = 20
const auditPauseMs = 5
/** A word nobody writes. */
const still = new Int32Array(new SharedArrayBuffer(4))

/** One worker's figures. They are the worker's number's, whichever threads have served under it. */
export interface WorkerStats {
  /** Tasks started since the group was. Exact, up to 256 behind while it runs a batch. */
  readonly tasks: number
  /** Of these, tasks that threw or rejected. Exact. */
  readonly failures: number
  /** Tasks it holds: pushed to it and not yet settled here. Exact. */
  readonly depth: number
  /** The most it has held, as seen at the end of each turn of this thread that pushed tasks. */
  readonly depthMax: number
  /** Milliseconds without work since the group was started. */
  readonly idleMs: number
  /** The share of the group's time in which it had work, 0 … 1; for figures of a period take differences of `idleMs`. */
  readonly utilisation: number
  /** Times the thread went to sleep. */
  readonly parks: number
  /** Threads that died and were replaced. */
  readonly restarts: number
  /** What its JavaScript heap used when it last looked, garbage included: at every 65th measured run. 0 before the first. */
  readonly heapBytes: number
  /** How long tasks of all its handlers waited for it from the call until they were started; see `HandlerStats.waitUs`. */
  readonly waitUs: Percentiles
  /** Its share of each handler's figures. */
  readonly handlers: readonly HandlerStats[]
}

/** What {@link ExecGroup.stats} gives: numbers of one moment each, not all of the same one. */
export interface GroupStats {
  readonly workers: readonly WorkerStats[]
  /** Each handler's figures, of all workers there ever were; none when the module has more than 120 handlers. */
  readonly handlers: readonly HandlerStats[]
  /** Tasks pushed and not yet settled. */
  readonly inFlight: number
  /** Calls waiting for a worker with room. */
  readonly queued: number
  /** Calls dropped since the group was started, see `whenFull`. */
  readonly dropped: number
  /** Milliseconds since the group was started. */
  readonly uptimeMs: number
}

/** The figures of this moment; also of a group that was closed. */
export function statsOf(engine: Engine): GroupStats {
  const { dispatcher, meter, names, supervisor: { restarts } } = engine
  const { i32, f64 } = engine.fabric.words
  const now = epochMs()
  const uptimeMs = performance.now() - engine.startedAtMs
  const workerStats = (worker: number): WorkerStats => {
    const slot = slotAt(worker + 1)
    const idleSince = f64[(slot + slotLayout.idleSince) / 2]
    const idleMs = f64[(slot + slotLayout.idleMs) / 2] + (idleSince === 0 ? 0 : Math.max(0, now - idleSince))
    return {
      tasks: f64[(slot + slotLayout.tasks) / 2],
      failures: f64[(slot + slotLayout.failures) / 2],
      depth: Math.max(0, dispatcher.inFlight(worker)),
      depthMax: dispatcher.depthMax(worker),
      idleMs,
      utilisation: Math.min(1, Math.max(0, 1 - idleMs / uptimeMs)),
      parks: i32[slot + slotLayout.parks],
      restarts: restarts[worker],
      heapBytes: meter.heapBytes(worker),
      waitUs: meter.waitUs(names, worker),
      handlers: meter.handlers(names, [worker]),
    }
  }
  return {
    workers: Array.from({ length: dispatcher.workers }, (_, worker) => workerStats(worker)),
    handlers: meter.handlers(names, [...restarts.keys()]),
    inFlight: dispatcher.inFlightTotal,
    queued: dispatcher.admission.queued,
    dropped: dispatcher.admission.dropped,
    uptimeMs,
  }
}

/** Whether every invariant of the heap holds; see `ExecGroup.audit`. */
export function auditOf({ heap, dispatcher }: Engine): AuditReport {
  heap.idle()
  dispatcher.reports.drainAll()
  const quiet = dispatcher.inFlightTotal === 0
  let report = heap.audit({ quiet })
  for (let look = 1; look < auditLooks && !report.ok; look++) {
    shared.wait(still, 0, 0, auditPauseMs)
    report = heap.audit({ quiet })
  }
  return report
}
