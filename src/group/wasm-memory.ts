/**
 * A group's memory as WebAssembly sees it: one `WebAssembly.Memory`, shared by all threads, whose buffer is the fabric. Any thread.
 *
 * Invariant: it is made as long as it can become, so no `memory.grow` ever succeeds, and no view ever goes stale.
 */
import { PercoreError } from '../base/index.js'

/** What WebAssembly measures memory in. */
export const wasmPageBytes = 65_536

/** `WebAssembly.Memory`, by the types of whoever compiles this; its buffer is a SharedArrayBuffer. */
export type WasmMemory = typeof globalThis extends { WebAssembly: { Memory: { prototype: infer M } } }
  ? M
  : { readonly buffer: ArrayBufferLike, grow(pages: number): number }

interface Engine {
  readonly Memory: new (limits: { readonly initial: number, readonly maximum: number, readonly shared: true }) => WasmMemory
}

/** So many bytes and up to a page more. Throws what the engine throws when there is no room, or no WebAssembly. */
export function createWasmMemory(bytes: number): WasmMemory {
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: Engine }
  const pages = Math.ceil(bytes / wasmPageBytes)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
}

/** What is there, or an error that says how to get it. */
export function requireMemory(memory: WasmMemory | undefined): WasmMemory {
  if (memory !== undefined) return memory
  throw new PercoreError('ERR_PERCORE_INVALID_OPTION', "this group's memory is none of WebAssembly's. Start the group with wasmMemory: true.")
}
