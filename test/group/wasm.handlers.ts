/** Handlers in WebAssembly, over the group's memory. */
import { defineHandlers, view, type WasmMemory } from '../../src/index.js'

interface Wasm {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: { readonly sum: (at: number, bytes: number) => number } }
}
const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: Wasm }

/**
 * ```
 *  (module
 *    (import "env" "memory" (memory 1 65536 shared))
 *    (func (export "sum") (param $at i32) (param $left i32) (result i32) (local $sum i32)
 *      block loop
 *        local.get $left  i32.eqz  br_if 1
 *        local.get $sum  local.get $at  i32.load8_u  i32.add  local.set $sum
 *        local.get $at  i32.const 1  i32.add  local.set $at
 *        local.get $left  i32.const 1  i32.sub  local.set $left
 *        br 0
 *      end end
 *      local.get $sum))
 * ```
 */
const sumModule = Buffer.from('AGFzbQEAAAABBwFgAn9/AX8CEgEDZW52Bm1lbW9yeQIDAYCABAMCAQAHBwEDc3VtAAAKLQErAQF/AkADQCABRQ0BIAIgAC0AAGohAiAAQQFqIQAgAUEBayEBDAALCyACCw==', 'base64')

export function sumOver(memory: WasmMemory): (at: number, bytes: number) => number {
  return new WebAssembly.Instance(new WebAssembly.Module(sumModule), { env: { memory } }).exports.sum
}

interface State {
  readonly sum: (at: number, bytes: number) => number
}

const handlers = defineHandlers({
  sum: view((block, ctx) => (ctx.state as State).sum(block.byteOffset, block.byteLength)),
  exit: (code: number): never => process.exit(code),
}, { init: (ctx): State => ({ sum: sumOver(ctx.memory) }) })

export type WasmHandlers = typeof handlers
export default handlers
