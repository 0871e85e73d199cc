/**
 * The statistics of the harness: median and spread of runs, percentiles of samples, and the order in which runs take place.
 * Pure; any thread.
 *
 * The invariant: a published figure is a median of whole runs, never of samples from different runs.
 */

/** Median, least and greatest of some runs. Infinity sorts last: "never reached" in most runs gives an infinite median. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The spread of at least one value; the median of an even number of runs is the mean of the middle two. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  const lower = sorted[middle - 1] ?? Number.NaN
  return {
    median: sorted.length % 2 === 1 ? upper : (lower + upper) / 2,
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  }
}

/** The p-th quantile (0 < p ≤ 1) of samples sorted in ascending order, by the nearest-rank method. */
export function quantile(sorted: Float64Array, p: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * p) - 1)] ?? Number.NaN
}

/** One measurement to take: which cell, which of its contenders, which run (from 0). */
export interface Turn {
  readonly cell: number
  readonly contender: number
  readonly run: number
}

/**
 * The order of all measurements: run by run, within a run cell by cell, within a cell every contender once (A B, A B, …), so
 * that whatever else the machine does falls on all contenders alike, and a busy half-minute spoils one run, not one subject.
 */
export function interleave(cells: readonly { readonly runs: number, readonly contenders: number }[]): Turn[] {
  const runs = Math.max(0, ...cells.map((cell) => cell.runs))
  const turnsOf = (run: number): Turn[] => cells.flatMap((cell, index) =>
    run < cell.runs ? Array.from({ length: cell.contenders }, (_, contender) => ({ cell: index, contender, run })) : [])
  return Array.from({ length: runs }, (_, run) => turnsOf(run)).flat()
}
