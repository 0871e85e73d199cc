/**
 * The JavaScript allocators a loop can be run over, by subject. The thread that measures.
 *
 * The invariant: nothing stands between a loop and percore's heap; a rival's wrapper only translates addresses.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createHeap, type HeapOptions, type SharedHeap } from '../../src/memory/index.js'
import type { Contender, Reading } from '../harness/contract.js'
import type { BlockHeap } from './loops.js'

export const percore: Contender = { subject: 'percore' }

/** Heaps of addresses for one thread. sql.js is SQLite by Emscripten, whose dlmalloc it exports: WebAssembly called from JavaScript. */
export const addressHeaps: readonly Contender[] = [
  { subject: '@thi.ng/malloc', needs: '@thi.ng/malloc' },
  { subject: 'wasm-dlmalloc', needs: 'sql.js' },
]

/** Memory that the garbage collector frees. */
export const collected: readonly Contender[] = [{ subject: 'Buffer.allocUnsafe' }, { subject: 'Uint8Array' }]

const rivalBytes = 64 << 20

/** A heap with the words its addresses index. */
export interface OpenHeap {
  readonly heap: BlockHeap
  readonly words: Int32Array
}

/** percore's heap with a view of all of it, as a user of many small blocks would make it. */
export function openPercore(bytes: number, options: HeapOptions = {}): OpenHeap & { readonly heap: SharedHeap } {
  const heap = createHeap({ bytes, ...options })
  return { heap, words: new Int32Array(heap.handle.buffer) }
}

/** The heap of a subject of {@link percore} or {@link addressHeaps}. */
export async function openHeap(subject: string, bytes: number): Promise<OpenHeap> {
  if (subject === 'percore') return openPercore(bytes)
  return subject === 'wasm-dlmalloc' ? await openDlmalloc() : await openThing()
}

async function openThing(): Promise<OpenHeap> {
  const name = '@thi.ng/malloc'
  const { MemPool } = await import(name) as { MemPool: new (options: object) => BlockHeap }
  const buf = new SharedArrayBuffer(rivalBytes)
  const pool = new MemPool({ buf, start: 8 })
  return { heap: { malloc: (bytes) => pool.malloc(bytes) >>> 2, free: (ptr) => pool.free(ptr << 2) }, words: new Int32Array(buf) }
}

/** As much of WebAssembly as is needed here: Node's types have none. */
interface Wasm {
  readonly Memory: new (options: object) => { readonly buffer: ArrayBuffer }
  readonly Module: new (code: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: object }
}

/** Emscripten's dlmalloc, called as its own glue calls it. */
async function openDlmalloc(): Promise<OpenHeap> {
  const require = createRequire(import.meta.url)
  const { Memory, Module, Instance } = (globalThis as unknown as { readonly WebAssembly: Wasm }).WebAssembly
  const module = new Module(readFileSync(require.resolve('sql.js/dist/sql-wasm.wasm')))
  const start = require('sql.js') as (options: object) => Promise<{ _malloc(bytes: number): number, _free(ptr: number): void }>
  let memory: { readonly buffer: ArrayBuffer } | undefined
  const instantiateWasm = (imports: object, done: (instance: object) => void): object => {
    const instance = new Instance(module, imports)
    memory = Object.values(instance.exports).find((each) => each instanceof Memory)
    done(instance)
    return instance.exports
  }
  const { _malloc: malloc, _free: free } = await start({ instantiateWasm })
  // Growing the memory detaches every view of it: grown once, it stays.
  free(malloc(rivalBytes))
  if (memory === undefined) throw new Error('sql.js does not export its memory any more')
  return { heap: { malloc: (bytes) => malloc(bytes) >>> 2, free: (ptr) => free(ptr << 2) }, words: new Int32Array(memory.buffer) }
}

/** How a subject of {@link collected} makes a block. */
export function allocatorOf(subject: string): (bytes: number) => Uint8Array {
  return subject === 'Uint8Array' ? (bytes) => new Uint8Array(bytes) : (bytes) => Buffer.allocUnsafe(bytes)
}

/** What a heap occupies now, and the bytes of the blocks in use (rounded up to their classes). */
export function memoryOf(heap: SharedHeap): Reading[] {
  const live = heap.stats().records.reduce((sum, { bytesUsed }) => sum + bytesUsed, 0)
  return [{ metric: 'rss_mb', value: residentMb(heap.handle.buffer) }, { metric: 'live_mb', value: live / 1e6 }]
}

/**
 * Resident bytes of the buffer alone, in MB: of the mapping it lies in, so that V8's own memory does not count. NaN where /proc does not
 * say.
 */
function residentMb(buffer: SharedArrayBuffer): number {
  let smaps: string
  try {
    smaps = readFileSync('/proc/self/smaps', 'utf8')
  } catch {
    return Number.NaN
  }
  let size = 0
  let best = { size: Infinity, resident: Number.NaN }
  for (const line of smaps.split('\n')) {
    const [, low, high] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line) ?? []
    if (low !== undefined && high !== undefined) size = parseInt(high, 16) - parseInt(low, 16)
    const [, kilobytes] = /^Rss:\s+(\d+) kB/.exec(line) ?? []
    if (kilobytes !== undefined && size >= buffer.byteLength && size < best.size) best = { size, resident: Number(kilobytes) * 1024 / 1e6 }
  }
  return best.resident
}
