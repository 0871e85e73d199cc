/**
 * The reader's end of streams, on the group's thread; `stream-source.ts` has the protocol.
 *
 * Invariant: the items asked for and not yet read are never more than the credits. They are asked for in two halves, so that the
 * worker makes one while the other is read.
 */
import { PercoreError } from '../base/index.js'
import { type CallSpec, makeCall } from './call.js'
import { type CallOptions, checkCallOptions, checkIsOptions, sentValue } from './call-options.js'
import type { Engine } from './engine.js'
import { workersMax } from './fabric.js'
import { integer } from './options.js'
import type { Resolve } from './slab.js'
import { type Answer, last } from './stream-source.js'
import { builtin, builtinNumber, streamNumber } from './table.js'

/** Enough to make the way there and back cheap, few enough to stay in cache. */
const streamCreditsDefault = 256

/** As many items as a task may be worth. */
const streamCreditsMax = 65_536

/** How to read a stream, see `ExecGroup.stream`. What is out of range throws ERR_PERCORE_INVALID_OPTION. */
export interface StreamOptions extends Omit<CallOptions, 'onReport'> {
  /** How many items the worker may be ahead of the reader. Default 256. 1 … 65,536. */
  readonly credits?: number
}

/** A handler's stream, not yet begun. Throws ERR_PERCORE_INVALID_OPTION. */
export function streamOf(engine: Engine, number: number, value: unknown, options: StreamOptions): AsyncGenerator<unknown, unknown, undefined> {
  checkIsOptions(options)
  const { credits = streamCreditsDefault, ...rest } = options
  const refused = ['onReport', 'signal', 'timeoutMs', 'hard', 'retry'].find((option) => option in rest)
  if (refused !== undefined) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `a stream takes no ${refused}: yield what is to be told, and leave the loop to end it.`)
  }
  integer('credits', credits, 1, streamCreditsMax)
  const { dispatcher, names } = engine
  const spec = checkCallOptions(rest, dispatcher.workers)
  const sent = sentValue(value, rest)
  const count = names.length
  const ask = (which: number, value: unknown, spec: CallSpec, settled?: (result: unknown) => void): Promise<unknown> => {
    if (engine.closed) return Promise.reject(engine.refusal(names[number]))
    return new Promise((resolve, reject) => {
      const resolved: Resolve = (result) => {
        settled?.(result)
        resolve(result)
      }
      dispatcher.admission.place(makeCall(which, value, resolved, reject, spec))
    })
  }
  return readStream({
    open: () => ask(streamNumber(number, count), sent, spec, (key) => dispatcher.streamBegan((key as number) % workersMax)),
    pull: (worker, request) => ask(builtinNumber(builtin.pull, count), request, { wanted: worker, exempt: true }),
    cancel: (worker, key) => ask(builtinNumber(builtin.cancel, count), key, { wanted: worker, exempt: true }),
    ended: (worker) => dispatcher.streamEnded(worker),
  }, credits)
}

/** How the reader reaches the worker that has the stream. */
interface StreamCalls {
  open(): Promise<unknown>
  pull(worker: number, request: readonly [key: number, count: number]): Promise<unknown>
  cancel(worker: number, key: number): Promise<unknown>
  /** The worker is not needed for this stream any more. */
  ended(worker: number): void
}

async function* readStream(calls: StreamCalls, credits: number): AsyncGenerator<unknown, unknown, undefined> {
  const key = await calls.open() as number
  const worker = key % workersMax
  const half = Math.ceil(credits / 2)
  const asked: Promise<Answer>[] = []
  let ended = false

  function ask(count: number): void {
    const answer = calls.pull(worker, [key, count]) as Promise<Answer>
    answer.catch(() => undefined) // the reader meets the failure when it comes to it, or has left before
    asked.push(answer)
  }

  try {
    ask(half)
    if (credits > half) ask(credits - half)
    for (let count = half; ; count = credits - count || count) {
      const answer = await (asked.shift() as Promise<Answer>).catch((error: unknown) => {
        ended = true
        throw error
      })
      if (!Array.isArray(answer)) yield answer
      else {
        ended = answer[0] === last
        const items = ended ? answer.length - 1 : answer.length
        for (let i = 1; i < items; i++) yield answer[i]
        if (ended) return answer[items]
      }
      ask(count)
    }
  } finally {
    try {
      if (!ended) await calls.cancel(worker, key).catch(unlessGone)
    } finally {
      calls.ended(worker)
    }
  }
}

/** Whoever stops reading need not hear that the worker, or the group, has ended as well. */
function unlessGone(error: unknown): void {
  if (error instanceof PercoreError && (error.code === 'ERR_PERCORE_CLOSED' || error.code === 'ERR_PERCORE_WORKER_DIED')) return
  throw error
}
