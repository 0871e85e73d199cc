/** Where rows come from and where results go. */
export { formats, type FormatName } from './formats.js'
export { createDeadLetters, type DeadLetters } from './dead-letters.js'
export { excerptOf, failureText, type RowFailure } from './failure.js'
export { type Input, openInput } from './input.js'
export { depthDefault, lineBytesMax, workersMax } from './limits.js'
export { type BlockGroup, type Counts, mapLines, type MapLinesEnd, type MapLinesOptions, type MapLinesRun } from './map-lines.js'
export { type Output, openOutput } from './output.js'
export type { RowContext, WorkerJob } from './worker.js'

/** The module to start a group with; its `workerData` is a {@link WorkerJob}. */
export const rowsWorkerUrl: URL = new URL('./worker.js', import.meta.url)
