/** The same assertions against piscina and against percore/piscina: threads, queues, events, counters, the end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { MessagePort } from 'node:worker_threads'
import { type PiscinaOptions, Piscina as Ours, queueOptionsSymbol, type Task } from '../../src/piscina/index.js'
import { faces, file, folder, set, word } from './pools.js'

for (const { name, Piscina } of faces) {
  const withPool = async (options: PiscinaOptions, use: (pool: Ours) => Promise<void>): Promise<void> => {
    const pool = new Piscina(options)
    try {
      await use(pool)
    } finally {
      await pool.destroy()
    }
  }

  void describe(`${name}:`, () => {
    test('threads come as tasks do, up to maxThreads, and then tasks wait', async () => {
      await withPool({ filename: file('wait.cjs'), minThreads: 1, maxThreads: 2 }, async (pool) => {
        const gates = [word(), word(), word()]
        assert.deepEqual([pool.threads.length, pool.queueSize, pool.minThreads, pool.maxThreads], [1, 0, 1, 2])
        const seen: number[][] = []
        const calls = gates.map((gate) => {
          const call = pool.run(gate)
          seen.push([pool.threads.length, pool.queueSize])
          return call
        })
        assert.deepEqual(seen, [[1, 0], [2, 0], [2, 1]])
        gates.forEach(set)
        assert.deepEqual(await Promise.all(calls), [1, 1, 1])
        assert.equal(pool.completed, 3)
      })
    })

    test('a queue that is full, or forbidden, rejects', async () => {
      await withPool({ filename: file('wait.cjs'), minThreads: 1, maxThreads: 1, maxQueue: 1 }, async (pool) => {
        const ends = [pool.run(word()), pool.run(word())].map((call) => assert.rejects(call, /Terminating worker thread/))
        await assert.rejects(pool.run(word()), /Task queue is at limit/)
        await pool.destroy()
        await Promise.all(ends)
        assert.equal(pool.threads.length, 0)
      })
      await withPool({ filename: file('wait.cjs'), minThreads: 1, maxThreads: 1, maxQueue: 0 }, async (pool) => {
        const end = assert.rejects(pool.run(word()), /Terminating worker thread/)
        await assert.rejects(pool.run(word()), /No task queue available and all Workers are busy/)
        await pool.destroy()
        await end
      })
    })

    test('tasks share a worker when they may', async () => {
      await withPool({ filename: file('names.cjs'), name: 'later', maxThreads: 1, concurrentTasksPerWorker: 2 }, async (pool) => {
        const calls = [pool.run(1), pool.run(1), pool.run(1)]
        assert.equal(pool.queueSize, 1)
        assert.deepEqual(await Promise.all(calls), [1, 1, 1])
      })
    })

    test('waiting tasks start in their order', async () => {
      await withPool({ filename: file('names.cjs'), name: 'keep', maxThreads: 1, stricterFIFO: true }, async (pool) => {
        const order = Array.from({ length: 20 }, (_, i) => i)
        await Promise.all(order.map((i) => pool.run(i)))
        assert.deepEqual(await pool.run(0, { name: 'kept' }), order)
      })
    })

    test("a task queue of one's own decides the order, and sees the value's options", async () => {
      const waiting: Task[] = []
      const rank = (task: Task): number => (task[queueOptionsSymbol] as { rank: number } | null)?.rank ?? 0
      const taskQueue = {
        get size() { return waiting.length },
        push(task: Task): void {
          assert.equal((task as { task?: { rank: number } }).task?.rank, rank(task))
          waiting.push(task)
          waiting.sort((a, b) => rank(b) - rank(a))
        },
        shift: (): Task | null => waiting.shift() ?? null,
        remove(task: Task): void { waiting.splice(waiting.indexOf(task), 1) },
      }
      await withPool({ filename: file('names.cjs'), name: 'keep', maxThreads: 1, taskQueue }, async (pool) => {
        await Promise.all([0, 1, 2, 3].map((rank) => pool.run({ rank, [Piscina.queueOptionsSymbol]: { rank } })))
        assert.deepEqual(await pool.run(0, { name: 'kept' }), [0, 3, 2, 1].map((rank) => ({ rank })))
      })
    })

    test('a load balancer chooses, and none means wait', async () => {
      const usages: number[] = []
      const loadBalancer: NonNullable<PiscinaOptions['loadBalancer']> = (_task, workers) => {
        const [first] = workers
        usages.push(first.currentUsage)
        return first.currentUsage === 0 ? first : null
      }
      await withPool({ filename: file('text.cjs'), minThreads: 1, maxThreads: 1, loadBalancer }, async (pool) => {
        assert.deepEqual(await Promise.all(['1', '2', '3'].map((code) => pool.run(code))), [1, 2, 3])
        assert.ok(usages.includes(0) && usages.includes(1))
      })
    })

    test('an idle thread above the least goes, and with an idleTimeout of Infinity stays', async () => {
      for (const [idleTimeout, left] of [[0, 1], [Number.POSITIVE_INFINITY, 2]] as const) {
        await withPool({ filename: file('names.cjs'), name: 'later', minThreads: 1, maxThreads: 2, idleTimeout }, async (pool) => {
          const isFewer = left === 1 ? once(pool, 'workerDestroy') : undefined
          await Promise.all([pool.run(5), pool.run(5)])
          await (isFewer ?? pool.run(50))
          assert.equal(pool.threads.length, left)
        })
      }
    })

    test('a worker that exits or throws fails its task, and another takes its place', async () => {
      await withPool({ filename: file('text.cjs'), minThreads: 1, maxThreads: 1 }, async (pool) => {
        const before = pool.threads[0].threadId
        await assert.rejects(pool.run('process.exit(3)'), /worker exited with code: 3/)
        assert.notEqual(pool.threads[0].threadId, before)
        await assert.rejects(pool.run('new Promise(() => setTimeout(() => { throw new Error("uncaught") }, 1))'), /uncaught/)
        assert.equal(await pool.run('42'), 42)
      })
    })

    test('a thread that runs out of its heap fails its task', async () => {
      await withPool({ filename: file('text.cjs'), maxThreads: 1, resourceLimits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 } }, async (pool) => {
        await assert.rejects(pool.run('const a = []; for (;;) a.push(Array.from({ length: 1000 }, (_, i) => ({ i })))'), /memory limit/)
      })
    })

    test('an error with no task to fail is an event, and so is what a worker posts', async () => {
      await withPool({ filename: file('text.cjs'), minThreads: 1, maxThreads: 1, atomics: 'disabled' }, async (pool) => {
        const said = once(pool, 'message')
        assert.equal(await pool.run('require("node:worker_threads").parentPort.postMessage({ half: 1 }); 1'), 1)
        pool.threads[0].ref()
        assert.deepEqual(await said, [{ half: 1 }])
        const failed = once(pool, 'error')
        await pool.run('setTimeout(() => { throw new Error("nobody asked") }, 200); 1')
        pool.threads[0].ref()
        assert.equal((await failed as [Error])[0].message, 'nobody asked')
      })
    })

    test('workers are told of as they come and go', async () => {
      const pool = new Piscina({ filename: file('text.cjs'), minThreads: 2, maxThreads: 2 })
      const seen = { workerCreate: 0, workerDestroy: 0 }
      for (const event of ['workerCreate', 'workerDestroy'] as const) {
        pool.on(event, (worker: { id: number }) => {
          assert.equal(typeof worker.id, 'number')
          seen[event]++
        })
      }
      await pool.run('1')
      await pool.close()
      assert.deepEqual(seen, { workerCreate: 2, workerDestroy: 2 })
    })

    test('needsDrain and drain tell when all are busy, and when no more', async () => {
      await withPool({ filename: file('wait.cjs'), minThreads: 1, maxThreads: 1 }, async (pool) => {
        const gate = word()
        const full = once(pool, 'needsDrain')
        const drained = once(pool, 'drain')
        const call = pool.run(gate)
        await full
        assert.equal(pool.needsDrain, true)
        set(gate)
        await Promise.all([call, drained])
        assert.equal(pool.needsDrain, false)
      })
    })

    test('histograms, utilization and duration are kept and reset, or not kept', async () => {
      await withPool({ filename: file('names.cjs'), name: 'later', maxThreads: 1 }, async (pool) => {
        assert.equal(pool.utilization, 0)
        await Promise.all([pool.run(20), pool.run(20)])
        const { runTime, waitTime } = pool.histogram
        const fields = [
          'average', 'max', 'mean', 'min', 'p0_001', 'p0_01', 'p0_1', 'p1', 'p10', 'p25', 'p2_5', 'p50', 'p75', 'p90', 'p97_5', 'p99', 'p99_9', 'p99_99', 'p99_999', 'stddev',
        ]
        assert.deepEqual(Object.keys(runTime).toSorted(), fields)
        assert.deepEqual(Object.keys(waitTime).toSorted(), fields)
        assert.ok(runTime.min >= 15 && waitTime.max >= 15, 'in ms')
        assert.ok(pool.utilization > 0 && pool.utilization <= 1 && pool.duration >= 30)
        pool.histogram.resetRunTime()
        pool.histogram.resetWaitTime()
        assert.deepEqual([pool.histogram.runTime.mean, pool.histogram.runTime.max, pool.histogram.waitTime.max], [Number.NaN, 0, 0])
      })
      await withPool({ filename: file('text.cjs'), maxThreads: 1, recordTiming: false }, async (pool) => {
        await pool.run('1')
        assert.deepEqual([pool.histogram.runTime, pool.histogram.waitTime, pool.utilization], [undefined, undefined, 0])
      })
    })

    test('close lets tasks end, refuses new ones, and tells; with force those that wait are aborted', async () => {
      for (const force of [false, true]) {
        const pool = new Piscina({ filename: file('names.cjs'), name: 'later', maxThreads: 1 })
        await pool.run(0)
        const calls = Promise.allSettled([pool.run(10), pool.run(10)])
        const told = once(pool, 'close')
        const closed = pool.close({ force })
        await assert.rejects(pool.run(1), { message: 'The task has been aborted', cause: 'queue is being terminated' })
        await Promise.all([closed, told])
        assert.deepEqual((await calls).map(({ status }) => status), ['fulfilled', force ? 'rejected' : 'fulfilled'])
        assert.equal(pool.threads.length, 0)
      }
    })

    test('close that takes too long is an error, and ends the threads', async () => {
      const pool = new Piscina({ filename: file('wait.cjs'), maxThreads: 1, closeTimeout: 5 })
      const end = assert.rejects(pool.run(word()), /Terminating worker thread/)
      const failed = once(pool, 'error')
      await pool.close()
      assert.match(String((await failed)[0]), /Close operation timed out/)
      await end
    })

    test('a CommonJS program requires the class, on which the rest hangs', () => {
      const required = createRequire(join(folder, 'main.cjs'))(name) as typeof Ours
      assert.equal(required.Piscina, required)
      for (const key of ['move', 'isWorkerThread', 'version', 'FixedQueue', 'ArrayTaskQueue', 'transferableSymbol', 'valueSymbol', 'queueOptionsSymbol'] as const) {
        assert.equal(typeof required[key], typeof Piscina[key])
      }
    })
  })
}

test('a result that cannot be cloned fails its call alone; piscina loses the thread', async () => {
  const pool = new Ours({ filename: file('text.cjs'), minThreads: 1, maxThreads: 1 })
  const [thread] = pool.threads
  await assert.rejects(pool.run('() => 1'), { name: 'DataCloneError' })
  assert.equal(pool.threads[0], thread)
  await pool.destroy()
})

test('a port is a result that moves, and a result that cannot move fails its call alone', async () => {
  const pool = new Ours({ filename: file('move.mjs'), minThreads: 1, maxThreads: 1 })
  const [thread] = pool.threads
  await assert.rejects(pool.run(0, { name: 'twice0' }), { name: 'DataCloneError' })
  assert.deepEqual(await once(await pool.run(0, { name: 'port0' }) as MessagePort, 'message'), ['kept'])
  assert.equal(pool.threads[0], thread)
  await pool.destroy()
})

test('errors of the pool carry a code', async () => {
  assert.throws(() => new Ours({ maxThreads: 0 }), { code: 'ERR_PERCORE_INVALID_OPTION' })
  const pool = new Ours({ filename: file('text.cjs'), minThreads: 1, maxThreads: 1 })
  await assert.rejects(pool.run('process.exit(3)'), { code: 'ERR_PERCORE_WORKER_DIED' })
  await assert.rejects(pool.run('1', { signal: AbortSignal.abort() }), { code: 'ERR_PERCORE_CANCELLED' })
  await pool.destroy()
})
