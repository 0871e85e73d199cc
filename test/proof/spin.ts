/**
 * Runs the Spin models of proof/. Every model lists its runs in its opening comment, one a line:
 *
 *   run: right|broken [-DMACRO[=VALUE] …]   what it is
 *
 * A right run must be searched exhaustively without an error; for a broken one Spin must find an error, which shows that the
 * model can fail. A run with -DLIVENESS is searched for endless cycles under weak fairness, any other one for failed assertions and
 * invalid end states.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const modelsDir = fileURLToPath(new URL('../../../proof/', import.meta.url))
const howToInstall = 'Debian and Ubuntu: apt-get install spin gcc; macOS: brew install spin; source: https://spinroot.com'
/** Broken models stop at their first error; no right one here needs more steps in a row than this. */
const searchDepthMax = 100_000
/** log2 of the slots of the hash table: small, so that a run does not page in more memory than it needs. */
const hashBits = 20

export interface ModelRun {
  /** File name within proof/. */
  readonly model: string
  readonly expected: 'right' | 'broken'
  readonly macros: readonly string[]
  readonly what: string
}

export interface Verdict {
  readonly run: ModelRun
  readonly asExpected: boolean
  /** One line: states searched, or the error that was found. */
  readonly summary: string
  /** Everything Spin said. */
  readonly output: string
}

/** What is missing to run the models, with how to get it; undefined when nothing is. */
export async function missingTools(): Promise<string | undefined> {
  const missing: string[] = []
  for (const [tool, flag] of [['spin', '-V'], ['gcc', '--version']] as const) {
    const ran = await command(tool, [flag], tmpdir())
    if (ran.status !== 0) missing.push(tool)
  }
  return missing.length === 0 ? undefined : `${missing.join(' and ')} not found (${howToInstall})`
}

export function listRuns(): ModelRun[] {
  const runs: ModelRun[] = []
  for (const model of readdirSync(modelsDir).filter((file) => file.endsWith('.pml')).toSorted()) {
    const text = readFileSync(join(modelsDir, model), 'utf8')
    for (const line of text.matchAll(/^ \* run: (right|broken)((?: +-D\S+)*)(?: +(.*))?$/gm)) {
      const [, expected, macros, what] = line
      runs.push({
        model,
        expected: expected as ModelRun['expected'],
        macros: macros === undefined ? [] : macros.split(' ').filter((word) => word !== ''),
        what: what ?? '',
      })
    }
  }
  return runs
}

/** Searches one model. Errors only when the tools themselves fail. */
export async function verify(run: ModelRun): Promise<Verdict> {
  const dir = mkdtempSync(join(tmpdir(), 'percore-proof-'))
  try {
    const live = run.macros.includes('-DLIVENESS')
    await mustRun('spin', ['-a', ...run.macros, join(modelsDir, run.model)], dir)
    await mustRun('gcc', ['-w', '-O0', ...(live ? [] : ['-DSAFETY', '-DNOCLAIM']), '-o', 'pan', 'pan.c'], dir)
    const { output } = await command(join(dir, 'pan'), [...(live ? ['-a', '-f'] : []), `-m${searchDepthMax}`, `-w${hashBits}`], dir)
    return judge(run, output)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function judge(run: ModelRun, output: string): Verdict {
  const errors = Number(/errors: (\d+)/.exec(output)?.[1])
  const complete = !output.includes('search depth too small') && !output.includes('Search not completed')
  const states = /^ *(\d\S*) states, stored/m.exec(output)?.[1] ?? '?'
  const found = /^pan:1: (.*)$/m.exec(output)?.[1]?.trim()
  return {
    run,
    asExpected: run.expected === 'right' ? errors === 0 && complete : errors > 0 && found !== undefined,
    summary: found ?? `${Number(states)} states, errors: ${errors}${complete ? '' : ', search incomplete'}`,
    output,
  }
}

async function mustRun(program: string, args: readonly string[], cwd: string): Promise<void> {
  const { status, output } = await command(program, args, cwd)
  if (status !== 0 || /^spin: .*error:/mi.test(output)) throw new Error(`${program} ${args.join(' ')} failed:\n${output}`)
}

function command(program: string, args: readonly string[], cwd: string): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.on('data', (chunk) => { output += String(chunk) })
    child.stderr.on('data', (chunk) => { output += String(chunk) })
    child.on('error', (error) => resolve({ status: -1, output: String(error) }))
    child.on('close', (code) => resolve({ status: code ?? -1, output }))
  })
}
