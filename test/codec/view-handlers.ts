/** Handlers for view.test.ts. */
import { setTimeout as sleep } from 'node:timers/promises'
import { defineHandlers, type SharedBlock, view } from '../../src/index.js'

let kept: SharedBlock | undefined

const handlers = defineHandlers({
  sum: view((block) => block.bytes.reduce((total, byte) => total + byte, 0)),
  middle: view((block) => block.bytes.subarray(10, 20)),
  all: view((block) => block.bytes),
  async later(value: number) {
    await sleep(value)
    return value
  },
  slowly: view(async (block) => {
    const first = block.bytes[0]!
    await sleep(5)
    return [first, block.bytes[0], block.bytes.slice(0, 5)]
  }),
  back: view((block) => {
    block.bytes.reverse()
    return block
  }),
  backSlowly: view(async (block) => {
    await sleep(1)
    return block
  }),
  keep: view((block) => {
    kept = block
  }),
  kept: () => kept?.bytes.length,
  free: view((block) => block.free()),
  fail: view((block) => {
    throw Object.assign(new Error('no good'), { head: block.bytes.slice(0, 3) })
  }),
  failSlowly: view(async () => {
    await sleep(1)
    throw new Error('no good')
  }),
  where: view((block, ctx) => [block.byteLength, ctx.worker]),
  shares: view((block) => block.bytes.buffer instanceof SharedArrayBuffer),
})

export type ViewHandlers = typeof handlers
export default handlers
