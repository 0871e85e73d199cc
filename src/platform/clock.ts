/**
 * The clocks that all threads share. Any thread; each thread's `performance.now()` starts at its own zero, so times that cross
 * threads are milliseconds since the epoch.
 */
export function epochMs(): number {
  return performance.timeOrigin + performance.now()
}

/** Microseconds of the machine's own clock, which nobody sets: for differences between threads that must be right to a microsecond. */
export function monotonicUs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e6 + nanoseconds / 1e3
}
