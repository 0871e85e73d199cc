/**
 * The native allocators: one C program of ours, built here, run as it is (glibc) or with another malloc preloaded. Parent: what there is
 * and how to get the rest, building. Child: running it.
 *
 * The invariant: a native figure comes from a process of its own, started by the measuring child, that prints one line of readings.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Bench, Contender, Job, Reading } from '../harness/contract.js'

/** Of the package, also when this file runs compiled. */
const source = fileURLToPath(new URL('../../../bench/memory/native.c', import.meta.url))
const compilers = ['cc', 'gcc', 'clang']

interface Library {
  readonly subject: string
  /** Names of the shared object, the wanted version first. */
  readonly files: readonly string[]
  readonly debian: string
}

const libraries: readonly Library[] = [
  { subject: 'mimalloc', files: ['libmimalloc.so.2', 'libmimalloc.so.3', 'libmimalloc.so'], debian: 'libmimalloc2.0' },
  { subject: 'jemalloc', files: ['libjemalloc.so.2', 'libjemalloc.so'], debian: 'libjemalloc2' },
  { subject: 'tcmalloc', files: ['libtcmalloc_minimal.so.4', 'libtcmalloc_minimal.so'], debian: 'libtcmalloc-minimal4' },
]

/** The native contenders, each with the reason when it cannot be measured here. */
export const natives: readonly Contender[] = listNatives()

function listNatives(): Contender[] {
  const missing = whyNotNative()
  const paths = missing === undefined ? libraryPaths() : new Map<string, string>()
  return ['glibc', ...libraries.map(({ subject }) => subject)].map((subject) => {
    const library = libraries.find((each) => each.subject === subject)
    const isHere = library === undefined || paths.has(subject)
    const why = missing ?? (isHere ? undefined : `${library.files[0]} is not installed; apt-get install ${library.debian}`)
    return why === undefined ? { subject } : { subject, missing: why }
  })
}

function whyNotNative(): string | undefined {
  if (process.platform !== 'linux') return 'native allocators are measured on Linux only'
  if (!existsSync(source)) return `${source} is not part of this installation`
  return findCompiler() === undefined ? 'there is no C compiler; apt-get install gcc libc6-dev' : undefined
}

function findCompiler(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':')
  return compilers.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path))
}

/** Where the loader would find the libraries. */
function libraryPaths(): Map<string, string> {
  let cache = ''
  for (const ldconfig of ['/sbin/ldconfig', '/usr/sbin/ldconfig']) {
    if (existsSync(ldconfig)) cache ||= execFileSync(ldconfig, ['-p'], { encoding: 'utf8', maxBuffer: 1 << 24 })
  }
  const found = new Map(cache.split('\n').flatMap((line) => {
    const [, name, path] = /^\s*(\S+) \(.*\) => (\S+)$/.exec(line) ?? []
    return name === undefined || path === undefined ? [] : [[name, path] as const]
  }).toReversed())
  return new Map(libraries.flatMap(({ subject, files }) => {
    const file = files.find((name) => found.has(name))
    return file === undefined ? [] : [[subject, found.get(file) ?? ''] as const]
  }))
}

/** Builds the program in a new directory; what a job needs to run it. Without a compiler there is nothing to build, and no job asks. */
async function buildNative(): Promise<Record<string, string>> {
  const compiler = findCompiler()
  if (whyNotNative() !== undefined || compiler === undefined) return {}
  const folder = mkdtempSync(join(tmpdir(), 'percore-native-'))
  const program = join(folder, 'percore-native')
  // Without -fno-builtin the compiler knows malloc and takes pairs of it away.
  await promisify(execFile)(compiler, ['-O2', '-pthread', '-fno-builtin', '-o', program, source])
  return { native: program, native_folder: folder, ...Object.fromEntries(libraryPaths()) }
}

/** Undoes {@link buildNative}. */
function removeNative(input: Readonly<Record<string, string | number>>): void {
  const folder = input['native_folder']
  if (typeof folder === 'string') rmSync(folder, { recursive: true, force: true })
}

/** What a bench with native contenders does before and after. */
export const nativeBuild: Required<Pick<Bench, 'prepare' | 'cleanup'>> = {
  prepare: buildNative,
  cleanup: async (input) => removeNative(input),
}

/** Whether the subject is one of {@link natives}. */
export function isNative(subject: string): boolean {
  return subject === 'glibc' || libraries.some((each) => each.subject === subject)
}

/** What the program is told, as `key=value`. */
type Options = Readonly<Record<string, string | number>>

/** How to start a program. */
export interface Command {
  readonly command: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/** The program's arguments and environment for one job. */
export function nativeCommand({ subject, input }: Job, bench: string, options: Options): Command {
  const preload = subject === 'glibc' ? {} : { LD_PRELOAD: String(input[subject]) }
  const args = Object.entries(options).map(([key, value]) => `${key}=${value}`)
  return { command: [String(input['native']), bench, ...args], env: { ...process.env, ...preload } }
}

/** Measures one native job. */
export async function measureNative(job: Job, bench: string, options: Options): Promise<readonly Reading[]> {
  const { command: [program = '', ...args], env } = nativeCommand(job, bench, options)
  const { stdout } = await promisify(execFile)(program, args, { env })
  return (JSON.parse(stdout) as { readings: Reading[] }).readings
}
