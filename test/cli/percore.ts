/** Runs the real command line in a child process, in a folder of its own under the system's temporary folder. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'

export const mainFile: string = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

export const folder: string = mkdtempSync(join(tmpdir(), 'percore-cli-'))
after(() => rmSync(folder, { recursive: true, force: true }))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts `percore …args` in {@link folder}. */
export function percore(...args: string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [mainFile, ...args], { cwd: folder })
}

export async function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const [stdout, stderr, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]) as
    [string, string, [number | null, NodeJS.Signals | null]]
  return { code, signal, stdout, stderr }
}

/** `percore run …args` with `input` on standard input. */
export async function run(input: string | Uint8Array, ...args: string[]): Promise<Ended> {
  const child = percore('run', ...args, '--workers', '2')
  child.stdin.on('error', () => undefined) // it may end before it has read everything
  child.stdin.end(input)
  return ended(child)
}

/** Writes a file and returns its path. */
export function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

export const handlers: string = file('handlers.mjs', `
  export const echo = (row) => row
  export const double = (row) => ({ id: row.id, twice: row.n * 2 })
  export const even = (row) => (row.n % 2 === 0 ? row : null)
  export const upper = (line) => line.toUpperCase()
  export const slow = async (row) => { await new Promise((done) => setTimeout(done, 5)); return row }
  export const spin = (row) => { const end = performance.now() + 1; while (performance.now() < end); return row }
  export const stuck = () => new Promise((done) => setTimeout(done, 60_000))
  export const picky = (row) => { if (row.n === 13) throw new RangeError('thirteen is not served'); return row }
  export const exits = (row) => { if (row.n === 13) process.exit(7); return row }
  export const prints = (row) => { console.log('from the handler'); process.stdout.write('and more\\n'); return row }
`)
