/**
 * One worker of a group, seen as a place to run tasks. On the group's thread.
 */
import type { CallOptions } from './call-options.js'
import type { HandlerCall, HandlerName, HandlerResult, Handlers, HandlerValue } from './handlers.js'

/** What a placed call may choose beside its worker. */
export type PlacedOptions = Omit<CallOptions, 'worker' | 'key'>

/**
 * Runs tasks on one worker of a group; `ExecGroup.to` gives it. Use it when state lives with a worker: a cache that it has filled, a
 * connection it holds. A worker that dies is replaced under the same number.
 *
 * @example
 * ```ts
 * import { ExecGroup } from 'percore'
 * import type handlers from './handlers.js'
 *
 * const group = await ExecGroup.start<typeof handlers>(new URL('./handlers.js', import.meta.url), { workers: 2 })
 * const second = group.to(1)
 * console.log(second.worker, await second.run('greet', 'Ada')) // 1 Hello Ada, from worker 1
 * await group.close()
 * ```
 */
export interface PlacedWorker<H extends Handlers> {
  readonly worker: number
  /** `ExecGroup.run` on this worker. */
  run<K extends HandlerName<H>>(name: K, ...call: HandlerCall<H[K], PlacedOptions>): Promise<HandlerResult<H[K]>>
  /** `ExecGroup.push` to this worker: false when it is full. */
  push<K extends HandlerName<H>>(name: K, ...call: HandlerCall<H[K], PlacedOptions>): boolean
  /** `ExecGroup.call` on this worker. */
  call<K extends HandlerName<H>>(
    name: K, value: HandlerValue<H[K]>, onResult: (result: HandlerResult<H[K]>) => void, onError?: (error: unknown) => void, options?: PlacedOptions,
  ): void
  /** `ExecGroup.ready` for this worker. */
  ready(): Promise<void>
}
