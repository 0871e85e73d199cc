/** Every worker pool the benches know, percore first. One file each; the order is the order of the tables. */
import { percore } from './percore.js'
import { piscina, piscinaTuned } from './piscina.js'
import type { PoolSubject } from './pool.js'
import { poolifier, poolifierTuned } from './poolifier.js'
import { postMessage } from './post-message.js'
import { postMessageArrays } from './post-message-arrays.js'
import { tinypool, tinypoolTuned } from './tinypool.js'
import { workerpool } from './workerpool.js'

export { startWay, type Way, type WayPool, ways } from './percore-ways.js'
export { type HandlerName, type Pool, type PoolOptions, type PoolSubject } from './pool.js'

export const pools: readonly PoolSubject[] = [
  percore, piscina, piscinaTuned, tinypool, tinypoolTuned, workerpool, poolifier, poolifierTuned, postMessage, postMessageArrays,
]

/** What a quick look measures: percore, the pool most people use, and what they would write by hand. */
export const quickPools: readonly PoolSubject[] = pools.filter((pool) => ['percore', 'piscina', 'postMessage'].includes(pool.subject))

/** The pool of that name; throws for a name that does not exist. */
export function poolNamed(subject: string): PoolSubject {
  const pool = pools.find((candidate) => candidate.subject === subject)
  if (pool === undefined) throw new Error(`no pool named ${subject}; there are ${pools.map((each) => each.subject).join(', ')}`)
  return pool
}
