/** The group floor: workers behind a balancer. */
export { balance, type Balancer, type LoadView, type Placement, type TaskView } from './balance.js'
export type { CallOptions, SyncOptions } from './call-options.js'
export type { TaskMessage, TaskMethod, WorkerMessage } from './channels.js'
export type { RetryOptions } from './guard.js'
export { ExecGroup } from './exec-group.js'
export type { DroppedTask, PushFailure } from './group-events.js'
export type { GroupStats, WorkerStats } from './inspection.js'
export type { HandlerStats, Percentiles } from './meter.js'
export type { RecycleAfter } from './fatigue.js'
export { depthMax, workersMax } from './fabric.js'
export {
  type Arrived,
  type Context,
  defineHandlers,
  type Handler,
  type HandlerArguments,
  type HandlerCall,
  type HandlerName,
  type HandlerResult,
  type Handlers,
  type HandlerTable,
  type HandlerValue,
  type StreamItem,
  type StreamReturn,
  handlersOf,
  type UntypedHandlers,
  type WorkerGroup,
} from './handlers.js'
export type { WorkerHooks } from './hooks.js'
export type { Idle } from './idle.js'
export type { MapOptions } from './map.js'
export type { ExecGroupOptions } from './options.js'
export type { PlacedOptions, PlacedWorker } from './placed.js'
export type { WhenFull } from './pressure.js'
export type { StreamOptions } from './stream.js'
export type { MainHandlers } from './router.js'
export type { OutputListener, ThreadOptions, WorkerResourceLimits } from './threads.js'
export { view } from './view.js'
export type { WasmMemory } from './wasm-memory.js'
