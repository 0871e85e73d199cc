/**
 * ringbuf.js as a subject: a ring of elements, one producer and one consumer, into which arrays are copied. Every thread of the bench.
 *
 * The invariant: it moves whole batches, as its own examples do, and never allocates per batch.
 */
import { readRecord, stepAside, type Transport, writeRecord } from './transport.js'

interface RingBuffer {
  push(elements: Int32Array, length?: number, offset?: number): number
  pop(elements: Int32Array, length: number, offset?: number): number
}
interface Package { readonly RingBuffer: { new (buffer: SharedArrayBuffer, type: typeof Int32Array): RingBuffer } }

export const packageName = 'ringbuf.js'
let loaded: Package | undefined

/** To be called before anything else on each thread; rejects where the package is not installed. */
export async function loadRingbuf(): Promise<void> {
  loaded = await import(packageName) as Package
}

const open = (buffer: SharedArrayBuffer): RingBuffer => new (loaded as Package).RingBuffer(buffer, Int32Array)

export const ringbuf: Transport<SharedArrayBuffer> = {
  /** Two indices, the elements, and one that stays free. */
  create: ({ words, capacity }) => new SharedArrayBuffer(8 + 4 * (words * capacity + 1)),
  produce(buffer, { words, batch }) {
    const ring = open(buffer)
    const records = new Int32Array(words * batch)
    const pushAll = (length: number): void => {
      for (let pushed = 0, looks = 0; pushed < length;) {
        const took = ring.push(records, length - pushed, pushed)
        looks = took === 0 ? stepAside(looks) : 0
        pushed += took
      }
    }
    return (count, ends) => {
      for (let done = 0; done < count;) {
        const left = count - done
        const wanted = left < batch ? left : batch
        for (let n = 0; n < wanted; n++) writeRecord(records, n * words, words, ++done)
        pushAll(wanted * words)
      }
      if (!ends) return
      records.fill(0)
      pushAll(words)
    }
  },
  consume(buffer, { words, batch }) {
    const ring = open(buffer)
    const records = new Int32Array(words * batch)
    return (ends) => {
      let sum = 0
      let looks = 0
      let held = 0
      while (ends > 0) {
        const got = ring.pop(records, words * batch - held, held)
        looks = got === 0 ? stepAside(looks) : 0
        held += got
        const whole = held - held % words
        for (let at = 0; at < whole; at += words) {
          if (records[at] === 0) ends--
          sum = (sum + readRecord(records, at, words)) | 0
        }
        if (whole > 0) records.copyWithin(0, whole, held)
        held -= whole
      }
      return sum
    }
  },
}
