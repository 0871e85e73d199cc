/**
 * How far a run is, for people: a model that turns counters into rates, and two ways to show it. Main thread; the model is
 * pure and gets the time as a parameter.
 */
import type { Options } from 'cli-progress'
import type { Counts } from '../source/index.js'
import { counted, duration, percent, rate } from './numbers.js'

/** What is read off a run at one moment. */
export interface Reading {
  readonly atMs: number
  readonly counts: Pick<Counts, 'rows' | 'failed' | 'bytesIn'>
  /** Time without work per worker since it was started. */
  readonly idleMs: readonly number[]
}

export interface ProgressView {
  readonly rows: number
  readonly failed: number
  readonly rowsPerSecond: number
  /** Busy part of the time since the reading before, per worker. */
  readonly utilisation: readonly number[]
  /** Of the input; undefined while its size is unknown. */
  readonly fraction: number | undefined
  readonly etaSeconds: number | undefined
}

/** Rates follow the last seconds, so that they tell of now, and still do not jump. */
const windowMs = 3000

export function createProgressModel(sizeBytes: number | undefined, first: Reading): { next(reading: Reading): ProgressView } {
  const readings: Reading[] = [first]
  return {
    next(reading) {
      const last = readings.at(-1) as Reading
      readings.push(reading)
      while (readings.length > 2 && (readings[1] as Reading).atMs <= reading.atMs - windowMs) readings.shift()
      const oldest = readings[0] as Reading
      const seconds = Math.max(0.001, (reading.atMs - oldest.atMs) / 1000)
      const elapsedMs = Math.max(1, reading.atMs - last.atMs)
      const bytesPerSecond = (reading.counts.bytesIn - oldest.counts.bytesIn) / seconds
      const left = sizeBytes === undefined ? undefined : Math.max(0, sizeBytes - reading.counts.bytesIn)
      return {
        rows: reading.counts.rows,
        failed: reading.counts.failed,
        rowsPerSecond: (reading.counts.rows - oldest.counts.rows) / seconds,
        utilisation: reading.idleMs.map((idle, worker) => clamp(1 - (idle - (last.idleMs[worker] ?? 0)) / elapsedMs)),
        fraction: sizeBytes === undefined ? undefined : sizeBytes === 0 ? 1 : clamp(reading.counts.bytesIn / sizeBytes),
        etaSeconds: left === undefined || bytesPerSecond === 0 ? undefined : left / bytesPerSecond,
      }
    },
  }
}

function clamp(fraction: number): number {
  return Math.min(1, Math.max(0, fraction))
}

/** `412,345 rows · 1.02 M rows/s · ETA 12.3 s · workers 98% 97% · 3 failed` */
export function progressText(view: ProgressView): string {
  const workers = view.utilisation.length <= 8
    ? view.utilisation.map(percent).join(' ')
    : `${percent(view.utilisation.reduce((sum, one) => sum + one, 0) / view.utilisation.length)} of ${view.utilisation.length}`
  return [
    counted(view.rows, 'row'),
    rate(view.rowsPerSecond),
    ...(view.etaSeconds === undefined ? [] : [`ETA ${duration(view.etaSeconds)}`]),
    `workers ${workers}`,
    ...(view.failed === 0 ? [] : [`${counted(view.failed, 'row')} failed`]),
  ].join(' · ')
}

export type ProgressStyle = 'auto' | 'plain' | 'none'

const barIntervalMs = 250
const plainIntervalMs = 2000

const barOptions: Options = {
  stream: process.stderr,
  fps: 1000 / barIntervalMs,
  barsize: 24,
  barCompleteChar: '█',
  barIncompleteChar: '░',
  clearOnComplete: true,
  linewrap: false,
  hideCursor: false,
}

/** Shows a run until it is stopped: a line that is redrawn on a terminal, a line now and then elsewhere. Both on standard error. */
export async function showProgress(style: ProgressStyle, sizeBytes: number | undefined, read: () => Reading): Promise<{ stop(): void }> {
  if (style === 'none') return { stop: () => undefined }
  const model = createProgressModel(sizeBytes, read())
  if (style === 'plain' || !process.stderr.isTTY) {
    const timer = setInterval(() => {
      const view = model.next(read())
      process.stderr.write(`${view.fraction === undefined ? '' : `${percent(view.fraction)} · `}${progressText(view)}\n`)
    }, plainIntervalMs).unref()
    return { stop: () => clearInterval(timer) }
  }
  const { default: { SingleBar } } = await import('cli-progress') // only where a bar is shown: it takes 15 ms to load
  const bar = new SingleBar({ ...barOptions, format: sizeBytes === undefined ? '{text}' : '{bar} {percentage}% · {text}' })
  bar.start(sizeBytes ?? 1, 0, { text: 'starting' })
  const timer = setInterval(() => {
    const reading = read()
    bar.update(sizeBytes === undefined ? 0 : reading.counts.bytesIn, { text: progressText(model.next(reading)) })
  }, barIntervalMs).unref()
  return {
    stop() {
      clearInterval(timer)
      bar.stop()
    },
  }
}
