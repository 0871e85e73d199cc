/** The platform floor: what this host can do for a thread. Where it cannot, each way says so in a sentence and nothing breaks. */
export { epochMs, monotonicUs } from './clock.js'
export { availableCores, availableCpus, parseCpuList, physicalCores, pinOrder } from './cores.js'
export { niceMax, niceMin, setNice } from './nice.js'
export { pinThread } from './pin.js'
export { type StallWatcher, watchStalls } from './stalls.js'
export { nameThread } from './thread-name.js'
export { isThreadAlive, osThreadId } from './thread-id.js'
