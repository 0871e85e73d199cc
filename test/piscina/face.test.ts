/** The same assertions against piscina and against percore/piscina: the class, its options, handlers, values and errors. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { MessageChannel } from 'node:worker_threads'
import type { Piscina as Pool, PiscinaOptions } from '../../src/piscina/index.js'
import { faces, file, set, word } from './pools.js'

for (const [which, { name, Piscina }] of faces.entries()) {
  const withPool = async (options: PiscinaOptions, use: (pool: Pool) => Promise<void>): Promise<void> => {
    const pool = new Piscina({ maxThreads: 1, ...options })
    try {
      await use(pool)
    } finally {
      await pool.destroy()
    }
  }

  void describe(`${name}:`, () => {
    test('handlers are what a CommonJS module exports as a whole or by name, also as a promise', async () => {
      await withPool({ filename: file('function.cjs') }, async (pool) => {
        assert.equal(await pool.run(0), 'whole')
        assert.equal(await pool.run(0, { name: 'part' }), 'part')
        assert.equal(await pool.run(1, { filename: file('promise.cjs') }), 2)
      })
    })

    test('handlers are the exports of an ES module, which may be named by a file URL', async () => {
      await withPool({ filename: pathToFileURL(file('esm.mjs')).href }, async (pool) => {
        assert.equal(await pool.run(21), 42)
        assert.equal(await pool.run(21, { name: 'named' }), -21)
        assert.equal(await pool.run(0, { name: 'settled' }), 'promised')
      })
    })

    test('an export that is no function rejects; so do a missing filename and a module that throws', async () => {
      await withPool({}, async (pool) => {
        await assert.rejects(pool.run(1), /filename must be provided/)
        await assert.rejects(pool.run(1, { filename: file('names.cjs') }), /No handler function exported/)
        await assert.rejects(pool.run(1, { filename: file('broken.cjs') }), /cannot be loaded/)
        assert.equal(await pool.run('1 + 1', { filename: file('text.cjs') }), 2)
      })
    })

    test('a module that throws as the threads start fails the tasks with that error', async () => {
      const pool = new Piscina({ filename: file('broken.cjs'), maxThreads: 1 })
      pool.on('error', () => undefined)
      await assert.rejects(pool.run(1), /cannot be loaded/)
      await pool.destroy()
    })

    test('what a handler throws and rejects with arrives as it is', async () => {
      await withPool({ filename: file('text.cjs') }, async (pool) => {
        await assert.rejects(pool.run('throw new RangeError("too far")'), { name: 'RangeError', message: 'too far' })
        await assert.rejects(pool.run('Promise.reject(new Error("later", { cause: 7 }))'), { message: 'later', cause: 7 })
        await assert.rejects(pool.run('throw 7'), (thrown) => thrown === 7)
      })
    })

    test('a value that cannot be cloned fails its call alone', async () => {
      await withPool({ filename: file('text.cjs') }, async (pool) => {
        await assert.rejects(pool.run({ call: () => undefined }), { name: 'DataCloneError' })
        assert.equal(await pool.run('42'), 42)
      })
    })

    test('move and transferList take a value away, and a port among them works', async () => {
      await withPool({ filename: file('move.mjs'), name: 'length' }, async (pool) => {
        const bytes = new Uint8Array(16)
        assert.equal(await pool.run(Piscina.move(bytes)), 16)
        assert.equal(bytes.byteLength, 0)
        const buffer = new ArrayBuffer(4)
        assert.equal(await pool.run(buffer, { transferList: [buffer] }), 4)
        assert.equal(buffer.byteLength, 0)
        const { port1, port2 } = new MessageChannel()
        const said = once(port1, 'message')
        await pool.run(port2, { name: 'say', transferList: [port2] })
        assert.deepEqual(await said, ['through the port'])
        port1.close()
      })
    })

    test('a result that is moved leaves the worker', async () => {
      await withPool({ filename: file('move.mjs') }, async (pool) => {
        assert.deepEqual([...(await pool.run(0, { name: `give${which}` }))], [7, 7, 7, 7, 7, 7, 7, 7])
        assert.equal(await pool.run(0, { name: 'rest' }), 0)
      })
    })

    test('move leaves what is no object, and marks an object that says how', () => {
      for (const value of [null, 1, false, 'text', undefined]) assert.equal(Piscina.move(value), value)
      const own = { get [Piscina.transferableSymbol]() { return {} }, get [Piscina.valueSymbol]() { return {} } }
      assert.equal(Piscina.move(own), own)
      const bytes = new Uint8Array(3)
      const moved = Piscina.move(bytes) as unknown as Record<symbol, unknown>
      assert.equal(moved[Piscina.transferableSymbol], bytes.buffer)
      assert.equal(moved[Piscina.valueSymbol], bytes)
    })

    test('a worker knows that it is one, and its data by both names', async () => {
      assert.equal(Piscina.isWorkerThread, false)
      await withPool({ filename: file('about.mjs'), name: `about${which}`, workerData: { a: [1] } }, async (pool) => {
        assert.deepEqual(await pool.run(0), [true, true, { a: [1] }, { a: [1] }, { a: [1] }])
      })
    })

    test('argv, env, execArgv reach the thread; workerData that cannot be cloned is refused at once', async () => {
      await withPool({ filename: file('about.mjs'), name: 'thread', argv: ['a', 'b'], env: { PLACE: 'here' }, execArgv: ['--no-warnings'] }, async (pool) => {
        assert.deepEqual(await pool.run(0), [['a', 'b'], 'here', ['--no-warnings']])
      })
      assert.throws(() => new Piscina({ workerData: () => undefined }), { name: 'DataCloneError' })
    })

    test('options that are no good throw, and are not taken from a prototype', async () => {
      const bad: readonly (readonly [PiscinaOptions, RegExp])[] = [
        [{ filename: 12 as never }, /options.filename must be a string or null/],
        [{ minThreads: -1 }, /options.minThreads must be a non-negative integer/],
        [{ maxThreads: 0 }, /options.maxThreads must be a positive integer/],
        [{ minThreads: 2, maxThreads: 1 }, /must not conflict/],
        [{ idleTimeout: -1 }, /options.idleTimeout/],
        [{ maxQueue: -1 }, /options.maxQueue/],
        [{ concurrentTasksPerWorker: 0 }, /options.concurrentTasksPerWorker/],
        [{ atomics: 'none' as never }, /options.atomics/],
        [{ taskQueue: {} as never }, /options.taskQueue must be a TaskQueue object/],
        [{ niceIncrement: -1 }, /options.niceIncrement/],
        [{ closeTimeout: -1 }, /options.closeTimeout/],
        [{ loadBalancer: 1 as never }, /options.loadBalancer/],
      ]
      for (const [options, message] of bad) assert.throws(() => new Piscina(options), message)
      await withPool(Object.create({ filename: file('text.cjs') }) as PiscinaOptions, async (pool) => {
        await assert.rejects(pool.run('1'), /filename must be provided/)
      })
      const everything = Object.prototype as { execArgv?: readonly string[] }
      everything.execArgv = ['--no-such-flag']
      try {
        await withPool({ filename: file('text.cjs') }, async (pool) => assert.equal(await pool.run('1'), 1))
      } finally {
        delete everything.execArgv
      }
    })

    test('options of a call that are no good reject', async () => {
      await withPool({ filename: file('text.cjs') }, async (pool) => {
        await assert.rejects(pool.run('1', { transferList: 'x' as never }), /transferList argument must be an Array/)
        await assert.rejects(pool.run('1', { filename: 7 as never }), /filename argument must be a string/)
        await assert.rejects(pool.run('1', { name: 7 as never }), /name argument must be a string/)
        await assert.rejects(pool.run('1', { signal: 7 as never }), /signal argument must be an object/)
        await assert.rejects(pool.run('1', null as never), /options must be an object/)
      })
    })

    test('a signal ends a handler that never returns, and the reason is the cause', async () => {
      await withPool({ filename: file('spin.cjs') }, async (pool) => {
        const flag = word()
        const controller = new AbortController()
        const call = pool.run(flag, { signal: controller.signal })
        while (Atomics.load(flag, 0) === 0) await new Promise((go) => setTimeout(go, 2))
        controller.abort('enough')
        await assert.rejects(call, { name: 'AbortError', message: 'The task has been aborted', cause: 'enough' })
        assert.equal(await pool.run('6', { filename: file('text.cjs') }), 6)
      })
    })

    test('an emitter may be the signal; a task that waits is taken from the queue', async () => {
      await withPool({ filename: file('wait.cjs') }, async (pool) => {
        const gate = word()
        const first = pool.run(gate)
        const emitter = new EventEmitter()
        const second = pool.run(word(), { signal: emitter })
        assert.equal(pool.queueSize, 1)
        emitter.emit('abort')
        assert.equal(pool.queueSize, 0)
        await assert.rejects(second, /The task has been aborted/)
        set(gate)
        assert.equal(await first, 1)
        assert.equal(emitter.listenerCount('abort'), 0)
      })
    })

    test('a signal that is aborted already leaves what was to be moved', async () => {
      await withPool({ filename: file('move.mjs'), name: 'length' }, async (pool) => {
        const buffer = new ArrayBuffer(4)
        await assert.rejects(pool.run(buffer, { transferList: [buffer], signal: AbortSignal.abort() }), /The task has been aborted/)
        assert.equal(buffer.byteLength, 4)
      })
    })
  })
}
