/** The payloads of the group bench, as WORKLOADS names them. Pure; any thread. */

const makers = {
  num: () => 42,
  json: () => ({ id: 7_340_221, name: 'Ada Lovelace', tags: ['alpha', 'beta', 'gamma'], score: 0.75 }),
  u8_1k: () => new Uint8Array(1024).fill(7),
  u8_64k: () => new Uint8Array(65_536).fill(7),
} satisfies Record<string, () => unknown>

/** The names of the payloads. */
export const payloadNames: readonly string[] = Object.keys(makers)

/** A payload by name; throws for a name that does not exist. */
export function makePayload(name: string | number | undefined): unknown {
  const maker = Object.entries(makers).find(([known]) => known === name)?.[1]
  if (maker === undefined) throw new Error(`no payload named ${name}; there are ${payloadNames.join(', ')}`)
  return maker()
}
