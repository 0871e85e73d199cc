/**
 * The benches as a library: what `percore bench` is made of. Parent process only: it starts one child process per measurement.
 *
 * The invariant: nothing here measures; figures only ever come from children.
 */
export * from './harness/contract.js'
export { toJsonLine } from './harness/json.js'
export { describeMachine } from './harness/machine.js'
export { plotReports } from './harness/plot.js'
export { type Progress, runBench, type RunnerOptions } from './harness/runner.js'
export { formatReport } from './harness/table.js'
export { payloadNames } from './payloads.js'
export { benches } from './registry.js'
