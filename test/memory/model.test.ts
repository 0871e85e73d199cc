/** The heap against a plain Map, by random commands on three handles; fast-check shrinks what fails. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { attachHeap, createHeap, type Ptr, type SharedHeap } from '../../src/memory/index.js'

interface Model { readonly blocks: Map<Ptr, { readonly bytes: number; readonly mark: number }>; next: number }
interface Real { readonly threads: SharedHeap[] }
type Command = fc.Command<Model, Real>

const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1e9)
console.log(`PERCORE_SEED=${seed}`)
const THREADS = 3

function allocate(thread: number, bytes: number): Command {
  return {
    check: () => true,
    run(model, { threads }) {
      const heap = threads[thread]!
      const ptr = heap.tryMalloc(bytes)
      if (ptr === 0) return
      assert.ok(!model.blocks.has(ptr) && ptr % 4 === 0 && heap.usableSize(ptr) >= bytes)
      const mark = (model.next = (model.next % 255) + 1)
      heap.bytes(ptr, bytes).fill(mark)
      model.blocks.set(ptr, { bytes, mark })
    },
    toString: () => `malloc(thread ${thread}, ${bytes})`,
  }
}

function release(thread: number, which: number): Command {
  return {
    check: (model) => model.blocks.size > 0,
    run(model, { threads }) {
      const [ptr, { bytes, mark }] = [...model.blocks][which % model.blocks.size]!
      assert.ok(threads[thread]!.bytes(ptr, bytes).every((byte) => byte === mark), `block ${ptr} kept its content`)
      model.blocks.delete(ptr)
      threads[thread]!.free(ptr)
    },
    toString: () => `free(thread ${thread}, block #${which})`,
  }
}

function onThread(name: string, thread: number, act: (real: Real, thread: number) => void): Command {
  return {
    check: () => true,
    run(model, real) {
      act(real, thread)
      const report = real.threads[0]!.audit({ quiet: true })
      assert.deepEqual(report.problems, [])
      assert.equal(report.blocks.out + report.largeBlocks, model.blocks.size)
    },
    toString: () => `${name}(thread ${thread})`,
  }
}

const thread = fc.nat(THREADS - 1)
const size = fc.oneof(fc.nat(200), fc.nat(5000), fc.nat(70_000), fc.nat(1_500_000))
const commands = fc.commands(
  [
    fc.tuple(thread, size).map(([t, bytes]) => allocate(t, bytes)),
    fc.tuple(thread, fc.constantFrom(1000, 16_000)).map(([t, bytes]) => allocate(t, bytes)),
    fc.tuple(thread, fc.constantFrom(1000, 16_000)).map(([t, bytes]) => allocate(t, bytes)),
    fc.tuple(thread, fc.nat(1e6)).map(([t, which]) => release(t, which)),
    fc.tuple(thread, fc.nat(1e6)).map(([t, which]) => release(t, which)),
    thread.map((t) => onThread('flush', t, ({ threads }) => threads[t]!.flush())),
    thread.map((t) => onThread('idle', t, ({ threads }) => threads[t]!.idle())),
    thread.map((t) => onThread('trim', t, ({ threads }) => threads[t]!.trim())),
    thread.map((t) => onThread('detach and attach', t, ({ threads }) => {
      const { handle } = threads[t]!
      threads[t]!.detach()
      threads[t] = attachHeap(handle)
    })),
    thread.map((t) => onThread('die, be reclaimed, and attach', t, ({ threads }) => {
      const { handle, record } = threads[t]!
      threads[(t + 1) % THREADS]!.reclaim(record)
      threads[t] = attachHeap(handle)
    })),
  ],
  { maxCommands: 400, size: '+1' },
)

const modes = ['off', 'gated', 'eager', 'ungated'] as const
for (const adoption of modes) test(`whatever three threads do, the heap agrees with a Map (adoption ${adoption})`, () => {
  fc.assert(
    fc.property(commands, (cmds) => {
      const first = createHeap({ bytes: 12 << 20, records: THREADS, adoption })
      const real = { threads: [first, attachHeap(first.handle), attachHeap(first.handle)] }
      const model: Model = { blocks: new Map(), next: 0 }
      fc.modelRun(() => ({ model, real }), cmds)
      for (const ptr of model.blocks.keys()) real.threads[1]!.free(ptr)
      for (const heap of real.threads) heap.flush()
      for (const heap of [...real.threads, ...real.threads]) heap.trim()
      assert.deepEqual(first.audit({ quiet: true }).problems, [])
      const { bytesFree, bytesTotal } = first.stats()
      assert.equal(bytesFree, bytesTotal, 'everything went back to the reserve')
    }),
    { numRuns: 70, seed },
  )
})
