/** The shared heap, public as `percore/heap`. */
export type { HeapHandle, HeapOptions, SharedHeap } from './api.js'
export type { AuditReport } from './audit.js'
export type { CounterName } from './counters.js'
export { attachHeap, createHeap } from './heap.js'
export { defaultPlan, type PrewarmPlan } from './prewarm.js'
export type { HeapStats, RecordStats } from './stats.js'
export type { Ptr } from './view.js'
