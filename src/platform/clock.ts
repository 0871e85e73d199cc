/**
 * The clock that all threads share. Any thread; each thread's `performance.now()` starts at its own zero, so times that cross
 * threads are milliseconds since the epoch.
 */
export function epochMs(): number {
  return performance.timeOrigin + performance.now()
}
