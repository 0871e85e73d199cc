/** Runs a codec in a process of its own in which code cannot be made from text. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bench } from './fixture.js'

const self = fileURLToPath(import.meta.url)

export async function runHardened(): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--disallow-code-generation-from-strings', self, 'go'])
  return JSON.parse(stdout)
}

if (process.argv[2] === 'go') {
  const { trip } = bench()
  let rounds = 0
  while (rounds < 1000 && trip({ id: 1, name: 'x' }).name === 'x') rounds++
  console.log(JSON.stringify({ ...trip({ id: 1, name: 'x' }), rounds }))
}
