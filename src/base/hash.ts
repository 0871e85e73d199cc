/**
 * Hashes that decide where things go: the same on every thread and in every release of percore, not made against an adversary.
 * Pure; any thread.
 */

const f64 = new Float64Array(1)
const bits = new Uint32Array(f64.buffer)

/** Spreads 32 bits so that each one of the input changes half of the output: the finaliser of MurmurHash3 (Appleby). */
export function mix32(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** 32 bits of a key. Equal keys, as `Map` sees them, hash alike; 1 and '1' are two keys. About 1 ns per character. */
export function hashKey(key: string | number): number {
  if (typeof key === 'string') {
    let h = 0x811c9dc5 // FNV-1a (Fowler, Noll, Vo), over UTF-16 units
    for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193)
    return mix32(h)
  }
  const int = key | 0
  if (int === key) return mix32(int) // −0 is 0 here, as it is to a Map
  f64[0] = key
  return mix32(bits[0] ^ Math.imul(bits[1], 0x9e3779b1))
}
