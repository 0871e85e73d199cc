/**
 * The progress of `percore bench`: one line that rewrites itself on a terminal, elsewhere a line every few seconds. Main thread.
 *
 * The invariant: a note (such as a failure) is never overwritten.
 */
import type { WriteStream } from 'node:tty'
import type { Progress } from '../../bench/index.js'

export interface BenchProgress {
  readonly show: (progress: Progress) => void
  /** Removes the line before results are printed. */
  readonly clear: () => void
}

const plainEveryMs = 5000
const eraseLine = '\r\u001b[K'

export function createBenchProgress(stream: Pick<WriteStream, 'write' | 'isTTY' | 'columns'>): BenchProgress {
  const erase = stream.isTTY ? eraseLine : ''
  let shownMs = -Infinity
  return {
    show({ bench, done, total, text }) {
      if (total === 0) stream.write(`${erase}${bench}: ${text}\n`)
      else if (stream.isTTY) stream.write(`${erase}${`${bench} ${done + 1}/${total}  ${text}`.slice(0, stream.columns - 1)}`)
      else if (performance.now() - shownMs > plainEveryMs) {
        shownMs = performance.now()
        stream.write(`${bench} ${done + 1}/${total}  ${text}\n`)
      }
    },
    clear: () => { stream.write(erase) },
  }
}
