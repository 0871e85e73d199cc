/** `percore/ring`: passing fixed-size descriptors between threads. */
export * from './doorbell.js'
export * from './lane.js'
