/**
 * System calls of the steady state: the measured program runs once more under strace and writes a line before and after its measured part;
 * what its measuring thread asked of the kernel in between is counted. Parent: whether strace is there. Child: counting.
 *
 * The invariant: only calls of the thread that wrote the lines count, so V8's helper threads do not; if the lines are missing there is no
 * figure.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Reading } from '../harness/contract.js'
import type { Command } from './native.js'

const calls = 'mmap,munmap,madvise,mprotect,futex'

/** Undefined when strace can be used here, else why not. */
export function whyNoStrace(): string | undefined {
  if (process.platform !== 'linux') return 'system calls are counted on Linux only'
  try {
    execFileSync('strace', ['-o', '/dev/null', '-e', 'trace=none', 'true'], { stdio: 'ignore' })
    return undefined
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    return isMissing ? 'strace is not installed; apt-get install strace' : 'strace may not trace here'
  }
}

/** Runs a command under strace and counts. */
export async function countSystemCalls({ command, env }: Command): Promise<readonly Reading[]> {
  const folder = mkdtempSync(join(tmpdir(), 'percore-strace-'))
  try {
    const output = join(folder, 'calls')
    // strace itself must not run under another malloc.
    const preload = env['LD_PRELOAD'] === undefined ? [] : ['-E', `LD_PRELOAD=${env['LD_PRELOAD']}`]
    const { LD_PRELOAD: _, ...clean } = env
    const args = ['-f', '-o', output, '-e', `trace=${calls},write`, ...preload, ...command]
    await promisify(execFile)('strace', args, { env: { ...clean, PERCORE_BENCH_MARKS: '1' } })
    return [{ metric: 'system_calls', value: steadyCalls(readFileSync(output, 'utf8')) }]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Calls of one thread between the lines it wrote. */
export function steadyCalls(trace: string): number {
  const lines = trace.split('\n').map((line) => /^(\d+)\s+(\w+)\((.*)$/.exec(line))
  const begins = lines.find((line) => line?.[2] === 'write' && line[3]?.includes('steady: begins'))
  const thread = begins?.[1]
  const own = lines.filter((line) => line !== null && line[1] === thread)
  const end = own.findIndex((line) => line?.[2] === 'write' && line[3]?.includes('steady: ends'))
  const start = own.indexOf(begins ?? null)
  if (start < 0 || end < start) throw new Error('the traced program did not say where its steady state begins and ends')
  return end - start - 1
}
