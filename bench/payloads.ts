/**
 * The payloads of the group bench. Pure; any thread.
 *
 * The invariant: tasks in flight at the same time carry different values. Structured clone writes an object that it meets again as
 * a reference to the first, so an array of one object many times would travel almost for nothing.
 */
import { ceilPowerOfTwo } from '../src/base/index.js'

const makers = {
  num: (i) => i,
  json: (i) => ({ id: 7_340_221 + i, name: 'Ada Lovelace', tags: ['alpha', 'beta', 'gamma'], score: 0.75 }),
  u8_1k: (i) => new Uint8Array(1024).fill(i),
  u8_64k: (i) => new Uint8Array(65_536).fill(i),
} satisfies Record<string, (i: number) => unknown>

/** The names of the payloads. */
export const payloadNames: readonly string[] = Object.keys(makers)

/** At least `count` different payloads, rounded up to a power of two; throws for a name that does not exist. */
export function makePayloads(name: string | number | undefined, count: number): unknown[] {
  const maker = Object.entries(makers).find(([known]) => known === name)?.[1]
  if (maker === undefined) throw new Error(`no payload named ${name}; there are ${payloadNames.join(', ')}`)
  return Array.from({ length: ceilPowerOfTwo(count) }, (_, i) => maker(i))
}
