/** The other thread of threads.test.ts: decodes every descriptor it is told of and answers in its place. */
import { parentPort, workerData } from 'node:worker_threads'
import { wordsOf } from '../../src/base/index.js'
import { createCodec, isError } from '../../src/codec/index.js'
import { attachHeap, type HeapHandle } from '../../src/memory/index.js'

export interface Job {
  readonly at: number
  readonly tag: number
}

const { handle } = workerData as { handle: HeapHandle }
const heap = attachHeap(handle)
const codec = createCodec(wordsOf(handle.buffer), heap)

parentPort?.on('message', (jobs: Job[] | 'end') => {
  if (jobs === 'end') {
    heap.detach()
    parentPort?.close()
    return
  }
  const answers = jobs.map(({ at, tag }) => {
    const value = codec.decode(tag, at)
    return { at, tag: isError(tag) ? codec.encodeError(value, at) : codec.encode(value, at) }
  })
  heap.idle()
  parentPort?.postMessage(answers)
})
