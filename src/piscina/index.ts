/** `percore/piscina`: what a program written for piscina imports instead. The default export is piscina's, whom it stands in for. */
export type { PiscinaHistogram, PiscinaHistogramSummary } from './histogram.js'
export type { CloseOptions, LoadBalancer, PiscinaOptions, RunOptions } from './options.js'
export { Piscina, Piscina as default, Piscina as 'module.exports', version } from './piscina.js'
export { ArrayTaskQueue, FixedQueue, type PiscinaTask, type Task, type TaskQueue } from './queue.js'
export { isWorkerThread, workerData } from './state.js'
export { move, queueOptionsSymbol, type Transferable, transferableSymbol, valueSymbol } from './symbols.js'
export type { PiscinaWorker } from './thread.js'
