import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineHandlers, ExecGroup, PercoreError } from '../../src/index.js'
import { moduleWith, program } from './start.js'

const index = JSON.stringify(new URL('../../src/index.js', import.meta.url).href)
const failsToLoad = (expected: RegExp) => (error: unknown): boolean => {
  assert.ok(error instanceof PercoreError && error.code === 'ERR_PERCORE_HANDLERS_LOAD', String(error))
  assert.match(error.message, expected)
  return true
}

test('handlers that are no functions are refused where they are defined', () => {
  for (const [handler, what] of [[3, 'number'], [null, 'null'], [{}, 'object']]) {
    const refused = { code: 'ERR_PERCORE_INVALID_OPTION', message: `the handler 'double' must be a function, not ${String(what)}.` }
    assert.throws(() => defineHandlers({ double: handler as never }), refused)
  }
})

test('init is awaited before the first task, and dispose gets what it made after the last', async () => {
  const said: string[] = []
  const module = await moduleWith(`
    import { defineHandlers } from ${index}
    export default defineHandlers({
      add: (n, ctx) => (ctx.state.total += n),
      late: async (n, ctx) => { await new Promise((resolve) => setTimeout(resolve, 20)); return ctx.state.total += n },
    }, {
      init: async (ctx) => { await new Promise((resolve) => setTimeout(resolve, 20)); return { total: ctx.workerData.start } },
      dispose: async (state, ctx) => { await new Promise((resolve) => setTimeout(resolve, 20)); console.log(ctx.worker, ctx.state === state, state.total) },
    })`)
  const group = await ExecGroup.start(module, { workers: 1, workerData: { start: 10 }, stdout: (chunk) => said.push(Buffer.from(chunk).toString()) })
  assert.equal(await group.run('add', 1), 11)
  const late = group.run('late', 5)
  await group.close()
  assert.equal(await late, 16)
  assert.equal(said.join(''), '0 true 16\n')
})

test('hooks beside named exports count, and are no handlers', async () => {
  await using group = await ExecGroup.start(await moduleWith(`
    export const hooks = { init: () => 'made' }
    export const state = (_, ctx) => ctx.state`), { workers: 1 })
  assert.deepEqual(group.handlers, ['state'])
  assert.equal(await group.run('state'), 'made')
})

test('without hooks there is no state', async () => {
  await using group = await ExecGroup.start(await moduleWith('export const state = (_, ctx) => ctx.state'), { workers: 1 })
  assert.equal(await group.run('state'), undefined)
})

test('an init that fails fails the start with its error', async () => {
  const module = await moduleWith(`export const hooks = { init: async () => { throw new RangeError('no database') } }; export const f = () => 1`)
  await assert.rejects(ExecGroup.start(module, { workers: 2 }), (error: Error) => failsToLoad(/the init hook of .*handlers\.mjs failed: RangeError: no database/)(error) && error.cause instanceof RangeError)
})

test('a hook that is no function fails the start', async () => {
  await assert.rejects(ExecGroup.start(await moduleWith('export const hooks = { dispose: 1 }; export const f = () => 1')), failsToLoad(/'dispose' of .* must be a function, not number/))
})

test('each successor of a worker has its own state', async () => {
  await using group = await ExecGroup.start(await moduleWith(`
    export const hooks = { init: () => ({ calls: 0 }) }
    export const call = (_, ctx) => ++ctx.state.calls
    export const exit = () => process.exit(1)`), { workers: 1 })
  assert.deepEqual([await group.run('call'), await group.run('call')], [1, 2])
  await assert.rejects(group.run('exit'))
  assert.equal(await group.run('call'), 1)
})

test('a dispose that fails is a warning, and one that never ends does not hold the close for ever', async () => {
  const failing = await moduleWith(`export const hooks = { dispose() { throw new Error('half open') } }; export const f = () => 1`)
  assert.match(await program(`
    process.on('warning', ({ name, message }) => console.log(name, message))
    const group = await ExecGroup.start(${JSON.stringify(failing)}, { workers: 1 })
    await group.close()
  `), /^PercoreWarning the dispose hook of worker 0 failed: Error: half open\.\n$/)
  const endless = await moduleWith(`export const hooks = { dispose: () => new Promise(() => {}) }; export const f = () => 1`)
  const group = await ExecGroup.start(endless, { workers: 1 })
  await group.close()
})
