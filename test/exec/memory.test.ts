import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Exec } from '../../src/exec/index.js'

/** Bytes of heap per task, by the engine's own counter: few enough tasks that no collection happens meanwhile. */
function bytesPerTask(tasks: number, run: (tasks: number) => void): number {
  for (let i = 0; i < 50; i++) run(tasks / 10)
  let least = Infinity
  for (let i = 0; i < 5; i++) {
    const before = getHeapStatistics().used_heap_size
    run(tasks)
    const bytes = (getHeapStatistics().used_heap_size - before) / tasks
    if (bytes >= 0) least = Math.min(least, bytes)
  }
  return least
}

let sum = 0
const work = (n: number): void => { sum = (sum + n) | 0 }

test('a function costs no heap to spawn and run, with 10,000 alive', () => {
  const exec = new Exec()
  const bytes = bytesPerTask(200_000, (tasks) => {
    for (let done = 0; done < tasks; done += 10_000) {
      for (let n = 0; n < Math.min(tasks, 10_000); n++) exec.spawn(work, n)
      exec.runUntilIdle()
    }
  })
  assert.ok(bytes < 0.5, `${bytes} bytes`)
})

test('a call at a later time costs no heap either, but for its number where the call is not inlined', () => {
  const exec = new Exec({ now: () => 0 })
  const bytes = bytesPerTask(100_000, (tasks) => {
    for (let done = 0; done < tasks; done += 5000) {
      for (let n = 0; n < 5000; n++) exec.after(0, work, n)
      exec.runUntilIdle()
    }
  })
  assert.ok(bytes < 17, `${bytes} bytes`)
})

/** Collects garbage, whatever flags this process was started with. */
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function held(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** The median of several weighings: the engine makes and drops things of its own meanwhile. */
function bytesOf(make: () => unknown): number {
  const kept: unknown[] = [make(), make()]
  const weights = Array.from({ length: 11 }, () => {
    const before = held()
    kept.push(make())
    return held() - before
  })
  assert.equal(kept.length, 13)
  return weights.toSorted((a, b) => a - b)[5] ?? 0
}

test('an executor with nothing to do holds less than 256 KiB, and with 10,000 live tasks of 128 bytes less than 200 kB per 1000', () => {
  const idle = bytesOf(() => {
    const exec = new Exec()
    exec.spawn(work, 1)
    exec.runUntilIdle()
    return exec
  })
  assert.ok(idle > 100_000 && idle < 256 * 1024, `${idle} bytes`)
  const busy = bytesOf(() => {
    const exec = new Exec()
    for (let n = 0; n < 10_000; n++) exec.spawnWith(128, work, n)
    return exec
  })
  assert.ok(busy > 1_280_000 && busy < 2_000_000, `${busy} bytes`)
})

test('a finished task keeps neither its function nor its argument', async () => {
  const exec = new Exec()
  const registered: string[] = []
  const registry = new FinalizationRegistry((name: string) => registered.push(name))
  const spawn = (): void => {
    const arg = { big: Array.from({ length: 1000 }, () => 0) }
    const fn = (value: { big: number[] }): number => value.big.length
    registry.register(arg, 'argument')
    registry.register(fn, 'function')
    exec.spawn(fn, arg)
  }
  spawn()
  exec.runUntilIdle()
  for (let i = 0; i < 10 && registered.length < 2; i++) {
    collect()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.deepEqual(registered.toSorted(), ['argument', 'function'])
})
