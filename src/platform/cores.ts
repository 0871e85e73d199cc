/**
 * The CPUs and cores this process may use. Any thread. A *CPU* is what the scheduler sees; a *core* may show itself as two of them,
 * which share its execution units.
 *
 * Where the host shows no topology (only Linux's `/sys` does), every CPU counts as a core.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** How many CPUs this process may use at a time: its affinity and its control group considered. */
export function availableCores(): number {
  return availableParallelism()
}

/** The numbers of the CPUs this process may run on, or undefined where the host does not tell. */
export function availableCpus(): readonly number[] | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(textOf('/proc/self/status') ?? '')?.[1]
  return list === undefined ? undefined : parseCpuList(list)
}

/** How many physical cores this process may use: two CPUs of one core count once. */
export function physicalCores(): number {
  const cpus = availableCpus()
  if (cpus === undefined) return availableCores()
  return Math.min(availableCores(), new Set(cpus.map((cpu) => coreOf(cpu))).size)
}

/**
 * The order in which to hand CPUs to workers: one of each core before the second of any, and the first core last, as the thread
 * that calls the workers is usually there. Empty where the host does not tell.
 */
export function pinOrder(): readonly number[] {
  const cpus = availableCpus() ?? []
  const seen = new Map<string, number>()
  const ranked = cpus.map((cpu, index) => {
    const core = coreOf(cpu)
    const rank = seen.get(core) ?? 0
    seen.set(core, rank + 1)
    return { cpu, rank, first: index === 0 }
  })
  return ranked.toSorted((a, b) => a.rank - b.rank || Number(a.first) - Number(b.first) || a.cpu - b.cpu).map(({ cpu }) => cpu)
}

/** `0-2,5` as numbers: the kernel's way to write sets of CPUs. */
export function parseCpuList(list: string): number[] {
  return list.split(',').filter((part) => part !== '').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

/** Names the core that a CPU belongs to. */
function coreOf(cpu: number): string {
  const topology = `/sys/devices/system/cpu/cpu${cpu}/topology`
  const core = textOf(`${topology}/core_id`)
  return core === undefined ? `cpu ${cpu}` : `${textOf(`${topology}/physical_package_id`) ?? ''} ${core}`
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
