/** percore: a thread-per-core runtime for JavaScript. What a program imports. */
export { type ErrorCode, errorCodes, PercoreError } from './base/index.js'
export { SharedBlock } from './codec/index.js'
export {
  balance,
  type Balancer,
  type CallOptions,
  type Context,
  defineHandlers,
  ExecGroup,
  type ExecGroupOptions,
  type GroupStats,
  type Handler,
  type Handlers,
  type Idle,
  type LoadView,
  type MapOptions,
  type OutputListener,
  type PlacedOptions,
  type PlacedWorker,
  type Placement,
  type PushFailure,
  type TaskView,
  type ThreadOptions,
  type WorkerHooks,
  type WorkerResourceLimits,
  type WorkerStats,
} from './group/index.js'
