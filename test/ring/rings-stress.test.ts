/** Every kind of ring on real threads: under load, and with threads that are killed at any moment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { createPrng } from '../../src/base/index.js'
import type { Ring } from '../../src/ring/index.js'
import { laneAt, laneWordsOf, readLayout } from '../../src/ring/ring-layout.js'
import { type Kind, kinds, mpmcOf, ringAt } from './kinds.js'
import { burstMax, type EndData, recordWords } from './rings.worker.js'

const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)
/** Every lane passes the wrap of u32 or of i32. */
const beginnings = [-1000, 0x7fffffff - 1000]

class Bench {
  readonly ring: Ring
  readonly table: Int32Array
  readonly kind: Kind
  readonly items: number
  readonly first: number
  readonly failures: unknown[] = []
  readonly #ends: Record<EndData['role'], { worker: Worker, ended: Promise<unknown> }[]> = { producer: [], consumer: [] }

  constructor(kind: Kind, capacity: number, items: number, first: number) {
    this.kind = kind
    this.items = items
    this.first = first
    this.ring = ringAt(kind, { capacity, recordWords }, first)
    this.table = new Int32Array(new SharedArrayBuffer(4 * (kind.producers * items + 1)))
  }

  get taken(): number {
    return Atomics.load(this.table, this.kind.producers * this.items)
  }

  /** Counts as taken what died in the hands of consumers, so that the others know when all is done. */
  writeOff(count: number): void {
    Atomics.add(this.table, this.kind.producers * this.items, count)
  }

  start(role: EndData['role'], index: number, thisSeed: number): void {
    const { kind, items, first, table } = this
    const { handle } = this.ring
    const workerData: EndData = { kind: kind.name, handle, role, index, first, items, table, producers: kind.producers, seed: thisSeed }
    const worker = new Worker(new URL('./rings.worker.js', import.meta.url), { workerData })
    worker.on('error', (error) => this.failures.push(error))
    this.#ends[role][index] = { worker, ended: new Promise((resolve) => worker.once('exit', resolve)) }
  }

  startAll(): void {
    for (let index = 0; index < this.kind.producers; index++) this.start('producer', index, seed)
    for (let index = 0; index < this.kind.consumers; index++) this.start('consumer', index, seed)
  }

  async kill(role: EndData['role'], index: number): Promise<void> {
    await this.#ends[role][index].worker.terminate()
    await this.#ends[role][index].ended
  }

  /** Waits until that holds, or a thread has failed. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds() && this.failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }

  async allEnded(): Promise<void> {
    await Promise.all([...this.#ends.producer, ...this.#ends.consumer].map(({ ended }) => ended))
  }

  /** Records of a producer that are in nobody's account. */
  missing(producer: number): number {
    return this.table.subarray(producer * this.items, (producer + 1) * this.items).filter((count) => count === 0).length
  }

  published(producer: number): number {
    const layout = readLayout(this.kind.name, this.ring.handle)
    return (Atomics.load(new Int32Array(this.ring.handle.buffer), laneAt(layout, producer) + laneWordsOf.tail) - this.first) | 0
  }
}

for (const [round, kind] of [...kinds, mpmcOf(2, 3)].entries()) {
  for (const [capacity, items] of [[1, 1000], [5, 4000], [300, 40_000]] as const) {
    test(`${kind.producers} to ${kind.consumers} through an ${kind.name} ring of ${capacity}: all arrives, whole, once and in order`, async (t) => {
      t.diagnostic(`PERCORE_SEED=${seed}`)
      const bench = new Bench(kind, capacity, items, beginnings[round % 2])
      bench.startAll()
      await bench.until(() => bench.taken === kind.producers * items)
      await bench.allEnded()
      assert.deepEqual(bench.failures, [])
      for (let producer = 0; producer < kind.producers; producer++) assert.equal(bench.missing(producer), 0)
      const { depths, peak, producers, consumers } = bench.ring.stats()
      assert.ok(depths.every((depth) => depth === 0) && peak <= capacity, `${depths.join(' ')}, peak ${peak}`)
      assert.ok(![...producers, ...consumers].includes(true), 'every place was given back')
    })
  }
}

for (const kind of kinds) {
  test(`threads of an ${kind.name} ring killed at any moment block nobody; nothing is lost but what a dead consumer held`, async (t) => {
    t.diagnostic(`PERCORE_SEED=${seed}`)
    const prng = createPrng(seed)
    const bench = new Bench(kind, 32, 60_000, beginnings[0])
    const kills = { producer: 0, consumer: 0 }
    bench.startAll()
    for (let round = 0; round < 10 && bench.failures.length === 0; round++) {
      const before = bench.taken
      const some = 1 + prng.below(4000)
      await bench.until(() => bench.taken > before + some)
      const role = prng.below(2) === 0 ? 'producer' : 'consumer'
      const index = prng.below(kind[`${role}s`])
      await bench.kill(role, index)
      kills[role]++
      const others = kind[`${role}s`] - 1
      if (others > 0) {
        // Nobody has recovered anything yet: the others must get on without, and around the whole ring more than once.
        const lanes = role === 'producer' ? [0, 1, 2].filter((lane) => lane !== index) : [0, 1, 2]
        const goals = lanes.map((lane) => bench.published(lane) + 100)
        await bench.until(() => lanes.every((lane, n) => bench.published(lane) >= goals[n] || bench.published(lane) === bench.items))
      }
      if (role === 'producer') bench.ring.recoverProducer(index)
      else bench.ring.recoverConsumer(index)
      bench.start(role, index, prng.next())
    }
    // To the end: what died with consumers is written off once everything has been published and nothing is left in the ring.
    await bench.until(() => [...Array(kind.producers).keys()].every((lane) => bench.published(lane) === bench.items))
    await bench.until(() => bench.ring.stats().depths.every((depth) => depth === 0))
    let taken = -1
    await bench.until(() => {
      const still = taken === bench.taken
      taken = bench.taken
      return still
    })
    bench.writeOff(kind.producers * bench.items - taken)
    await bench.allEnded()
    assert.deepEqual(bench.failures, [])
    const missing = [...Array(kind.producers).keys()].map((producer) => bench.missing(producer)).reduce((a, b) => a + b)
    t.diagnostic(`${kills.producer} producers and ${kills.consumer} consumers killed, ${missing} records died with them`)
    assert.ok(missing <= kills.consumer * burstMax, `${missing} are missing`)
  })
}
