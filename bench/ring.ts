/**
 * `ring`: records of 16 and 64 bytes from thread to thread, published 1 / 8 / 32 / 256 at a time. `plan` in the parent, `measure` in the main
 * thread of a child, which only starts the threads.
 *
 * The invariant: all subjects of a cell move the same records, and read and write each word of them.
 */
import { availableParallelism } from 'node:os'
import type { Bench, Cell, Choice, Contender, Job, Reading } from './harness/contract.js'
import { runCrew } from './memory/crew.js'
import { ratiosOver } from './memory/ratios.js'
import { measureMessagePort } from './ring/message-port.js'
import { packageName } from './ring/ringbuf.js'
import type { End } from './ring/thread.js'
import type { Shape } from './ring/transport.js'
import { openTransport } from './ring/transports.js'

const capacity = 4096
const warmUps = 20
const percore: Contender = { subject: 'percore' }
const byCopy: Contender = { subject: 'percore-by-copy' }
const everyLane: Contender = { subject: 'every lane polled' }
const tailSpin: Contender = { subject: 'tail-spin' }
const slotSequence: Contender = { subject: 'slot sequence' }
const ringbuf: Contender = { subject: packageName, needs: packageName }
const messagePort: Contender = { subject: 'MessagePort' }

interface Topology {
  readonly name: string
  readonly producers: number
  readonly consumers: number
  /** Producers that there is room for. */
  readonly lanes: number
  readonly contenders: readonly Contender[]
}

const topologies: readonly Topology[] = [
  { name: '1 to 1', producers: 1, consumers: 1, lanes: 1, contenders: [percore, byCopy, ringbuf, messagePort] },
  { name: '2 to 1', producers: 2, consumers: 1, lanes: 2, contenders: [percore, byCopy, everyLane, tailSpin, slotSequence] },
  { name: '2 of 64 to 1', producers: 2, consumers: 1, lanes: 64, contenders: [percore, everyLane] },
  { name: '2 to 2', producers: 2, consumers: 2, lanes: 2, contenders: [percore, byCopy, slotSequence] },
]

export const bench: Bench = {
  name: 'ring',
  summary: 'records of 16 and 64 bytes between threads, one to one, two to one, two to two: records per second by batch',
  module: import.meta.url,
  contenders: [percore, byCopy, ringbuf, messagePort, everyLane, tailSpin, slotSequence],
  plan: (choice) => topologies.flatMap((topology) =>
    [16, 64].flatMap((bytes) => [1, 8, 32, 256].flatMap((batch) => cellOf(choice, topology, bytes, batch)))),
  async measure({ subject, params, input }) {
    const { items = 0, warmup = 0, words = 0, batch = 0 } = input as Record<string, number>
    if (subject === messagePort.subject) {
      const few = items / (batch === 1 ? 100 : 20)
      return [{ metric: 'items_per_s', value: few / await measureMessagePort(few, words, batch) }]
    }
    return await measureTransport({ subject, params, input }, items, warmup)
  },
  derive: (results) => ratiosOver(results, 'items_per_s'),
  views: [{ kind: 'pivot', metric: 'items_per_s', rows: ['batch', 'bytes', 'threads'] }, { kind: 'columns', metrics: ['items_per_s'] }],
}

/** A quick look takes 16 bytes and batches of 1 to 32; a `MessagePort` carries one record or 32. */
function cellOf(choice: Choice, topology: Topology, bytes: number, batch: number): readonly Cell[] {
  if (choice.quick && (bytes !== 16 || batch === 256)) return []
  const { name, producers, consumers, lanes } = topology
  const contenders = topology.contenders.filter((contender) => contender !== messagePort || batch === 1 || batch === 32)
  const items = choice.quick ? 5e6 : 20e6
  return [{
    params: { threads: name, bytes, batch }, contenders, runs: choice.runs ?? (choice.quick ? 3 : 5), timeoutMs: 120_000,
    input: { items, warmup: 1e6, words: bytes / 4, batch, producers, consumers, lanes },
  }]
}

async function measureTransport({ subject, input }: Job, items: number, warmup: number): Promise<readonly Reading[]> {
  const { words = 0, batch = 0, producers = 0, consumers = 0, lanes = 0 } = input as Record<string, number>
  const shortOfCores = producers + consumers > availableParallelism()
  const shape: Shape = { words, capacity, batch, lanes, consumers, shortOfCores }
  const handle = (await openTransport(subject)).create(shape)
  const warmups = Array.from({ length: warmUps }, () => warmup / warmUps / producers)
  const common = { subject, handle, shape, warmups }
  // Producers that are few among many sit at both ends.
  const place = (n: number): number => Math.round(n * (lanes - 1) / Math.max(1, producers - 1))
  const ends: readonly End[] = [
    ...Array.from({ length: consumers }, (_, index) => ({ ...common, role: 'consumer' as const, index, count: producers / consumers })),
    ...Array.from({ length: producers }, (_, n) => ({ ...common, role: 'producer' as const, index: place(n), count: items / producers })),
  ]
  const seconds = await runCrew(new URL('./ring/thread.js', import.meta.url), ends)
  return [{ metric: 'items_per_s', value: items / seconds }]
}
