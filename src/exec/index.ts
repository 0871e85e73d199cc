/** The single-thread executor, public as `percore/exec`. */
export { type Coroutine, Exec, type ExecOptions, type Inbox, type Result } from './exec.js'
export type { Join } from './join.js'
export type { Task } from './slab.js'
export { type Parked, type Wait, type Waitable } from './wait.js'
