/**
 * Runs one measurement in a fresh child process and reads the one JSON line it reports. Parent process only.
 *
 * The invariant: whatever the child does (crash, hang, print nonsense), the parent gets an answer within the time limit and
 * no process is left behind.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Job, Reading } from './contract.js'

/** What `measure.js` receives as its only argument, as JSON. */
export interface ChildSpec extends Job {
  readonly module: string
}

/** The figures of a measurement, or why there are none. */
export type Outcome = { readonly ok: true, readonly readings: readonly Reading[] } | { readonly ok: false, readonly reason: string }

export interface ChildOptions {
  readonly timeoutMs: number
  /** Extra flags of the Node executable, such as `--cpu-prof`. */
  readonly nodeFlags?: readonly string[]
  /** A command the child is started under, such as `['taskset', '-c', '0']`. */
  readonly under?: readonly string[]
  /** Kills the child; the outcome then says it was interrupted. */
  readonly signal?: AbortSignal
}

const entry = fileURLToPath(new URL('./measure.js', import.meta.url))
const tailLines = 6
const keptChars = 8192

/** Measures once, in a process of its own. Never rejects: a child that fails is an outcome. */
export function measureInChild(spec: ChildSpec, options: ChildOptions): Promise<Outcome> {
  const command = [...options.under ?? [], process.execPath, ...options.nodeFlags ?? [], entry, JSON.stringify(spec)]
  return new Promise((resolve) => {
    const child = spawn(command[0] ?? process.execPath, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    let stdout = ''
    let stderr = ''
    let killed = ''
    const kill = (reason: string): void => {
      killed = reason
      killGroup(child.pid)
    }
    const timer = setTimeout(() => kill(`took longer than ${options.timeoutMs / 1000} s and was killed`), options.timeoutMs)
    const onAbort = (): void => kill('interrupted')
    const settle = (outcome: Outcome): void => {
      clearTimeout(timer)
      options.signal?.removeEventListener('abort', onAbort)
      resolve(outcome)
    }
    options.signal?.addEventListener('abort', onAbort)
    if (options.signal?.aborted) onAbort()
    child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout = (stdout + text).slice(-1_000_000) })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr = (stderr + text).slice(-keptChars) })
    child.on('error', (error) => settle({ ok: false, reason: `could not be started: ${error.message}` }))
    child.on('close', (code, signal) => {
      const readings = code === 0 ? parseReadings(stdout) : undefined
      if (readings !== undefined) return settle({ ok: true, readings })
      const exited = code === 0 ? 'ended without reporting a figure' : `exited with code ${code}`
      settle({ ok: false, reason: withTail(killed || (signal === null ? exited : `was killed by ${signal}`), stderr) })
    })
  })
}

/** The child leads a process group of its own, so what it started itself dies with it. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}

/** The child's line is the last one on stdout that holds readings; anything else a library printed is passed over. */
function parseReadings(stdout: string): readonly Reading[] | undefined {
  for (const line of stdout.trimEnd().split('\n').toReversed()) {
    if (!line.startsWith('{"readings":')) continue
    // JSON has no Infinity: it arrives as null.
    const { readings } = JSON.parse(line) as { readings: readonly (Omit<Reading, 'value'> & { readonly value: number | null })[] }
    return readings.map((reading) => ({ ...reading, value: reading.value ?? Infinity }))
  }
  return undefined
}

function withTail(how: string, stderr: string): string {
  const tail = stderr.trimEnd().split('\n').filter((line) => line.trim() !== '').slice(-tailLines)
  return tail.length === 0 ? how : `${how}: ${tail.join('\n')}`
}
