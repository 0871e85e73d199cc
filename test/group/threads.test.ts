import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { SHARE_ENV } from 'node:worker_threads'
import { ExecGroup, type ExecGroupOptions, PercoreError } from '../../src/index.js'
import { availableCpus, physicalCores } from '../../src/platform/index.js'
import { moduleWith, program, startGroup } from './start.js'

const notLinux = process.platform === 'linux' ? false : 'only Linux tells'
const noTaskset = notLinux || (spawnSync('taskset', ['--version']).status === 0 ? false : 'taskset is not installed')

const probe = await moduleWith(`
  import { readFileSync, readlinkSync } from 'node:fs'
  const task = () => '/proc/' + readlinkSync('/proc/thread-self')
  export const file = (name) => readFileSync(task() + '/' + name, 'utf8')
  export const env = (name) => process.env[name]
  export const argv = () => process.argv.slice(2)
  export const execArgv = () => process.execArgv
  export const print = (text) => { console.log(text); console.error('no ' + text) }
`)

interface Probe {
  readonly [name: string]: (value: string | undefined) => unknown
  readonly file: (name: string | undefined) => string
}

function probing(options: ExecGroupOptions): Promise<ExecGroup<Probe>> {
  return ExecGroup.start<Probe>(probe, { workers: 1, ...options })
}

/** What every worker of a group answers: with a depth of 1 the calls spread. */
async function everywhere(group: ExecGroup<Probe>, name: string, value: string): Promise<unknown[]> {
  return Promise.all(Array.from({ length: group.workers }, () => group.run(name, value)))
}

test('threads carry their name and number', { skip: notLinux }, async () => {
  await using plain = await probing({})
  assert.equal(await plain.run('file', 'comm'), 'percore 0\n')
  await using named = await probing({ name: 'a quite long name', workers: 2, depth: 1 })
  assert.deepEqual((await everywhere(named, 'file', 'comm')).toSorted(), ['a quite long  0\n', 'a quite long  1\n'])
})

test('threads are pinned in turn, or to the CPUs named', { skip: noTaskset }, async () => {
  const cpus = availableCpus() ?? []
  const allowed = (text: unknown): string => /^Cpus_allowed_list:\s*(\S+)$/m.exec(String(text))?.[1] ?? ''
  await using turn = await probing({ pin: true, workers: 2, depth: 1 })
  assert.deepEqual(new Set((await everywhere(turn, 'file', 'status')).map(allowed)), new Set(cpus.length > 1 ? [String(cpus[1]), String(cpus.at(cpus.length > 2 ? 2 : 0))] : [String(cpus[0])]))
  await using named = await probing({ pin: [cpus.at(-1) as number], workers: 2, depth: 1 })
  assert.deepEqual((await everywhere(named, 'file', 'status')).map(allowed), [String(cpus.at(-1)), String(cpus.at(-1))])
})

test('threads are as nice as asked, and the caller is not', { skip: notLinux }, async () => {
  await using group = await probing({ nice: 11 })
  const stat = await group.run('file', 'stat')
  assert.equal(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16], '11')
})

test('what the host refuses is one warning, and the group starts', { skip: notLinux }, async () => {
  assert.match(await program(`
    process.on('warning', ({ name, message }) => console.log(name, message))
    const group = await ExecGroup.start(url, { workers: 2, pin: true, env: { PATH: '/nowhere' } })
    console.log(await group.run('double', 2))
    await group.close()
  `), /^PercoreWarning the thread could not be pinned to CPU \d+: .*taskset.*\n(PercoreWarning .*CPU .*\n)?4\n$/)
})

test('workers are as many as there are physical cores', async () => {
  await using group = await startGroup({ workers: 'physical' })
  assert.equal(group.workers, physicalCores())
})

test('env, argv and execArgv reach the workers', async () => {
  await using group = await probing({ env: { COLOUR: 'blue' }, argv: ['--fast'], execArgv: ['--no-warnings'] })
  assert.deepEqual([await group.run('env', 'COLOUR'), await group.run('env', 'PATH')], ['blue', undefined])
  assert.deepEqual(await group.run('argv', undefined), ['--fast'])
  assert.deepEqual(await group.run('execArgv', undefined), ['--no-warnings'])
  await using shared = await probing({ env: SHARE_ENV })
  process.env['PERCORE_TEST_SHARED'] = 'yes'
  assert.equal(await shared.run('env', 'PERCORE_TEST_SHARED'), 'yes')
  delete process.env['PERCORE_TEST_SHARED']
})

test("Node's own threads are told of, those of replaced workers too", async () => {
  const ids: number[] = []
  const url = await moduleWith("import { threadId } from 'node:worker_threads'\nexport const id = () => threadId\nexport const end = () => process.exit(1)")
  const group = await ExecGroup.start(url, { workers: 1, onThread: (thread, worker) => void (ids[ids.length] = worker === 0 ? thread.threadId : -1) })
  assert.deepEqual(ids, [await group.run('id')])
  await assert.rejects(group.run('end'), { code: 'ERR_PERCORE_WORKER_DIED' })
  const id = await group.run('id')
  assert.deepEqual(ids.slice(1), [id])
  await group.close()
})

test('what workers print goes to the listeners, whole, before close has ended', async () => {
  const said: string[] = []
  const listen = (where: string) => (chunk: Uint8Array, worker: number): void => void said.push(`${where} ${worker}: ${Buffer.from(chunk).toString()}`)
  const group = await probing({ stdout: listen('out'), stderr: listen('err') })
  await group.run('print', 'one')
  await group.run('print', 'two')
  await group.close()
  assert.deepEqual(said.toSorted(), ['err 0: no one\n', 'err 0: no two\n', 'out 0: one\n', 'out 0: two\n'])
})

test('bad options of threads are refused by name and value', async () => {
  const refused: [ExecGroupOptions, RegExp][] = [
    [{ name: '' }, /name .*""/],
    [{ nice: 20 }, /nice .*20/],
    [{ nice: 1.5 }, /nice .*1\.5/],
    [{ pin: [] }, /pin .*\[\]/],
    [{ pin: [-1] }, /pin .*-1/],
    [{ pin: 1 as unknown as boolean }, /pin .*1/],
    [{ env: 3 as never }, /env .*3/],
    [{ argv: 3 as never }, /argv .*3/],
    [{ execArgv: [3 as never] }, /execArgv .*\[3\]/],
    [{ resourceLimits: { maxOldGenerationSizeMb: -1 } }, /resourceLimits\.maxOldGenerationSizeMb .*-1/],
    [{ resourceLimits: { stackSizeMb: Number.NaN } }, /stackSizeMb .*NaN/],
    [{ stdout: 'inherit' as unknown as () => void }, /stdout .*"inherit"/],
    [{ workers: 'logical' as unknown as number }, /workers .*logical/],
  ]
  for (const [options, expected] of refused) {
    await assert.rejects(ExecGroup.start(probe, options), (error: Error) => {
      assert.ok(error instanceof PercoreError && error.code === 'ERR_PERCORE_INVALID_OPTION', String(error))
      assert.match(error.message, expected)
      return true
    })
  }
})
