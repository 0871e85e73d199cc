/**
 * What every memory bench plans alike: how often it measures, with how many threads, and whom a quick run leaves out. Parent process only.
 *
 * The invariant: who is asked for by name is measured, also in a quick run.
 */
import type { Choice, Contender } from '../harness/contract.js'

const quickSubjects = ['percore', 'mimalloc', 'glibc', 'Buffer.allocUnsafe']

export const runsOf = ({ runs, quick }: Choice): number => runs ?? (quick ? 3 : 5)

export const threadsOf = ({ threads, quick }: Choice): readonly number[] => threads ?? (quick ? [1, 2] : [1, 2, 4])

/** Those of a list that are to be measured. */
export function wanted(list: readonly Contender[], { quick, subjects }: Choice): readonly Contender[] {
  return quick && subjects === undefined ? list.filter(({ subject }) => quickSubjects.includes(subject)) : list
}
