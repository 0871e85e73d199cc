/**
 * Ways to have a function run soon on this thread: percore's executor and what one would use instead. The thread that measures.
 *
 * The invariant: each runs the function it is given with its number exactly once, later than the call, and does nothing else.
 */
import { Exec, type StateBlock, type StateStrategyName } from '../../src/exec/index.js'
import type { Contender } from '../harness/contract.js'

/** What a measurement is made of: spawn, then `settle`. Tasks may spawn. */
export interface Spawner {
  readonly spawn: (task: Task, n: number) => void
  /** Spawns the task for 0 to `count` − 1, in a loop written as a user would, with no call between it and what is measured. */
  readonly spawnAll: (task: Task, count: number) => void
  /** Runs, or waits for, everything spawned. */
  readonly settle: () => Promise<void> | void
}
export type Task = (n: number) => void

/** `8-functions`: as `function`, but of eight functions in turn, so that V8 cannot inline the call of one. */
export const kinds = ['function', '8-functions', 'joined', 'coroutine'] as const

/** percore's kinds of tasks first. */
export const spawners: readonly Contender[] = [
  ...kinds.map((task) => ({ subject: 'percore', params: { task } })),
  { subject: 'queueMicrotask' },
  { subject: 'promise-then' },
  { subject: 'async-function' },
  { subject: 'generator' },
  { subject: 'setImmediate' },
  { subject: 'effect-fiber', needs: 'effect' },
]

export const strategies: readonly StateStrategyName[] = ['hybrid', 'slab', 'heap', 'gc']

/** Ways to give each task a state of its own: percore's strategies, and a fresh object, of 128 bytes whatever was asked for. */
export const statedSpawners: readonly Contender[] = [
  ...strategies.map((strategy) => ({ subject: 'percore', params: { strategy } })),
  { subject: 'fresh-object' },
  { subject: 'no-state' },
]

/** Tasks with state, which they write and read. */
export function statedSpawnerOf(subject: string, strategy: string, bytes: number, tasks: number): Spawner & { readonly exec: Exec } {
  const tasksMax = Math.max(tasks + 1, 16_384)
  const exec = new Exec({ tasksMax, ...subject === 'percore' && { state: { strategy: strategy as StateStrategyName } } })
  const { state } = exec
  const settle = (): void => { exec.runUntilIdle() }
  let task: Task = () => undefined
  const run = (n: number, block: StateBlock): void => {
    const words = state.words(block)
    const at = state.start(block)
    words[at] = n
    task(words[at] ?? 0)
  }
  const runObject = (object: FreshState): void => task(object.a)
  const one: Record<string, (n: number) => void> = {
    percore: (n) => { exec.spawnWith(bytes, run, n) },
    'fresh-object': (n) => { exec.spawn(runObject, freshState(n)) },
    'no-state': (n) => { exec.spawn(task, n) },
  }
  const many: Record<string, (count: number) => void> = {
    percore: (count) => { for (let n = 0; n < count; n++) exec.spawnWith(bytes, run, n) },
    'fresh-object': (count) => { for (let n = 0; n < count; n++) exec.spawn(runObject, freshState(n)) },
    'no-state': (count) => { for (let n = 0; n < count; n++) exec.spawn(task, n) },
  }
  const [spawnOne, spawnMany] = [one[subject], many[subject]]
  if (spawnOne === undefined || spawnMany === undefined) throw new Error(`no subject ${subject}`)
  return {
    exec,
    settle,
    spawn: (next, n) => {
      task = next
      spawnOne(n)
    },
    spawnAll: (next, count) => {
      task = next
      spawnMany(count)
    },
  }
}

/** 13 fields and a header of three words: 128 bytes. */
type FreshState = ReturnType<typeof freshState>
const freshState = (a: number): Record<'a' | 'b' | 'c' | 'd' | 'e' | 'f' | 'g' | 'h' | 'i' | 'j' | 'k' | 'l' | 'm', number> =>
  ({ a, b: 0, c: 0, d: 0, e: 0, f: 0, g: 0, h: 0, i: 0, j: 0, k: 0, l: 0, m: 0 })

/** The spawner of that subject; `tasks` is the most that will be alive. */
export async function spawnerOf(subject: string, kind: string, tasks: number): Promise<Spawner> {
  switch (subject) {
    case 'percore': return percore(kind, tasks)
    case 'queueMicrotask': return microtasks
    case 'promise-then': return promises
    case 'async-function': return asyncFunctions
    case 'generator': return generators()
    case 'setImmediate': return immediates()
    default: return await effects()
  }
}

function percore(kind: string, tasks: number): Spawner {
  const exec = new Exec({ tasksMax: Math.max(tasks + 1, 16_384) })
  const settle = (): void => { exec.runUntilIdle() }
  switch (kind) {
    case 'joined': return {
      spawn: (task, n) => { exec.fork(task, n) },
      spawnAll: (task, count) => { for (let n = 0; n < count; n++) exec.fork(task, n) },
      settle,
    }
    case '8-functions': {
      const fns = eightTasks()
      return {
        spawn: (task, n) => { exec.spawn(task, n) },
        spawnAll: (_task, count) => { for (let n = 0; n < count; n++) exec.spawn(fns[n & 7] as Task, n) },
        settle,
      }
    }
    case 'coroutine': {
      let task: Task = () => undefined
      // oxlint-disable-next-line require-yield
      const coroutine = function* (n: number): Generator<undefined, void, void> { task(n) }
      return {
        spawn: (next, n) => {
          task = next
          exec.spawn(coroutine, n)
        },
        spawnAll: (next, count) => {
          task = next
          for (let n = 0; n < count; n++) exec.spawn(coroutine, n)
        },
        settle,
      }
    }
    default: return {
      spawn: (task, n) => { exec.spawn(task, n) },
      spawnAll: (task, count) => { for (let n = 0; n < count; n++) exec.spawn(task, n) },
      settle,
    }
  }
}

function eightTasks(): readonly Task[] {
  let sum = 0
  return [
    (n) => { sum = (sum + n) | 0 },
    (n) => { sum = (sum - n) | 0 },
    (n) => { sum = (sum ^ n) | 0 },
    (n) => { sum = (sum | n) | 0 },
    (n) => { sum = (sum & n) | 0 },
    (n) => { sum = (n - sum) | 0 },
    (n) => { sum = (sum + 2 * n) | 0 },
    (n) => { sum = (sum - 2 * n) | 0 },
  ]
}

/** All microtasks have run when the event loop has had a turn. */
const eventLoopTurn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

const microtasks: Spawner = {
  spawn: (task, n) => queueMicrotask(() => task(n)),
  spawnAll: (task, count) => { for (let n = 0; n < count; n++) queueMicrotask(() => task(n)) },
  settle: eventLoopTurn,
}

const promises: Spawner = {
  spawn: (task, n) => { void Promise.resolve(n).then(task) },
  spawnAll: (task, count) => { for (let n = 0; n < count; n++) void Promise.resolve(n).then(task) },
  settle: eventLoopTurn,
}

const asyncFunctions: Spawner = {
  spawn: (task, n) => { void asynchronously(task, n) },
  spawnAll: (task, count) => { for (let n = 0; n < count; n++) void asynchronously(task, n) },
  settle: eventLoopTurn,
}

async function asynchronously(task: Task, n: number): Promise<void> {
  await undefined
  task(n)
}

/** A queue of generators, as people write one by hand. */
function generators(): Spawner {
  const queue: Generator<undefined, void, void>[] = []
  // oxlint-disable-next-line require-yield
  const run = function* (task: Task, n: number): Generator<undefined, void, void> { task(n) }
  return {
    spawn: (task, n) => { queue.push(run(task, n)) },
    spawnAll: (task, count) => { for (let n = 0; n < count; n++) queue.push(run(task, n)) },
    settle: () => {
      for (let at = 0; at < queue.length; at++) {
        queue[at]?.next()
        if (at === 65_535) {
          queue.splice(0, 65_536)
          at = -1
        }
      }
      queue.length = 0
    },
  }
}

function immediates(): Spawner {
  let alive = 0
  let settled = (): void => undefined
  const run = (task: Task, n: number): void => {
    task(n)
    if (--alive === 0) settled()
  }
  return {
    spawn: (task, n) => {
      alive++
      setImmediate(run, task, n)
    },
    spawnAll: (task, count) => {
      alive += count
      for (let n = 0; n < count; n++) setImmediate(run, task, n)
    },
    settle: () => new Promise((resolve) => { settled = resolve }),
  }
}

async function effects(): Promise<Spawner> {
  const name = 'effect'
  const { Effect } = await import(name) as { Effect: { sync(fn: () => void): object, yieldNow: object | (() => object), flatMap(a: object, fn: () => object): object, runFork(effect: object): void } }
  const giveWay = typeof Effect.yieldNow === 'function' ? Effect.yieldNow() : Effect.yieldNow // a function up to version 3
  let alive = 0
  let settled = (): void => undefined
  const spawn = (task: Task, n: number): void => {
    alive++
    Effect.runFork(Effect.flatMap(giveWay, () => Effect.sync(() => {
      task(n)
      if (--alive === 0) settled()
    })))
  }
  return {
    spawn,
    spawnAll: (task, count) => { for (let n = 0; n < count; n++) spawn(task, n) },
    settle: () => new Promise((resolve) => { settled = resolve }),
  }
}
