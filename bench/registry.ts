/** Every bench there is. To add one: one file that exports `bench`, one line here. Any thread. */
import { bench as breakEven } from './break-even.js'
import { bench as group } from './group.js'
import type { Bench } from './harness/contract.js'
import { bench as latency } from './latency.js'
import { bench as run } from './run.js'

/** In the order in which they run and are listed. */
export const benches: readonly Bench[] = [group, latency, breakEven, run]
