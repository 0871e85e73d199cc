/** One line that says where a figure comes from: processors, system, runtime, day. Parent process only. */
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'

/** How many processors this process may use: `cpus` of every JSON line. */
export const cpuCount: number = availableParallelism()

/** For people: `2 × AMD EPYC, 24 GB, Linux 6.1, Node 20.20.2`. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.replaceAll(/\s+/g, ' ').trim() || 'unknown processor'
  const kernel = release().split('.').slice(0, 2).join('.')
  return `${cpuCount} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GB, ${type()} ${kernel}, Node ${process.versions.node}`
}
