import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

const compiled = new URL('../../src/exec/', import.meta.url)

test('no file of the executor imports anything of Node', () => {
  const files = readdirSync(compiled).filter((file) => file.endsWith('.js'))
  assert.ok(files.length > 10)
  for (const file of files) {
    const code = readFileSync(new URL(file, compiled), 'utf8')
    const foreign = code.match(/^(?:import|export)\b.*from '(?!\.).*|\bimport\((?!')|\bprocess\.|\bBuffer\b/m)
    assert.equal(foreign?.[0], undefined, file)
  }
})

test('an executor runs where there is only what a browser tab without isolation has', async () => {
  const worker = new Worker(`
    const { parentPort } = require('node:worker_threads')
    for (const name of ['process', 'Buffer', 'setImmediate', 'clearImmediate', 'SharedArrayBuffer', 'global']) delete globalThis[name]
    import('${new URL('index.js', compiled).href}').then(async ({ Exec, Channel }) => {
      const exec = new Exec()
      const channel = new Channel(1)
      const seen = [typeof process, typeof setImmediate]
      exec.spawn(function* () {
        for (let n = 0; n < 3; n++) {
          yield* exec.sleep(1)
          yield* channel.send(n)
        }
        channel.close()
      })
      exec.spawnWith(1 << 20, () => seen.push('state'), 0)
      await exec.run(async () => {
        for (let n = await channel.receive(); n !== undefined; n = await channel.receive()) seen.push(n)
      })
      parentPort.postMessage(seen)
    }, (error) => parentPort.postMessage(String(error)))
  `, { eval: true })
  const seen = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  assert.deepEqual(seen, ['undefined', 'undefined', 'state', 0, 1, 2])
  await worker.terminate()
})
