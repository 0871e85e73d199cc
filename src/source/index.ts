/** Where rows come from and where results go. */
export { formats, type FormatName } from './formats.js'
export { createDeadLetters, type DeadLetters } from './dead-letters.js'
export { describe, failureText, type RowFailure } from './failure.js'
export { type Input, openInput } from './input.js'
export { depthDefault, lineBytesMax, workerYoungMbMax } from './limits.js'
export { type BlockGroup, type Counts, mapLines, type MapLinesEnd, type MapLinesOptions, type MapLinesRun } from './map-lines.js'
export { type Output, openOutput, type Taken } from './output.js'
export { systemReason } from './system-reason.js'
export type { WorkerJob } from './worker.js'

/** The module to start a group with; its `workerData` is a {@link WorkerJob}. */
export const rowsWorkerUrl: URL = new URL('./worker.js', import.meta.url)
