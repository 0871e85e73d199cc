/**
 * Mistakes made at the atomics seam: the real code runs, and one kind of its shared steps is replaced by what such code is often shipped
 * with. Threads of the explorer.
 */
import { type Seam, shared } from '../../src/base/index.js'

export type Mistake = (right: Seam) => Partial<Seam>

/** Runs `body` with the mistake, if there is one, in place of this thread's seam. */
export function withMistake(mistake: Mistake | undefined, body: () => void): void {
  const right: Seam = { ...shared }
  if (mistake !== undefined) Object.assign(shared, mistake(right))
  try {
    body()
  } finally {
    Object.assign(shared, right)
  }
}

/** Compare-exchanges of these words are not one step. */
export const tornCompare = (right: Seam, at: (index: number) => boolean): Partial<Seam> => ({
  compareExchange: (words, index, expected, value) => {
    if (!at(index)) return right.compareExchange(words, index, expected, value)
    const old = right.load(words, index)
    if (old === expected) right.store(words, index, value)
    return old
  },
})
