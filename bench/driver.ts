/**
 * Keeps exactly N tasks of a pool in flight, one promise each (or one callback, for a pool with `call`): when one settles, the next is issued. The same code for every
 * pool; it costs about 0.1 µs per task (one `then`, one counter). Main thread of a measuring child.
 *
 * The invariant: between the first task and the last there are exactly N in flight, and every task is waited for.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Pool } from './subjects/index.js'

/** What happened between the end of the warm-up and the end of the measurement, tasks flowing all the while. */
export interface Flow {
  readonly tasks: number
  readonly elapsedMs: number
  /** CPU time of the whole process: all its threads, user and system. */
  readonly cpuMs: number
  /** Resident bytes at the end of the measurement. */
  readonly rssBytes: number
}

export interface FlowOptions {
  readonly inFlight: number
  /** See {@link warmUpClock}. */
  readonly warmupCpuMs: number
  readonly measureMs: number
}

/** However little of a processor this process gets, it does not warm up for longer than this many times its CPU budget. */
const warmUpPatience = 8

/**
 * True once this process has used that much CPU time, on all its threads. A warm-up by the wall clock would be too short on a busy
 * machine: what compiles hot code is CPU time. Some 700 ms make two workers and their caller steady.
 */
export function warmUpClock(cpuMs: number): () => boolean {
  const startMs = performance.now()
  const start = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1000 >= cpuMs || performance.now() - startMs >= cpuMs * warmUpPatience
  }
}

/** Clock reads come this far apart, so that they cost nothing however fast the pool is. */
const checkEveryMs = 1

/**
 * Lets tasks flow until the process is warm, then measures for `measureMs`. The tasks carry `values` in turn, a power of two of them. Rejects
 * with the first task that fails.
 */
export function measureFlow(pool: Pool, values: readonly unknown[], options: FlowOptions): Promise<Flow> {
  const { inFlight, warmupCpuMs, measureMs } = options
  const isWarm = warmUpClock(warmupCpuMs)
  return new Promise((resolve, reject) => {
    let settled = 0
    let left = inFlight
    let open = true
    let nextCheck = 1
    let step = 1
    let checkedMs = performance.now()
    let endsMs = Infinity
    let start: { readonly tasks: number, readonly ms: number, readonly cpu: NodeJS.CpuUsage } | undefined
    let flow: Flow | undefined

    const check = (): void => {
      const nowMs = performance.now()
      if (nowMs - checkedMs < checkEveryMs) step *= 2
      checkedMs = nowMs
      nextCheck = settled + step
      if (start === undefined) {
        if (!isWarm()) return
        start = { tasks: settled, ms: nowMs, cpu: process.cpuUsage() }
        endsMs = nowMs + measureMs
      }
      if (nowMs < endsMs) return
      const cpu = process.cpuUsage(start.cpu)
      flow = {
        tasks: settled - start.tasks,
        elapsedMs: nowMs - start.ms,
        cpuMs: (cpu.user + cpu.system) / 1000,
        rssBytes: process.memoryUsage.rss(),
      }
      open = false
    }
    const onSettled = (): void => {
      if (++settled === nextCheck) check()
      if (open) issue()
      else if (--left === 0 && flow !== undefined) resolve(flow)
    }
    let turn = 0
    const mask = values.length - 1
    const { call } = pool
    const issue = call === undefined
      ? (): void => { pool.run(values[turn++ & mask]).then(onSettled, reject) }
      : (): void => call(values[turn++ & mask], onSettled, reject)
    for (let i = 0; i < inFlight; i++) issue()
  })
}

/** Runs `total` tasks with at most `inFlight` at a time and resolves when the last has settled. */
export function runTasks(pool: Pool, value: unknown, total: number, inFlight: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let toIssue = total
    let toSettle = total
    const onSettled = (): void => {
      if (toIssue > 0) issue()
      if (--toSettle === 0) resolve()
    }
    const issue = (): void => {
      toIssue--
      pool.run(value).then(onSettled, reject)
    }
    for (let i = Math.min(total, inFlight); i > 0; i--) issue()
  })
}

/** Every pool must really give back what the handler returns, before anybody asks how fast. */
export async function assertEchoes(pool: Pool, values: readonly unknown[]): Promise<void> {
  const sent = values.slice(0, 16)
  const received = await Promise.all(sent.map((value) => pool.run(value)))
  if (!isDeepStrictEqual(received, sent)) throw new Error('the echo differs from what was sent')
}
