import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { availableCores, availableCpus, epochMs, osThreadId, parseCpuList, physicalCores, pinOrder } from '../../src/platform/index.js'

const linux = process.platform === 'linux'
const notLinux = linux ? false : 'only Linux tells'

test('the lists of CPUs that the kernel writes are read', () => {
  assert.deepEqual(parseCpuList('0'), [0])
  assert.deepEqual(parseCpuList('0-3'), [0, 1, 2, 3])
  assert.deepEqual(parseCpuList('1,4-5,9'), [1, 4, 5, 9])
  assert.deepEqual(parseCpuList(''), [])
})

test('there are cores, and no more physical ones than CPUs', () => {
  assert.ok(physicalCores() >= 1)
  assert.ok(physicalCores() <= availableCores())
})

test('the order of pinning names every available CPU once, the first one last of its kind', { skip: notLinux }, () => {
  const cpus = availableCpus() ?? []
  const order = pinOrder()
  assert.deepEqual(order.toSorted((a, b) => a - b), cpus)
  if (physicalCores() === cpus.length) assert.equal(order.at(-1), cpus[0])
})

test('a process tied to one CPU sees one', { skip: spawnSync('taskset', ['--version']).status === 0 ? false : 'taskset is not installed' }, () => {
  const cpu = String(availableCpus()?.at(-1))
  const url = new URL('../../src/platform/index.js', import.meta.url).href
  const program = `import { availableCores, availableCpus, physicalCores, pinOrder } from ${JSON.stringify(url)}
    console.log(JSON.stringify([availableCores(), availableCpus(), physicalCores(), pinOrder()]))`
  const said = execFileSync('taskset', ['-c', cpu, process.execPath, '--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.deepEqual(JSON.parse(said), [1, [Number(cpu)], 1, [Number(cpu)]])
})

/** What a fresh thread answers to a piece of code that has the platform floor in scope as `platform`. */
async function onThread(code: string): Promise<unknown> {
  const url = new URL('../../src/platform/index.js', import.meta.url).href
  const text = `const { parentPort } = require('node:worker_threads'), { readFileSync } = require('node:fs')
    import(${JSON.stringify(url)}).then((platform) => parentPort.postMessage((() => { ${code} })()))`
  return new Promise((resolve, reject) => new Worker(text, { eval: true }).on('message', resolve).on('error', reject))
}

test('a thread has its own number, name, niceness and CPU; no other thread is touched', { skip: notLinux }, async () => {
  const cpu = availableCpus()?.at(-1)
  const before = readFileSync('/proc/thread-self/status', 'utf8')
  const [problems, id, name, stat, status] = await onThread(`
    const problems = [platform.nameThread('a name that is long', '17'), platform.setNice(7), platform.pinThread(${cpu})]
    const id = platform.osThreadId()
    const of = (file) => readFileSync('/proc/self/task/' + id + '/' + file, 'utf8')
    return [problems, id, of('comm'), of('stat'), of('status')]`) as [unknown[], number, string, string, string]
  assert.notEqual(id, osThreadId())
  assert.equal(name, 'a name that  17\n')
  assert.equal(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16], '7')
  if (problems[2] === undefined) assert.match(status, new RegExp(`^Cpus_allowed_list:\\s*${cpu}$`, 'm'))
  else assert.match(String(problems[2]), /taskset/)
  const kept = (text: string): unknown => [/^Name.*$/m.exec(text)?.[0], /^Cpus_allowed_list.*$/m.exec(text)?.[0]]
  assert.deepEqual(kept(readFileSync('/proc/thread-self/status', 'utf8')), kept(before))
})

test('what the host refuses is said in a sentence and thrown by nobody', { skip: notLinux }, async () => {
  assert.match(String(await onThread('return platform.pinThread(99999)')), /could not be pinned to CPU 99999: .+/)
  assert.match(String(await onThread(`process.env.PATH = '/nowhere'; return platform.pinThread(0)`)), /Install taskset/)
  assert.match(String(await onThread(`Object.defineProperty(process, 'platform', { value: 'other' })
    return [platform.pinThread(0), platform.nameThread('a', '0'), platform.setNice(1)].join()`)), /pinned on other.*named on other.*set on other/)
})

test('the clock is the same on every thread', async () => {
  const before = epochMs()
  const there = await onThread('return platform.epochMs()') as number
  assert.ok(there >= before - 1 && there <= epochMs() + 1, `${before} ${there}`)
})
