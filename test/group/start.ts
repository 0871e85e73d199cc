/** A group of the test handlers, in this process or in one of its own. */
import { execFile } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ExecGroup, type ExecGroupOptions } from '../../src/index.js'
import type { TestHandlers } from './handlers.js'

export const handlersUrl: URL = new URL('./handlers.js', import.meta.url)

export function startGroup(options: ExecGroupOptions = {}): Promise<ExecGroup<TestHandlers>> {
  return ExecGroup.start<TestHandlers>(handlersUrl, { workers: 2, memoryBytes: 256 * 2 ** 20, ...options })
}

const index = new URL('../../src/index.js', import.meta.url).href

/** Runs a program that has `ExecGroup` and the handlers' `url` in scope, as a process of its own; gives what it printed. */
export async function program(body: string): Promise<string> {
  const text = `import { ExecGroup } from ${JSON.stringify(index)}; const url = new URL(${JSON.stringify(handlersUrl.href)}); ${body}`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', text], { timeout: 60_000 })
  return stdout
}

/** A file of its own with that text; gives its path. */
export async function moduleWith(text: string, name = 'handlers.mjs'): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'percore-')), name)
  await writeFile(file, text)
  return file
}
