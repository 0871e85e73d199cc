import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** What the linter says of one file in a copy of the house. */
async function lint(file: string, text: string): Promise<{ code: number; said: string }> {
  const house = await mkdtemp(join(tmpdir(), 'percore-lint-'))
  await cp(join(root, '.oxlintrc.json'), join(house, '.oxlintrc.json'))
  await symlink(join(root, 'node_modules'), join(house, 'node_modules'))
  await mkdir(join(house, file, '..'), { recursive: true })
  await writeFile(join(house, file), text)
  return new Promise((resolve) => {
    execFile(process.execPath, [join(root, 'node_modules/oxlint/bin/oxlint'), '--deny-warnings', 'src'], { cwd: house }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, said: stdout + stderr })
    })
  })
}

const importing = (from: string): string => `import { thing } from '${from}'\n\nexport const other: unknown = thing\n`

test('an import from a lower floor through its index passes', async () => {
  const { code, said } = await lint('src/group/a.ts', importing('../ring/index.js'))
  assert.equal(code, 0, said)
})

test('an import from a higher floor fails', async () => {
  const { code, said } = await lint('src/ring/a.ts', importing('../group/index.js'))
  assert.equal(code, 1)
  assert.match(said, /floor 2: imports only go down/)
})

test('an import from a neighbour on the same floor fails', async () => {
  const { code, said } = await lint('src/codec/a.ts', importing('../ring/index.js'))
  assert.equal(code, 1)
  assert.match(said, /imports only go down/)
})

test("an import of another folder's inside fails", async () => {
  const { code, said } = await lint('src/group/a.ts', importing('../ring/lane.js'))
  assert.equal(code, 1)
  assert.match(said, /only through its index/)
})
