/** What the tests of the face have in common: both pools, and modules of handlers for them. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Piscina as Theirs } from 'piscina'
import { Piscina as Ours } from '../../src/piscina/index.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Seen as ours: what a test asserts of one type it asserts of both. */
export const faces: readonly { readonly name: string, readonly Piscina: typeof Ours }[] = [
  { name: 'percore/piscina', Piscina: Ours },
  { name: 'piscina', Piscina: Theirs as unknown as typeof Ours },
]

const modules = {
  'text.cjs': 'module.exports = (code) => eval(code)',
  'names.cjs': 'const log = []\nmodule.exports = { keep: (value) => { log.push(value) }, kept: () => log, later: async (ms) => { await new Promise((go) => setTimeout(go, ms)); return ms } }',
  'function.cjs': "module.exports = () => 'whole'\nmodule.exports.part = () => 'part'",
  'promise.cjs': 'module.exports = new Promise((go) => setTimeout(() => go((value) => value + 1), 5))',
  'esm.mjs': "export default (value) => value * 2\nexport const named = (value) => -value\nexport const settled = Promise.resolve(() => 'promised')",
  'broken.cjs': "throw new Error('cannot be loaded')",
  'wait.cjs': 'module.exports = (word) => { Atomics.wait(word, 0, 0); return Atomics.load(word, 0) }',
  'spin.cjs': 'module.exports = (word) => { Atomics.store(word, 0, 1); Atomics.notify(word, 0); for (;;); }',
  'move.mjs': ['percore/piscina', 'piscina'].map((from, i) => `import { move as move${i}, Piscina as P${i} } from '${from}'`).join('\n') + `
export const length = (value) => value.byteLength
const of = (move) => () => { const bytes = new Uint8Array(8).fill(7); const moved = move(bytes); setImmediate(() => { left = bytes.byteLength }); return moved }
let left
export const give0 = of(move0)
export const give1 = of(move1)
export const port0 = () => { const { port1, port2 } = new MessageChannel(); port1.postMessage('kept'); port1.close(); return move0(port2) }
export const twice0 = async () => { const bytes = new Uint8Array(8); return move0({ get [P0.transferableSymbol]() { return [bytes.buffer, bytes.buffer] }, get [P0.valueSymbol]() { return bytes } }) }
export const rest = async () => { await new Promise((go) => setTimeout(go, 20)); return left }
export const say = (port) => { port.postMessage('through the port'); port.close() }`,
  'about.mjs': ['percore/piscina', 'piscina'].map((from, i) => `import { isWorkerThread as is${i}, workerData as data${i}, Piscina as P${i} } from '${from}'`).join('\n') + `
import { workerData } from 'node:worker_threads'
export const about0 = () => [is0, P0.isWorkerThread, data0, P0.workerData, workerData]
export const about1 = () => [is1, P1.isWorkerThread, data1, P1.workerData, workerData]
export const thread = () => [process.argv.slice(2), process.env.PLACE, process.execArgv]`,
}

/** A folder of modules, in which both packages are installed. */
export const folder: string = realpathSync(mkdtempSync(join(tmpdir(), 'percore-piscina-')))
mkdirSync(join(folder, 'node_modules'))
symlinkSync(root, join(folder, 'node_modules/percore'))
symlinkSync(realpathSync(join(root, 'node_modules/piscina')), join(folder, 'node_modules/piscina'))
for (const [name, code] of Object.entries(modules)) writeFileSync(join(folder, name), code)
process.once('exit', () => rmSync(folder, { recursive: true }))

export const file = (name: keyof typeof modules): string => join(folder, name)
/** A word of shared memory to wait on. */
export const word = (): Int32Array => new Int32Array(new SharedArrayBuffer(4))
export function set(word: Int32Array): void {
  Atomics.store(word, 0, 1)
  Atomics.notify(word, 0)
}

/** Pools that wait for nothing keep no process alive, and tests wait for what they do then. */
const alive = setInterval(() => undefined, 1000)
after(() => clearInterval(alive))
