/**
 * Where examples are tried: a temporary folder in which `percore` is installed as a user would have it, behind its exports map,
 * and on the PATH. One run of the project's own compiler checks and compiles all TypeScript, strictly, the package's declarations included.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { complaints, isAsSaid, parseNotes } from './printed.js'
import { isCode, type Program, type Step } from './program.js'

/** The package's root. */
export const root: string = fileURLToPath(new URL('../../../', import.meta.url))

const listener = new URL('./listen.js', import.meta.url).href
/** Only for what never ends: an example takes about a second of CPU, and the machine may have other things to do. */
const stepMsMax = 120_000

const compilerOptions = {
  target: 'ES2022',
  module: 'NodeNext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  sourceMap: true,
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export class Workshop {
  readonly #home = realpathSync(mkdtempSync(join(tmpdir(), 'percore-examples-')))
  readonly #folders = new Map<Program, string>()
  readonly #mistakes = new Map<string, string[]>()
  /** What the compiler said that is about none of the programs. */
  otherMistakes: readonly string[] = []

  constructor(programs: readonly Program[]) {
    mkdirSync(join(this.#home, 'node_modules'))
    mkdirSync(join(this.#home, 'bin'))
    symlinkSync(root, join(this.#home, 'node_modules/percore'))
    symlinkSync(realpathSync(join(root, 'node_modules/@types')), join(this.#home, 'node_modules/@types'))
    this.#write('package.json', JSON.stringify({ type: 'module' }))
    this.#write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*/*.ts', '*/*.mts'] }))
    const cli = join(root, 'dist/src/cli/main.js')
    writeFileSync(join(this.#home, 'bin/percore'), `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`, { mode: 0o755 })
    for (const [number, program] of programs.entries()) {
      const folder = `${number}-${basename(program.origin).replace(/\W/g, '-')}`
      this.#folders.set(program, folder)
      mkdirSync(join(this.#home, folder))
      for (const { name, line, code } of program.files) {
        this.#write(join(folder, name), `${isCode(name) ? '\n'.repeat(line - 1) : ''}${code}\n`)
      }
    }
  }

  /** Checks and compiles every TypeScript file of every program. */
  async compile(): Promise<void> {
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const { code, stdout, stderr } = await this.#spawn(process.execPath, [compiler, '--pretty', 'false'], this.#home)
    const others: string[] = []
    for (const line of `${stdout}\n${stderr}`.split('\n')) {
      const folder = /^(\d+-[^/]+)\//.exec(line)?.[1]
      if (folder !== undefined) this.#mistakes.set(folder, [...(this.#mistakes.get(folder) ?? []), line])
      else if (line.includes('error TS')) others.push(line)
    }
    if (code !== 0 && this.#mistakes.size + others.length === 0) throw new Error(`the compiler ended with ${code}: ${stdout}${stderr}`)
    this.otherMistakes = others
  }

  /** Everything that is wrong with a program, named by the lines of its origin; empty when it runs and prints what it says. */
  async try(program: Program): Promise<string[]> {
    const folder = this.#folders.get(program) as string
    const mistakes = this.#mistakes.get(folder) ?? await this.#run(program, join(this.#home, folder))
    return mistakes.map((mistake) => this.#asOrigin(program, folder, mistake))
  }

  async #run(program: Program, folder: string): Promise<string[]> {
    const notes = join(folder, '.printed')
    for (const step of program.steps) {
      const mistake = await this.#take(program, step, folder, notes)
      if (mistake !== undefined) return [mistake]
    }
    const printed = parseNotes(existsSync(notes) ? readFileSync(notes, 'utf8') : '')
    return program.files.filter((file) => !file.inherited).flatMap((file) => complaints(file, join(folder, file.name), printed))
  }

  async #take({ origin }: Program, step: Step, folder: string, notes: string): Promise<string | undefined> {
    const [command, ...rest] = step.kind === 'sh' ? ['sh', '-ec', step.code] : [process.execPath, step.file.replace(/ts$/, 'js')]
    const { code, stdout, stderr } = await this.#spawn(command, rest, folder, notes)
    const at = `${origin}:${step.line}`
    if (code === null) return `${at}: did not end within ${stepMsMax / 1000} s\n${stdout}${stderr}`
    if (code !== 0) return `${at}: ended with exit code ${code}\n${stdout}${stderr}`
    if (step.kind !== 'sh' || step.prints === undefined || isAsSaid(step.prints, stdout)) return undefined
    return `${at}: says it prints\n${step.prints}\nbut printed\n${stdout}${stderr}`
  }

  /** Runs a command in a process group of its own, so that what it started ends with it when it takes too long. */
  async #spawn(command: string, args: readonly string[], cwd: string, notes?: string): Promise<Ended> {
    const env = { ...process.env, PATH: `${join(this.#home, 'bin')}:${process.env['PATH']}` }
    const watched = notes === undefined ? {} : { NODE_OPTIONS: `--enable-source-maps --import=${listener}`, PERCORE_EXAMPLE_NOTES: notes }
    const child = spawn(command, args, { cwd, env: { ...env, ...watched }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), stepMsMax)
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]) as
      [string, string, [number | null]]
    clearTimeout(timer)
    return { code, stdout, stderr }
  }

  /** The same words, with each of the program's files named as the text it stands in. */
  #asOrigin(program: Program, folder: string, words: string): string {
    let said = words.replaceAll('file://', '').replaceAll(`${this.#home}/`, '')
    for (const { name } of program.files.filter((file) => !file.inherited)) {
      said = said.replaceAll(`${folder}/${name}(`, `${program.origin}(`).replaceAll(`${folder}/${name}`, program.origin)
    }
    return said.replace(/\((\d+),\d+\): /g, ':$1: ')
  }

  #write(path: string, content: string): void {
    writeFileSync(join(this.#home, path), content)
  }

  close(): void {
    rmSync(this.#home, { recursive: true, force: true })
  }
}
