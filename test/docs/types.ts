/**
 * What a user's compiler must accept and refuse. Compiled with everything else, never run: a line below `@ts-expect-error` that
 * passes, or any other that does not, stops the build.
 */
import { balance, type Balancer, type Context, defineHandlers, ExecGroup, PercoreError, type SharedBlock } from '../../src/index.js'
import { attachHeap, createHeap, type Ptr } from '../../src/memory/index.js'
import type * as named from './program.js'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

/** Compiles only when `value` is of exactly the type T. */
function is<T>(): <V>(value: V, ...proof: Same<V, T> extends true ? [] : [never]) => void {
  return () => undefined
}

const handlers = defineHandlers({
  nothing: () => 'done',
  score: (row: { id: number; delay: number }) => row.delay * 2,
  later: async (text: string) => text.length,
  nested: (n: number) => Promise.resolve(Promise.resolve(n)),
  optional: (n?: number) => n,
  orUndefined: (n: number | undefined) => n,
  invert: (image: SharedBlock) => image,
  where(_: undefined, ctx) {
    is<Context>()(ctx)
    is<number>()(ctx.worker)
    is<unknown>()(ctx.workerData)
    is<unknown>()(ctx.state)
    is<SharedBlock>()(ctx.alloc(8))
    is<boolean>()(ctx.report({ done: 1 }))
    is<AbortSignal>()(ctx.signal)
    // @ts-expect-error the context has no such thing
    void ctx.abort
    return ctx.worker
  },
})
const url = new URL('file:///handlers.js')

export const withState = defineHandlers({
  count(_: undefined, ctx) {
    is<Set<string>>()(ctx.state)
    return ctx.state.size
  },
  arrow: (word: string, ctx) => ctx.state.has(word),
}, {
  init: async () => new Set<string>(),
  dispose: (state) => is<Set<string>>()(state),
})

export async function typedGroup(): Promise<void> {
  const group = await ExecGroup.start<typeof handlers>(url, { workers: 2, depth: 8, idle: 'block', balance: balance.roundRobin() })

  is<Promise<number>>()(group.run('score', { id: 1, delay: 2 }))
  is<Promise<string>>()(group.run('nothing'))
  is<Promise<number>>()(group.run('later', 'text'))
  is<Promise<number>>()(group.run('nested', 1))
  is<Promise<number>>()(group.run('where'))
  is<Promise<number | undefined>>()(group.run('orUndefined'))
  is<Promise<number | undefined>>()(group.run('optional'))
  is<Promise<number | undefined>>()(group.run('optional', 1))
  is<Promise<SharedBlock>>()(group.run('invert', group.alloc(8)))
  is<boolean>()(group.push('score', { id: 1, delay: 2 }))

  is<Promise<number>>()(group.runFunction((text: string) => text.length, 'four'))
  is<Promise<string>>()(group.runFunction(async () => 'four'))
  is<Promise<number>>()(group.runFunction((n) => n * 2, 21))
  // @ts-expect-error a function is given what it takes
  void group.runFunction((text: string) => text.length, 4)

  // @ts-expect-error no handler has that name
  void group.run('scoer', { id: 1, delay: 2 })
  // @ts-expect-error a handler that takes a value must be given one
  void group.run('score')
  // @ts-expect-error of the right type
  void group.run('score', { id: 1, delay: '2' })
  // @ts-expect-error and not two
  void group.run('later', 'text', 'more')
  // @ts-expect-error a handler that takes nothing is given nothing
  void group.run('nothing', 1)
  // @ts-expect-error the same holds for push
  group.push('later', 1)
}

export async function typedMap(group: ExecGroup<typeof handlers>): Promise<void> {
  const rows = [{ id: 1, delay: 2 }]
  for await (const score of group.map('score', rows)) is<number>()(score)
  for await (const length of group.map('later', new Set(['a']), { ordered: false, concurrency: 4 })) is<number>()(length)
  for await (const length of group.map('later', (async function* () { yield 'a' })())) is<number>()(length)
  // @ts-expect-error items are what the handler takes
  group.map('score', ['a'])
  // @ts-expect-error there is no such option
  group.map('score', rows, { order: true })
  // @ts-expect-error no handler has that name
  group.map('scores', rows)
}

/** A module of named exports is as good as one of `defineHandlers`. */
export async function namedExports(): Promise<void> {
  const group = await ExecGroup.start<typeof named>(url)
  is<Promise<boolean>>()(group.run('isCode', 'main.ts'))
  // @ts-expect-error of the wrong type
  void group.run('isCode', 1)
}

export async function untypedGroup(): Promise<void> {
  const group = await ExecGroup.start('./handlers.js')
  is<Promise<unknown>>()(group.run('anything'))
  is<Promise<unknown>>()(group.run('anything', { any: 'value' }))
  is<boolean>()(group.push('anything', 1))
  for await (const result of group.map('anything', [1, 'two'])) is<unknown>()(result)
}

export async function options(): Promise<void> {
  // @ts-expect-error idle is one of four words
  await ExecGroup.start(url, { idle: 'sleep' })
  // @ts-expect-error a name of a balancer is not a balancer
  await ExecGroup.start(url, { balance: 'roundRobin' })
  // @ts-expect-error a group is started, not constructed
  void new ExecGroup('./handlers.js', {})
  await using group = await ExecGroup.start(url, { workerData: { any: ['thing'] }, maxQueue: Infinity })
  group.on('failure', ({ handler, error }) => {
    is<string>()(handler)
    is<unknown>()(error)
  })
  group.on('died', (worker, error) => {
    is<number>()(worker)
    is<PercoreError>()(error)
  })
  // @ts-expect-error there is no such event
  group.on('gone', () => undefined)
}

export const last: Balancer = {
  pick(load) {
    is<number>()(load.inFlight(0))
    is<boolean>()(load.isAwake(0))
    // @ts-expect-error a balancer sees loads, never the workers
    void load.threads
    return load.room(load.workers - 1) > 0 ? load.workers - 1 : -1
  },
}

// @ts-expect-error a balancer answers with a worker's number
export const vague: Balancer = { pick: () => 'any' }

export function codes(error: PercoreError): boolean {
  // @ts-expect-error no error has that code
  return error.code === 'ERR_PERCORE_NOPE' || error.code === 'ERR_PERCORE_CLOSED'
}

export function pointers(): void {
  const heap = createHeap({ bytes: 2 ** 20, adoption: 'off' })
  is<Ptr>()(heap.malloc(8))
  is<Uint8Array<SharedArrayBuffer>>()(heap.bytes(heap.malloc(8), 8))
  attachHeap(heap.handle).free(heap.malloc(8))
  // @ts-expect-error a number is not an address
  heap.free(4)
}
