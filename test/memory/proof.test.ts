/** Runs the models of the heap's protocols through Spin: as they are they hold, and with each of their BREAK_ switches they do not. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const proofs = fileURLToPath(new URL('../../../proof/', import.meta.url))
const models = readdirSync(proofs).filter((file) => /^heap.*\.pml$/.test(file))
const missing = ['spin', 'gcc'].filter((tool) => spawnSync(tool, [tool === 'spin' ? '-V' : '--version']).error !== undefined)
const skip = missing.length > 0 ? `${missing.join(' and ')} not installed (apt-get install spin gcc)` : false

/** The number of errors an exhaustive search finds. */
function errorsOf(model: string, ...defines: string[]): number {
  const dir = mkdtempSync(join(tmpdir(), 'percore-proof-'))
  try {
    execFileSync('spin', [...defines.map((define) => `-D${define}`), '-a', join(proofs, model)], { cwd: dir })
    execFileSync('gcc', ['-O1', '-w', '-DSAFETY', '-o', 'pan', 'pan.c'], { cwd: dir })
    const output = execFileSync('./pan', ['-m1000000', '-w22'], { cwd: dir, encoding: 'utf8' })
    assert.match(output, /State-vector/)
    assert.doesNotMatch(output, /max search depth too small|out of memory/)
    return Number(/errors: (\d+)/.exec(output)![1])
  } finally {
    rmSync(dir, { recursive: true })
  }
}

for (const model of models) {
  const breaks = [...readFileSync(join(proofs, model), 'utf8').matchAll(/^ \* -D(BREAK_\w+)/gm)].map((match) => match[1]!)
  test(`${model} holds in every interleaving`, { skip }, () => {
    assert.equal(errorsOf(model), 0)
  })
  for (const broken of breaks) {
    test(`${model} fails with ${broken}`, { skip }, () => {
      assert.notEqual(errorsOf(model, broken), 0)
    })
  }
}
