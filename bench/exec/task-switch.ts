/**
 * `task-switch`: two tasks that give way to each other; what one switch costs. `plan` in the parent, `measure` in a child.
 *
 * The invariant: both tasks are alive all the while, and each turn of one is followed by one of the other.
 */
import { Exec } from '../../src/exec/index.js'
import { warmUpClock } from '../driver.js'
import type { Bench, Contender, Reading } from '../harness/contract.js'
import { quantile } from '../harness/stats.js'
import { ratiosOver } from '../memory/ratios.js'

const contenders: readonly Contender[] = [
  { subject: 'percore' },
  { subject: 'async-function' },
  { subject: 'promise-then' },
  { subject: 'queueMicrotask' },
  { subject: 'generator' },
  { subject: 'setImmediate' },
  { subject: 'effect-fiber', needs: 'effect' },
]

/** Lets two tasks give way to each other, `turns` times each. */
type Switch = (turns: number) => Promise<void> | void

const turnsAtOnce = 5000

export const bench: Bench = {
  name: 'task-switch',
  summary: 'two coroutines on one thread that give way to each other: ns per switch, against async functions, generators, fibers',
  module: import.meta.url,
  contenders,
  plan: (choice) => [{
    params: { tasks: 2 },
    contenders,
    runs: choice.runs ?? (choice.quick ? 3 : 5),
    timeoutMs: 60_000,
    input: choice.quick ? { warmup_cpu_ms: 200, measure_ms: 150 } : { warmup_cpu_ms: 500, measure_ms: 500 },
  }],
  async measure({ subject, input }) {
    const run = await switchOf(subject)
    const isWarm = warmUpClock(Number(input['warmup_cpu_ms']))
    while (!isWarm()) await run(turnsAtOnce)
    const costs: number[] = []
    const endMs = performance.now() + Number(input['measure_ms'])
    while (performance.now() < endMs || costs.length < 5) {
      const startMs = performance.now()
      await run(turnsAtOnce)
      costs.push(((performance.now() - startMs) * 1e6) / (2 * turnsAtOnce))
    }
    return [{ metric: 'ns_per_switch', value: quantile(Float64Array.from(costs).sort(), 0.5) }] satisfies Reading[]
  },
  derive: (results) => ratiosOver(results, 'ns_per_switch'),
  views: [{ kind: 'columns', metrics: ['ns_per_switch'] }, { kind: 'pivot', metric: 'speedup', rows: ['over'] }],
}

async function switchOf(subject: string): Promise<Switch> {
  switch (subject) {
    case 'percore': return percore()
    case 'async-function': return async (turns) => { await Promise.all([giveWay(turns), giveWay(turns)]) }
    case 'promise-then': return (turns) => bothOf((done) => chain(turns, done))
    case 'queueMicrotask': return (turns) => bothOf((done) => hop(queueMicrotask, turns, done))
    case 'setImmediate': return (turns) => bothOf((done) => hop(setImmediate, turns, done))
    case 'generator': return (turns) => byHand([yielding(turns), yielding(turns)])
    default: return await effects()
  }
}

function percore(): Switch {
  const exec = new Exec()
  return (turns) => {
    exec.spawn(yielding, turns)
    exec.spawn(yielding, turns)
    exec.runUntilIdle()
  }
}

function* yielding(turns: number): Generator<undefined, void, void> {
  for (let turn = 0; turn < turns; turn++) yield
}

async function giveWay(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await undefined
}

function chain(turns: number, done: () => void): void {
  // oxlint-disable-next-line promise/no-callback-in-promise
  void Promise.resolve().then(() => turns > 1 ? chain(turns - 1, done) : done())
}

function hop(soon: (callback: () => void) => void, turns: number, done: () => void): void {
  soon(() => turns > 1 ? hop(soon, turns - 1, done) : done())
}

function bothOf(start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    let left = 2
    const done = (): void => { if (--left === 0) resolve() }
    start(done)
    start(done)
  })
}

function byHand(generators: readonly Generator<undefined, void, void>[]): void {
  const queue = [...generators]
  for (let one = queue.shift(); one !== undefined; one = queue.shift()) if (one.next().done !== true) queue.push(one)
}

async function effects(): Promise<Switch> {
  const name = 'effect'
  const { Effect } = await import(name) as {
    Effect: {
      yieldNow: Iterable<unknown> | (() => Iterable<unknown>)
      gen(make: () => Generator<unknown, void, unknown>): object
      all(effects: object[], options: object): object
      runPromise(effect: object): Promise<void>
    }
  }
  const pause = typeof Effect.yieldNow === 'function' ? Effect.yieldNow() : Effect.yieldNow // a function up to version 3
  const fiber = (turns: number): object => Effect.gen(function* () { for (let turn = 0; turn < turns; turn++) yield* pause })
  return (turns) => Effect.runPromise(Effect.all([fiber(turns), fiber(turns)], { concurrency: 2 }))
}
