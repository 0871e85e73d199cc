/**
 * Takes all measurements of one bench, interleaved, each in a fresh child process, and gathers the figures. Parent process only.
 *
 * The invariant: every contender of every cell ends up in exactly one of results, failures or skips; nothing is dropped silently.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { measureInChild } from './child.js'
import { interleave, type Turn } from './stats.js'
import type { Bench, Cell, Choice, Contender, Failure, Params, Reading, Report, Result, Skip } from './contract.js'

export interface RunnerOptions {
  readonly choice: Choice
  /** A directory for CPU profiles of the children and their workers, one folder per measurement. */
  readonly profileDir?: string
  /** A command the children are started under, such as `['taskset', '-c', '0']`, and the params that say so. */
  readonly under?: { readonly command: readonly string[], readonly params: Params }
  readonly signal?: AbortSignal
  /** Told before each measurement, and whatever else is worth a line while it runs. */
  readonly onProgress?: (progress: Progress) => void
}

export interface Progress {
  readonly bench: string
  readonly done: number
  readonly total: number
  readonly text: string
}

/** After this many failures a contender's remaining runs of the same cell are not tried. */
const failuresToGiveUp = 2

/** Whether a package can be imported from here. */
export function isInstalled(name: string): boolean {
  try {
    import.meta.resolve(name)
    return true
  } catch {
    return false
  }
}

/** Runs one bench to its end. A failing child is reported and the rest goes on; rejects only if `prepare` fails. */
export async function runBench(bench: Bench, options: RunnerOptions): Promise<Report> {
  const note = (text: string, done = 0, total = 0): void => options.onProgress?.({ bench: bench.name, done, total, text })
  const { cells, skips } = selectContenders(bench, options)
  if (cells.length === 0) return { bench: bench.name, results: [], failures: [], skips }
  const prepared = await bench.prepare?.(options.choice, note) ?? {}
  const gathered = new Gathered(bench.name)
  try {
    const turns = interleave(cells.map((cell) => ({ runs: cell.runs, contenders: cell.contenders.length })))
    for (const [done, turn] of turns.entries()) {
      if (options.signal?.aborted) break
      if (gathered.gaveUp(turn)) continue
      const cell = cells[turn.cell] as Cell
      const contender = cell.contenders[turn.contender] as Contender
      const shared = { ...cell.params, ...options.under?.params }
      const params = { ...shared, ...contender.params }
      note(`run ${turn.run + 1}/${cell.runs}  ${contender.subject}  ${formatParams(params)}`, done, turns.length)
      const spec = { module: bench.module, subject: contender.subject, params, input: { ...prepared, ...cell.input } }
      const outcome = await measureInChild(spec, {
        timeoutMs: cell.timeoutMs,
        ...options.signal && { signal: options.signal },
        ...options.under && { under: options.under.command },
        ...options.profileDir && { nodeFlags: profileFlags(options.profileDir, bench.name, contender.subject, params) },
      })
      if (outcome.ok) for (const reading of outcome.readings) gathered.add(contender.subject, params, shared, turn.run, reading)
      else if (!options.signal?.aborted) {
        gathered.fail(turn, { bench: bench.name, subject: contender.subject, params, run: turn.run, reason: outcome.reason })
        note(`FAILED ${contender.subject} ${formatParams(params)}: ${outcome.reason}`)
      }
    }
  } finally {
    await bench.cleanup?.(prepared)
  }
  const results = gathered.results()
  return { bench: bench.name, results: [...results, ...bench.derive?.(results) ?? []], failures: gathered.failures, skips }
}

/** `{ workers: 2, payload: 'num' }` as people read it: `workers=2 payload=num`. */
export function formatParams(params: Params): string {
  return Object.entries(params).map(([key, value]) => `${key}=${value}`).join(' ')
}

/** The plan without what was not asked for and what cannot run here. */
function selectContenders(bench: Bench, options: RunnerOptions): { cells: Cell[], skips: Skip[] } {
  const skips = new Map<string, Skip>()
  const usable = (contender: Contender): boolean => {
    if (options.choice.subjects !== undefined && !options.choice.subjects.includes(contender.subject)) return false
    const absent = contender.needs !== undefined && !isInstalled(contender.needs)
    if (contender.missing === undefined && !absent) return true
    const reason = contender.missing ?? `${contender.needs} is not installed; npm install --save-dev ${contender.needs}`
    skips.set(contender.subject, { bench: bench.name, subject: contender.subject, reason })
    return false
  }
  const cells = bench.plan(options.choice)
    .map((cell) => ({ ...cell, contenders: cell.contenders.filter(usable) }))
    .filter((cell) => cell.contenders.length > 0)
  return { cells, skips: [...skips.values()] }
}

function profileFlags(dir: string, bench: string, subject: string, params: Params): string[] {
  const folder = join(dir, `${bench}-${subject}-${formatParams(params).replaceAll(' ', '-')}`)
  mkdirSync(folder, { recursive: true })
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`]
}

/** Values by subject, params and metric, in the order they first appeared. */
class Gathered {
  readonly failures: Failure[] = []
  readonly #bench: string
  readonly #failed = new Map<string, number>()
  readonly #byKey = new Map<string, Result & { readonly values: number[], readonly runs: number[] }>()

  constructor(bench: string) {
    this.#bench = bench
  }

  add(subject: string, params: Params, shared: Params, run: number, { metric, value, params: own }: Reading): void {
    const all = { ...params, ...own }
    const key = JSON.stringify([subject, all, metric])
    const entry = this.#byKey.get(key)
      ?? { bench: this.#bench, subject, metric, params: all, shared: { ...shared, ...own }, values: [], runs: [] }
    entry.values.push(value)
    entry.runs.push(run)
    this.#byKey.set(key, entry)
  }

  fail({ cell, contender }: Turn, failure: Failure): void {
    this.failures.push(failure)
    this.#failed.set(`${cell} ${contender}`, (this.#failed.get(`${cell} ${contender}`) ?? 0) + 1)
  }

  /** What failed so often will fail again, and may take its whole time limit to do so. */
  gaveUp({ cell, contender }: Turn): boolean {
    return (this.#failed.get(`${cell} ${contender}`) ?? 0) >= failuresToGiveUp
  }

  results(): Result[] {
    return [...this.#byKey.values()]
  }
}
