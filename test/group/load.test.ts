import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, mkdir, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ExecGroup, PercoreError } from '../../src/index.js'
import { moduleWith, startGroup } from './start.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const code = (expected: string) => (error: unknown): boolean => error instanceof PercoreError && error.code === expected
const run = promisify(execFile)

/** A folder with these files, in which percore is installed. */
async function project(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'percore-'))
  await mkdir(join(folder, 'node_modules'))
  await symlink(root, join(folder, 'node_modules/percore'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return folder
}

test('handlers are loaded from .js, .mjs and .cjs, from default and named exports', async () => {
  const modules: [string, string][] = [
    ['h.mjs', 'export const inc = (n) => n + 1'],
    ['h.mjs', 'export default { inc: (n) => n + 1 }'],
    ['h.cjs', 'module.exports = { inc: (n) => n + 1 }'],
    ['h.cjs', 'exports.inc = (n) => n + 1'],
    ['h.js', 'exports.inc = (n) => n + 1'],
  ]
  for (const [name, text] of modules) {
    await using group = await ExecGroup.start(await moduleWith(text, name), { workers: 1 })
    assert.equal(await group.run('inc', 1), 2, `${name}: ${text}`)
  }
  await using alone = await ExecGroup.start(await moduleWith('export default function (n) { return n + 1 }'), { workers: 1 })
  assert.deepEqual([alone.handlers, await alone.run('default', 1)], [['default'], 2])
})

test('a .ts module is loaded where Node can, and refused with the way out where not', async () => {
  const file = await moduleWith('export const inc = (n: number): number => n + 1', 'h.ts')
  if ((process.features as { typescript?: unknown }).typescript) {
    await using group = await ExecGroup.start(file, { workers: 1 })
    assert.equal(await group.run('inc', 1), 2)
  } else {
    await assert.rejects(ExecGroup.start(file), (error: Error) => code('ERR_PERCORE_HANDLERS_LOAD')(error) && /compile it to \.js, use Node 22\.18/.test(error.message))
  }
})

test('CommonJS programs can require every door of the package', async () => {
  const folder = await project({
    'h.cjs': 'exports.inc = (n) => n + 1',
    'main.cjs': `
      const { ExecGroup, defineHandlers } = require('percore')
      const { createHeap } = require('percore/heap')
      const { LaneProducer } = require('percore/ring')
      console.log(typeof defineHandlers, typeof createHeap, typeof LaneProducer)
      ExecGroup.start(require.resolve('./h.cjs'), { workers: 1 }).then(async (group) => {
        console.log(await group.run('inc', 1))
        await group.close()
      })`,
  })
  const { stdout } = await run(process.execPath, ['main.cjs'], { cwd: folder })
  assert.equal(stdout, 'function function function\n2\n')
})

test('a function runs on a worker with its argument, whatever its form', async () => {
  await using group = await ExecGroup.start(undefined, { workers: 1 })
  assert.deepEqual(group.handlers, [])
  assert.equal(await group.runFunction((n: number) => n * 2, 21), 42)
  assert.equal(await group.runFunction(function (text: string) { return text.length }, 'four'), 4)
  assert.equal(await group.runFunction(async (n: number) => n + 1, 1), 2)
  const { method, later } = { method(n: number) { return n + 2 }, async later(n: number) { return n + 3 } }
  assert.deepEqual([await group.runFunction(method, 1), await group.runFunction(later, 1)], [3, 4])
  assert.equal(await group.runFunction(() => 'nothing'), 'nothing')
  assert.equal(await group.runFunction((_: undefined, ctx) => ctx.worker, undefined), 0)
  assert.equal(await group.runFunction(function (this: unknown) { return this }), undefined, 'strict')
  assert.notEqual(await group.runFunction(async () => (await import('node:worker_threads')).threadId), 0)
  assert.deepEqual(await group.runFunction((map: Map<string, number>) => map.get('a'), new Map([['a', 1]])), 1)
})

test('a function beside handlers takes none of their names', async () => {
  await using group = await startGroup({ workers: 1 })
  assert.deepEqual([await group.runFunction((n: number) => n + 1, 1), await group.run('double', 2)], [2, 4])
})

test('a function that throws, or left something behind, rejects its own call and says where', async () => {
  await using group = await startGroup({ workers: 1 })
  const outside = 1
  await assert.rejects(group.runFunction(() => outside), { name: 'ReferenceError', message: 'outside is not defined' })
  await assert.rejects(group.runFunction(() => { throw new RangeError('no') }), (error: Error) => error instanceof RangeError && /percore:runFunction/.test(error.stack ?? ''))
  assert.equal(await group.runFunction(() => 1), 1)
})

test('what is no function, or has no text, is refused', async () => {
  await using group = await startGroup({ workers: 1 })
  await assert.rejects(group.runFunction('double' as unknown as () => void), code('ERR_PERCORE_INVALID_OPTION'))
  await assert.rejects(group.runFunction(Math.max), code('ERR_PERCORE_INVALID_OPTION'))
  await assert.rejects(group.runFunction(Function.prototype.bind.call(() => 1, null) as () => number), code('ERR_PERCORE_INVALID_OPTION'))
  await group.close()
  await assert.rejects(group.runFunction(() => 1), code('ERR_PERCORE_CLOSED'))
})

test('a worker keeps compiling functions when there are thousands of them', async () => {
  await using group = await startGroup({ workers: 1 })
  const made = Array.from({ length: 3000 }, (_, i) => new Function(`return ${i}`) as () => number)
  assert.deepEqual(await Promise.all(made.map((fn) => group.runFunction(fn))), Array.from({ length: 3000 }, (_, i) => i))
})

test('without its worker beside it, percore says what a bundler must be told', async () => {
  const folder = await project({ 'main.mjs': `
    import { ExecGroup } from './swallowed/src/index.js'
    await ExecGroup.start(undefined, { workers: 1 }).then((group) => group.close()).then(() => console.log('started'), (error) => console.log(error.code, error.message))` })
  await cp(join(root, 'dist/src'), join(folder, 'swallowed/src'), { recursive: true, filter: (file) => !file.endsWith('/group/worker.js') })
  await writeFile(join(folder, 'swallowed/package.json'), '{ "type": "module" }')
  const started = await run(process.execPath, ['main.mjs'], { cwd: folder })
  assert.equal(started.stdout, 'started\n', 'an installed percore lends its worker')
  await promisify(execFile)('rm', [join(folder, 'node_modules/percore')])
  const { stdout } = await run(process.execPath, ['main.mjs'], { cwd: folder })
  assert.match(stdout, /^ERR_PERCORE_WORKER_START .*external.*'percore\/worker'/)
})

interface Esbuild {
  build(options: object): Promise<unknown>
}

const esbuild = await import('esbuild' as string).catch(() => undefined) as Esbuild | undefined
const noEsbuild = esbuild === undefined ? 'esbuild is not installed here: npm install --no-save esbuild' : false

test('esbuild bundles a program with its handlers, percore inside or outside', { skip: noEsbuild }, async () => {
  const folder = await project({
    'package.json': '{ "type": "module" }',
    'handlers.ts': `import { defineHandlers } from 'percore'; export default defineHandlers({ inc: (n: number) => n + 1 })`,
    'main.ts': `import { ExecGroup } from 'percore'
      const group = await ExecGroup.start(new URL('./handlers.js', import.meta.url), { workers: 1 })
      console.log(await group.run('inc', 1))
      await group.close()`,
  })
  const common = { absWorkingDir: folder, bundle: true, platform: 'node', format: 'esm', logLevel: 'silent' }
  await esbuild?.build({ ...common, entryPoints: ['main.ts', 'handlers.ts'], packages: 'external', outdir: 'outside' })
  await esbuild?.build({
    ...common, entryPoints: { main: 'main.ts', handlers: 'handlers.ts', worker: 'percore/worker' }, splitting: true, outdir: 'inside', preserveSymlinks: true,
  })
  const outside = await run(process.execPath, ['outside/main.js'], { cwd: folder })
  assert.equal(outside.stdout, '2\n')
  await promisify(execFile)('rm', [join(folder, 'node_modules/percore')])
  const inside = await run(process.execPath, ['inside/main.js'], { cwd: folder })
  assert.equal(inside.stdout, '2\n')
})
