/**
 * Times as piscina reports them: milliseconds, kept in microseconds by Node's own histogram. On the pool's thread. Invariant: of an empty one
 * mean and deviation are NaN and `max` is 0.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** In milliseconds. */
export interface PiscinaHistogramSummary {
  readonly average: number
  readonly mean: number
  readonly stddev: number
  readonly min: number
  readonly max: number
  readonly p0_001: number
  readonly p0_01: number
  readonly p0_1: number
  readonly p1: number
  readonly p2_5: number
  readonly p10: number
  readonly p25: number
  readonly p50: number
  readonly p75: number
  readonly p90: number
  readonly p97_5: number
  readonly p99: number
  readonly p99_9: number
  readonly p99_99: number
  readonly p99_999: number
}

/** Without `recordTiming` both times are undefined. */
export interface PiscinaHistogram {
  readonly runTime: PiscinaHistogramSummary
  readonly waitTime: PiscinaHistogramSummary
  resetRunTime(): void
  resetWaitTime(): void
}

export class Times {
  readonly #histogram: RecordableHistogram = createHistogram()

  record(ms: number): void {
    this.#histogram.record(Math.max(1, Math.trunc(ms * 1000)))
  }

  reset(): void {
    this.#histogram.reset()
  }

  /** The sum of all, in ms. */
  get total(): number {
    const { count, mean } = this.#histogram
    return count === 0 ? 0 : (mean * count) / 1000
  }

  get summary(): PiscinaHistogramSummary {
    const { mean, stddev, min, max } = this.#histogram
    const at = (percentile: number): number => this.#histogram.percentile(percentile) / 1000
    return {
      average: mean / 1000, mean: mean / 1000, stddev: stddev / 1000, min: min / 1000, max: max / 1000,
      p0_001: at(0.001), p0_01: at(0.01), p0_1: at(0.1), p1: at(1), p2_5: at(2.5), p10: at(10), p25: at(25), p50: at(50), p75: at(75), p90: at(90),
      p97_5: at(97.5), p99: at(99), p99_9: at(99.9), p99_99: at(99.99), p99_999: at(99.999),
    }
  }
}
