/**
 * The other ways into percore's group, beside one promise per task: callbacks, many values at a time, a handler that reads bytes where they lie, and
 * blocks of shared memory that change hands instead of being copied. Main thread of a measuring child.
 *
 * The invariant: each does the same echo of the same values as everybody else, and has `checked` look at what comes back.
 */
import { ExecGroup, SharedBlock } from '../../src/index.js'
import type * as handlers from '../handlers.js'
import type { Contender } from '../harness/contract.js'
import { handlersUrl, type Pool, type PoolOptions } from './pool.js'

/** How tasks are handed over, in the param `by`. */
export type Way = 'call' | 'runMany' | 'view' | 'SharedBlock'

/** A way with the payloads it is meant for. */
export interface WayContender extends Contender {
  readonly payloads: readonly string[]
}

/** All of them. */
export const ways: readonly WayContender[] = [way('call', ['num', 'json']), way('runMany', ['num', 'json']), way('view', ['u8_1k', 'u8_64k']), way('SharedBlock', ['u8_64k'])]

/** A started group behind one of the ways. */
export interface WayPool {
  /** What is measured: each `run` or `call` is `tasksPerRun` tasks. */
  readonly pool: Pool
  /** The same way for one value, for who compares what comes back. */
  readonly checked: Pool
  readonly tasksPerRun: number
  /** What the measured pool is given. */
  readonly values: readonly unknown[]
}

const viewHandlersUrl = new URL('../view-handlers.js', import.meta.url)

/** A batch of `runMany`; several are in flight at a time. */
const batchMax = 1024

/** Starts a group and makes `values` ready for that way. */
export async function startWay(by: Way, { workers, inFlight }: PoolOptions, values: readonly unknown[]): Promise<WayPool> {
  const group = await ExecGroup.start<typeof handlers>(by === 'view' ? viewHandlersUrl : handlersUrl, { workers, depth: Math.max(1024, inFlight) })
  const close = (): Promise<void> => group.close()
  const run = (value: unknown): Promise<unknown> => group.run('echo', value)
  switch (by) {
    case 'call': {
      const call: NonNullable<Pool['call']> = (value, onResult, onError) => group.call('echo', value, onResult, onError)
      const checked = (value: unknown): Promise<unknown> => new Promise((resolve, reject) => { call(value, resolve, reject) })
      return { pool: { run, call, close }, checked: { run: checked, close }, tasksPerRun: 1, values }
    }
    case 'runMany': {
      // Both are powers of two, as the number of values is.
      const size = Math.min(batchMax, Math.max(1, values.length / 4))
      const batches = Array.from({ length: values.length / size }, (_, n) => values.slice(n * size, (n + 1) * size))
      const many = (batch: unknown): Promise<unknown[]> => group.runMany('echo', batch as unknown[])
      const checked = async (value: unknown): Promise<unknown> => (await many([value, value]))[1]
      return { pool: { run: many, close }, checked: { run: checked, close }, tasksPerRun: size, values: batches }
    }
    case 'view': return { pool: { run, close }, checked: { run, close }, tasksPerRun: 1, values }
    case 'SharedBlock': {
      const blockOf = (bytes: Uint8Array): SharedBlock => {
        const block = group.alloc(bytes.length)
        block.bytes.set(bytes)
        return block
      }
      const spare = values.map((value) => blockOf(value as Uint8Array))
      const keep = (block: unknown): void => { spare.push(block as SharedBlock) }
      const checked = async (value: unknown): Promise<unknown> => {
        const block = await run(blockOf(value as Uint8Array)) as SharedBlock
        const bytes = block.bytes.slice()
        block.free()
        return bytes
      }
      return { pool: { run: () => run(spare.pop()).then(keep), close }, checked: { run: checked, close }, tasksPerRun: 1, values }
    }
  }
}

function way(by: Way, payloads: readonly string[]): WayContender {
  return { subject: 'percore', params: { by }, payloads }
}
