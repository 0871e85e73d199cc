/**
 * `npm start`: the main job on a real data set. A million flights through a handler, once on one thread and once with percore, each in
 * a process of its own, timed from start to exit; the two outputs must be the same, byte for byte.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureFlights, flightCount } from './data.js'
import { featuresFile, flightsFile, referenceFile } from './paths.js'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const cores = availableParallelism()
const rows = flightCount.toLocaleString('en-US')

/** Runs a program and returns how many seconds it took. */
async function timed(program: string, ...args: string[]): Promise<number> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [here(program), ...args], { stdio: 'inherit' })
  const [code, signal] = await once(child, 'exit') as [number | null, string | null]
  if (code !== 0) throw new Error(`${program} ended with ${signal ?? `exit code ${code}`}`)
  return (performance.now() - startedAt) / 1000
}

/** Undefined when the files are the same, else where they first differ. */
async function firstDifference(one: string, other: string): Promise<number | undefined> {
  const files = await Promise.all([open(one), open(other)])
  const buffers = [Buffer.alloc(1 << 20), Buffer.alloc(1 << 20)] as const
  try {
    for (let at = 0; ; at += buffers[0].byteLength) {
      const [a, b] = await Promise.all([read(files[0], buffers[0], at), read(files[1], buffers[1], at)])
      if (!a.equals(b)) return at
      if (a.byteLength === 0) return undefined
    }
  } finally {
    for (const file of files) await file.close()
  }
}

async function read(file: FileHandle, into: Buffer, at: number): Promise<Buffer> {
  const { bytesRead } = await file.read(into, 0, into.byteLength, at)
  return into.subarray(0, bytesRead)
}

function tableLine(what: string, seconds: number, note: string): string {
  const rate = Math.round(flightCount / seconds).toLocaleString('en-US')
  return `  ${what.padEnd(24)}${rate.padStart(12)} rows/s${seconds.toFixed(2).padStart(9)} s   ${note}`
}

await ensureFlights()
console.log(`${rows} flights: validate, join airports, great-circle distance, calendar and delay features.\n`)

console.log('One thread, for comparison …')
const oneThread = await timed('one-thread.js', flightsFile, referenceFile)
console.log('percore run handlers.js --handler features …')
const percore = await timed('../../src/cli/main.js', 'run', here('handlers.js'), '--handler', 'features', '--input', flightsFile, '--output', featuresFile)

const difference = await firstDifference(featuresFile, referenceFile)
if (difference !== undefined) {
  console.error(`\nThe outputs differ within the megabyte from byte ${difference}: compare ${featuresFile} with ${referenceFile}`)
  process.exit(1)
}
await rm(referenceFile)
const { size } = await stat(featuresFile)

console.log(`
${tableLine('one thread, readline', oneThread, '')}
${tableLine(`percore, ${cores} workers`, percore, `${(oneThread / percore).toFixed(1)} × as fast`)}

The outputs are the same, byte for byte: ${relative('.', featuresFile)} (${Math.round(size / 1e6)} MB)`)
