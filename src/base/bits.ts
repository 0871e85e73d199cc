/** Small arithmetic on sizes and indices. Pure; any thread. */

/** The smallest power of two that is not below `n` (1 for n ≤ 1). */
export function ceilPowerOfTwo(n: number): number {
  return n <= 1 ? 1 : 2 ** Math.ceil(Math.log2(n))
}

export function isPowerOfTwo(n: number): boolean {
  return Number.isSafeInteger(n) && n > 0 && 2 ** Math.round(Math.log2(n)) === n
}

/** Rounds `n` up to a multiple of `step`. */
export function alignUp(n: number, step: number): number {
  return Math.ceil(n / step) * step
}
