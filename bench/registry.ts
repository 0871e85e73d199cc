/** Every bench there is. To add one: one file that exports `bench`, one line here. Any thread. */
import { bench as breakEven } from './break-even.js'
import { bench as rmq } from './exec/rmq.js'
import { bench as taskSpawn } from './exec/task-spawn.js'
import { bench as taskSwitch } from './exec/task-switch.js'
import { bench as group } from './group.js'
import type { Bench } from './harness/contract.js'
import { bench as latency } from './latency.js'
import { bench as grow } from './memory/grow.js'
import { bench as larson } from './memory/larson.js'
import { bench as midLarge } from './memory/mid-large.js'
import { bench as mixed } from './memory/mixed.js'
import { bench as producerConsumer } from './memory/producer-consumer.js'
import { bench as spawnBlocks } from './memory/spawn-blocks.js'
import { bench as paced } from './paced.js'
import { bench as ring } from './ring.js'
import { bench as run } from './run.js'

/** In the order in which they run and are listed. */
export const benches: readonly Bench[] = [
  group, latency, breakEven, paced, run, ring, larson, mixed, midLarge, producerConsumer, spawnBlocks, grow, taskSpawn, taskSwitch, rmq,
]
