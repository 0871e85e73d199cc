/** Remote wakers on real threads: under load, and with waking threads that are killed at any moment, or at a certain one. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { MessageChannel, Worker } from 'node:worker_threads'
import { createPrng } from '../../src/base/index.js'
import { alarm, initLane, recoverProduced } from '../../src/ring/index.js'
import { type Halt, layout, of, partAt, type WakingData } from './waking.worker.js'

const seed = Number(process.env.PERCORE_SEED ?? Date.now() % 1_000_000)
/** Every lane passes the wrap of u32 or of i32. */
const beginnings = [-1000, 0x7fffffff - 1000]
/** A shared machine may stand still for a while. */
const stuckMs = 20_000

interface Setting { readonly lanes: number; readonly capacity: number; readonly tasks: number; readonly naps?: boolean }

class Bench {
  readonly i32: Int32Array
  readonly #setting: Setting
  readonly #executor: Worker
  readonly #results: Promise<{ alive: number; stale: number[] }>
  readonly #wakers: Worker[] = []
  readonly #ended: Promise<unknown>[] = []
  readonly #failures: unknown[] = []

  constructor(t: TestContext, setting: Setting) {
    const { lanes, capacity, tasks, naps = true } = setting
    t.diagnostic(`PERCORE_SEED=${seed}`)
    this.#setting = setting
    this.i32 = new Int32Array(new SharedArrayBuffer(4 * partAt(lanes, capacity)))
    for (let lane = 0; lane < lanes; lane++) initLane(this.i32, this.#laneAt(lane), beginnings[lane % 2])
    this.#executor = this.#start({ executor: { lanes, tasks, naps } }, seed)
    this.#results = new Promise((resolve) => this.#executor.once('message', resolve))
    t.after(() => Promise.all([this.#executor, ...this.#wakers].map((worker) => worker.terminate())))
  }

  #laneAt(lane: number): number {
    return partAt(lane, this.#setting.capacity) + of.lane
  }

  #start(role: Pick<WakingData, 'executor' | 'waking'>, thisSeed: number): Worker {
    const workerData: WakingData = { buffer: this.i32.buffer as SharedArrayBuffer, capacity: this.#setting.capacity, seed: thisSeed, ...role }
    const worker = new Worker(new URL('./waking.worker.js', import.meta.url), { workerData, transferList: role.waking === undefined ? [] : [role.waking.port] })
    return worker.on('error', (error) => this.#failures.push(error))
  }

  /** A thread that wakes, from where the one before it on that lane has stopped. */
  start(lane: number, thisSeed: number, halt?: Halt): void {
    const { port1, port2 } = new MessageChannel()
    this.#executor.postMessage(port2, [port2])
    const worker = this.#wakers[lane] = this.#start({ waking: { lane, port: port1, halt } }, thisSeed)
    this.#ended[lane] = new Promise((resolve) => worker.once('exit', resolve))
  }

  /** Ends a waking thread wherever it is. */
  async kill(lane: number): Promise<void> {
    await this.#wakers[lane].terminate()
    await this.#ended[lane]
  }

  recover(lane: number): void {
    recoverProduced(this.i32, this.#laneAt(lane))
    this.alarm()
  }

  alarm(): void {
    alarm(this.i32, layout.bell, () => this.#executor.postMessage(null))
  }

  /** Tasks that are over, of one lane or of all. */
  over(lane?: number): number {
    if (lane !== undefined) return Atomics.load(this.i32, partAt(lane, this.#setting.capacity) + of.over)
    return this.#sum((part) => Atomics.load(this.i32, part + of.over))
  }

  #sum(count: (part: number) => number): number {
    return Array.from({ length: this.#setting.lanes }, (_, lane) => count(partAt(lane, this.#setting.capacity))).reduce((a, b) => a + b)
  }

  /** Waits until that holds. While it does not, tasks must come to their end. */
  async until(holds: () => boolean): Promise<void> {
    let [before, sinceMs] = [-1, 0]
    while (!holds()) {
      if (this.#failures.length > 0) throw this.#failures[0]
      if (this.over() !== before) [before, sinceMs] = [this.over(), performance.now()]
      else if (performance.now() - sinceMs > stuckMs) assert.fail(`after ${before} tasks nobody is woken any more`)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  /** To the end: everyone was woken, and every late wake-up came to nobody. */
  async finish(t: TestContext): Promise<void> {
    const { lanes, tasks } = this.#setting
    await this.until(() => Atomics.load(this.i32, layout.stop) === 1)
    await Promise.all(this.#ended)
    for (let lane = 0; lane < lanes; lane++) recoverProduced(this.i32, this.#laneAt(lane))
    Atomics.store(this.i32, layout.stop, 2)
    this.alarm()
    const { alive, stale } = await this.#results
    const late = this.#sum((part) => this.i32[part + of.late])
    const refused = this.#sum((part) => this.i32[part + of.refused])
    const staleCount = stale.reduce((a, b) => a + b)
    t.diagnostic(`${staleCount} stale wake-ups, ${refused} times no room`)
    assert.deepEqual(this.#failures, [])
    assert.deepEqual([alive, this.over()], [0, lanes * tasks])
    assert.ok(staleCount >= late, `${late} wake-ups were for wakers closed before, and only ${staleCount} were seen to be stale`)
    assert.ok(staleCount > 0 && refused > 0, 'slots are used again, and lanes are full')
  }
}

/** In the first nobody but the one who is owed a wake-up can make up for it: its lane is full, and no nap ends by itself. */
const settings: readonly Setting[] = [
  { lanes: 1, capacity: 1, tasks: 1500, naps: false },
  { lanes: 2, capacity: 2, tasks: 2000 },
  { lanes: 3, capacity: 16, tasks: 8000 },
]
for (const setting of settings) {
  const { lanes, capacity, tasks } = setting
  test(`${lanes * tasks} tasks woken from ${lanes} threads through lanes of ${capacity}: no wake-up is lost, none comes to who has the slot next`, async (t) => {
    const bench = new Bench(t, setting)
    for (let lane = 0; lane < lanes; lane++) bench.start(lane, seed + lane + 1)
    await bench.finish(t)
  })
}

test('waking threads killed at any moment lose no wake-up that was accepted, and hinder nobody', async (t) => {
  const setting = { lanes: 3, capacity: 4, tasks: 4000 }
  const bench = new Bench(t, setting)
  const prng = createPrng(seed)
  for (let lane = 0; lane < setting.lanes; lane++) bench.start(lane, prng.next())
  let kills = 0
  for (; kills < 24 && bench.over() < 0.9 * setting.lanes * setting.tasks; kills++) {
    const goal = bench.over() + 1 + prng.below(600)
    await bench.until(() => bench.over() >= goal || bench.over() === setting.lanes * setting.tasks)
    const lane = prng.below(setting.lanes)
    await bench.kill(lane)
    bench.recover(lane)
    bench.start(lane, prng.next())
  }
  t.diagnostic(`${kills} threads killed`)
  await bench.finish(t)
})

for (const [where, halt] of [
  ['with a descriptor that is claimed and not written', 'claimed'],
  ['with a wake-up that is committed and not published', 'committed'],
  ['before it rings', 'published'],
  ['between taking the doorbell and waking', 'rung'],
] as const) {
  test(`a waking thread killed ${where} hinders nobody, and what it has committed arrives`, async (t) => {
    const setting = { lanes: 2, capacity: 4, tasks: 600, naps: false }
    const bench = new Bench(t, setting)
    bench.start(0, seed, halt)
    bench.start(1, seed + 1)
    await bench.until(() => Atomics.load(bench.i32, layout.halted) === 1)
    await bench.kill(0)
    // The wake-up that it owed with the doorbell in its hand is owed to all: then nobody is woken before the alarm.
    if (halt === 'rung') bench.alarm()
    const goal = Math.min(bench.over(1) + 100, setting.tasks)
    await bench.until(() => bench.over(1) >= goal)
    bench.recover(0)
    bench.start(0, seed + 2)
    await bench.finish(t)
  })
}
