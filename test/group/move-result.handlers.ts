/** Handlers that move what they give. */
import type { MessagePort } from 'node:worker_threads'
import { defineHandlers, move, view } from '../../src/index.js'

let kept = new ArrayBuffer(0)
const filled = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(7)

const handlers = defineHandlers({
  fill(length: number) {
    const bytes = filled(length)
    kept = bytes.buffer
    return move(bytes)
  },
  async fillLater(length: number) {
    await new Promise((go) => setTimeout(go, 1))
    const bytes = filled(length)
    kept = bytes.buffer
    return move({ bytes, also: 1 }, [bytes.buffer])
  },
  *coroutine(length: number) {
    yield Promise.resolve()
    return move(filled(length))
  },
  keptLength: () => kept.byteLength,
  port(said: string) {
    const { port1, port2 } = new MessageChannel()
    port1.postMessage(said)
    port1.close()
    return move(port2)
  },
  /** Hands the same on. */
  pass: (value: Uint8Array) => move(value),
  /** Something is wrong with the list. */
  wrong(what: 'twice' | 'not transferable' | 'gone' | 'function' | 'no list' | 'unlisted port' | 'nested') {
    const bytes = filled(100)
    kept = bytes.buffer
    switch (what) {
      case 'twice': return move(bytes, [kept, kept])
      case 'not transferable': return move(bytes, [kept, {}])
      case 'gone': {
        structuredClone(kept, { transfer: [kept] })
        return move(bytes)
      }
      case 'function': return move({ bytes, call() {} }, [kept])
      case 'no list': return move(bytes, kept as never)
      case 'unlisted port': return move({ port: new MessageChannel().port1, bytes }, [kept])
      case 'nested': return { bytes: move(bytes) }
    }
  },
  throwMoved(length: number): never {
    throw move(filled(length))
  },
  partOfBlock: view((block) => move(block.bytes)),
  lend: view((block) => block.bytes.length),
  report(length: number, ctx) {
    const bytes = filled(length)
    ctx.report(move(bytes))
    return bytes.byteLength
  },
  *chunks({ count, wrongAt = -1 }: { readonly count: number, readonly wrongAt?: number }) {
    for (let i = 0; i < count; i++) {
      const bytes = new Uint8Array(8).fill(i)
      yield i % 3 === 0 ? i : move({ bytes }, i === wrongAt ? [{}] : [bytes.buffer])
    }
    return move(filled(3))
  },
  async *slowChunks(count: number) {
    for (let i = 0; i < count; i++) {
      await new Promise(setImmediate)
      yield move(new Uint8Array(8).fill(i))
    }
  },
  someMove: (n: number) => (n % 3 === 0 ? n : n % 3 === 1 ? move(filled(n)) : Promise.resolve(move({ n: filled(n) }, []))),
  oddMoves: (n: number) => (n % 2 === 0 ? n : move(filled(n))),
  async nested(length: number, ctx) {
    const arrived = await ctx.group.run('fill', length) as Uint8Array
    const sent = filled(length)
    const passed = ctx.group.run('pass', move(sent))
    await Promise.resolve()
    const left = sent.byteLength
    return { left, arrived: arrived.byteLength, passed: (await passed as Uint8Array).byteLength }
  },
  async nestedMany(count: number, ctx) {
    const sent = Array.from({ length: count }, () => filled(10))
    const passed = sent.map((bytes) => ctx.group.run('pass', move(bytes)) as Promise<Uint8Array>)
    const left = sent.slice(100).reduce((sum, { byteLength }) => sum + byteLength, 0)
    return { left, arrived: (await Promise.all(passed)).reduce((sum, { byteLength }) => sum + byteLength, 0) }
  },
  async nestedPort(said: string, ctx) {
    const port = await ctx.group.run('port', said) as MessagePort
    return await new Promise((resolve) => port.once('message', resolve))
  },
  async nestedWrong(what: string, ctx) {
    return await ctx.group.run('wrong', what)
  },
  async nestedSendsWrong(_: undefined, ctx) {
    const bytes = filled(10)
    await ctx.group.run('pass', move(bytes, [bytes.buffer, bytes.buffer]))
  },
  async main(length: number, ctx) {
    return (await ctx.group.main('make', length) as Uint8Array).byteLength
  },
  async toMain(length: number, ctx) {
    const sent = filled(length)
    const sum = await ctx.group.main('length', move(sent)) as number
    return [sent.byteLength, sum]
  },
  fillAndExit(length: number) {
    setImmediate(() => process.exit(1))
    return move(filled(length))
  },
  echo: (value: unknown) => value,
})

export default handlers
export type MovingHandlers = typeof handlers
