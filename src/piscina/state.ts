/**
 * Whether this thread is a worker of a pool, and what the pool gave it. Set once, by host.ts, before any handler is loaded. Any thread.
 */
/** True on a worker of a pool. */
export let isWorkerThread: boolean = false
/** The pool's `workerData`, on its workers. */
// piscina's own type leaves it open, and programs rely on it.
// oxlint-disable-next-line typescript/no-explicit-any
export let workerData: any = undefined

export function becomeWorker(data: unknown): void {
  isWorkerThread = true
  workerData = data
}
