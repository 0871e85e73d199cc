/**
 * percore's figures over its rivals', run by run: the `speedup` of every memory bench. Parent process only.
 *
 * The invariant: a ratio is of two figures of the same run of the same cell, so what else the machine did falls on both.
 */
import { metrics, type Metric, type Result } from '../harness/contract.js'

/** For each result of percore in `metric`: how many times better than each rival of the same cell. */
export function ratiosOver(results: readonly Result[], metric: Metric): Result[] {
  const inMetric = results.filter((result) => result.metric === metric)
  return inMetric.filter(({ subject }) => subject === 'percore').flatMap((ours) => {
    const cell = JSON.stringify(ours.shared)
    const rivals = inMetric.filter((result) => result.subject !== 'percore' && JSON.stringify(result.shared) === cell)
    return rivals.map((rival) => ratioOver(ours, rival)).filter(({ values }) => values.length > 0)
  })
}

function ratioOver(ours: Result, rival: Result): Result {
  const pairs = ours.runs.flatMap((run, index) => {
    const [mine, theirs] = [ours.values[index], rival.values[rival.runs.indexOf(run)]]
    if (mine === undefined || theirs === undefined) return []
    return [{ run, value: metrics[ours.metric].better === 'more' ? mine / theirs : theirs / mine }]
  })
  const over = { over: rival.subject }
  return {
    ...ours, metric: 'speedup', params: { ...ours.params, ...over }, shared: { ...ours.shared, ...over },
    values: pairs.map(({ value }) => value), runs: pairs.map(({ run }) => run),
  }
}
