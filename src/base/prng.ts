/**
 * xorshift32 (Marsaglia 2003): the generator of every benchmark and seeded test. Pure; one instance per thread.
 */
export interface Prng {
  /** The next 32 random bits, as an unsigned integer; never 0. */
  next(): number
  /** A uniform integer in [0, n), for n ≤ 65536. */
  below(n: number): number
}

/** Threads share a seed and differ by their number; a zero state would stay zero, so it becomes 1. */
export function createPrng(seed: number, thread = 0): Prng {
  let x = (seed + Math.imul(0x9e3779b9, thread)) | 0 || 1
  const next = (): number => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return x >>> 0
  }
  return { next, below: (n) => ((next() >>> 16) * n) >>> 16 }
}
