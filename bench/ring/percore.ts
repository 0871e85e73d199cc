/**
 * percore's rings as subjects: written and read in place, and by copy. Every thread of the bench.
 *
 * The invariant: the kind of ring is the least that the topology needs.
 */
import { MpmcRing, MpscRing, type Ring, type RingHandle, SpscRing } from '../../src/ring/index.js'
import { readRecord, type Shape, type Transport, writeRecord } from './transport.js'

/** Spinning before blocking, in milliseconds: as long as a wake-up takes, or hardly at all. */
const spinMsOf = ({ shortOfCores }: Shape): number => shortOfCores ? 0.002 : 0.02

function create({ words: recordWords, capacity, lanes, consumers }: Shape): Ring {
  if (consumers > 1) return MpmcRing.create({ capacity, recordWords, producers: lanes, consumers })
  return lanes > 1 ? MpscRing.create({ capacity, recordWords, producers: lanes }) : SpscRing.create({ capacity, recordWords })
}

function attach(handle: RingHandle, { lanes, consumers }: Shape): Ring {
  if (consumers > 1) return MpmcRing.attach(handle)
  return lanes > 1 ? MpscRing.attach(handle) : SpscRing.attach(handle)
}

export const inPlace: Transport<RingHandle> = {
  create: (shape) => create(shape).handle,
  produce(handle, shape, index) {
    const { words, batch } = shape
    const spinMs = spinMsOf(shape)
    const producer = attach(handle, shape).producer(index)
    const { i32 } = producer
    return (count, ends) => {
      let done = 0
      while (done < count) {
        const left = count - done
        const room = producer.claim(left < batch ? left : batch)
        if (room === 0) {
          if (!producer.spin(spinMs)) producer.block()
          continue
        }
        if (room === 1) writeRecord(i32, producer.slot(), words, ++done)
        else for (let n = 0; n < room;) {
          const end = n + producer.run(room, n)
          for (let slot = producer.slot(n); n < end; n++, slot += words) writeRecord(i32, slot, words, ++done)
        }
        producer.publish(room)
      }
      if (!ends) return
      while (!producer.push(new Int32Array(words))) producer.block()
    }
  },
  consume(handle, shape, index) {
    const { words, batch, consumers } = shape
    const spinMs = spinMsOf(shape)
    const consumer = attach(handle, shape).consumer(index)
    const { i32 } = consumer
    const shared = consumers > 1
    return (ends) => {
      let sum = 0
      while (ends > 0) {
        const ready = consumer.peek(batch)
        if (ready === 0) {
          if (!consumer.spin(spinMs)) consumer.block()
          continue
        }
        let ended = 0
        let read = 0
        if (ready === 1) {
          const slot = consumer.slot()
          if (i32[slot] === 0) ended++
          read = readRecord(i32, slot, words)
        } else for (let n = 0; n < ready;) {
          const end = n + consumer.run(ready, n)
          for (let slot = consumer.slot(n); n < end; n++, slot += words) {
            if (i32[slot] === 0) ended++
            read = (read + readRecord(i32, slot, words)) | 0
          }
        }
        if (!consumer.release(ready) && shared) continue
        sum = (sum + read) | 0
        ends -= ended
      }
      return sum
    }
  },
}

export const byCopy: Transport<RingHandle> = {
  create: inPlace.create,
  produce(handle, shape, index) {
    const { words, batch } = shape
    const spinMs = spinMsOf(shape)
    const producer = attach(handle, shape).producer(index)
    const records = new Int32Array(words * batch)
    return (count, ends) => {
      let done = 0
      while (done < count) {
        const left = count - done
        const wanted = left < batch ? left : batch
        for (let n = 0; n < wanted; n++) writeRecord(records, n * words, words, done + n + 1)
        let pushed = 0
        while (pushed < wanted) {
          const took = producer.pushBurst(records, wanted - pushed, pushed * words)
          if (took === 0 && !producer.spin(spinMs)) producer.block()
          pushed += took
        }
        done += wanted
      }
      if (!ends) return
      while (!producer.push(new Int32Array(words))) producer.block()
    }
  },
  consume(handle, shape, index) {
    const { words, batch } = shape
    const spinMs = spinMsOf(shape)
    const consumer = attach(handle, shape).consumer(index)
    const records = new Int32Array(words * batch)
    return (ends) => {
      let sum = 0
      while (ends > 0) {
        const got = consumer.popBurst(records, batch)
        if (got === 0 && !consumer.spin(spinMs)) consumer.block()
        for (let at = 0; at < got * words; at += words) {
          if (records[at] === 0) ends--
          sum = (sum + readRecord(records, at, words)) | 0
        }
      }
      return sum
    }
  },
}

/** What the ready mask is measured against: a ring for each producer, and a consumer that looks at every one of them. */
export const everyLane: Transport<readonly RingHandle[]> = {
  create: (shape) => Array.from({ length: shape.lanes }, () => create({ ...shape, lanes: 1 }).handle),
  produce: (handles, shape, index) => inPlace.produce(handles[index]!, { ...shape, lanes: 1 }, 0),
  consume(handles, { words, batch }) {
    const consumers = handles.map((handle) => SpscRing.attach(handle).consumer())
    return (ends) => {
      let sum = 0
      let idle = 0
      for (let lane = 0; ends > 0; lane = lane + 1 === consumers.length ? 0 : lane + 1) {
        const consumer = consumers[lane]!
        const { i32 } = consumer
        const ready = consumer.peek(batch)
        if (ready === 0) {
          // It cannot sleep behind many bells at once, and so it naps when a whole round was in vain.
          if (++idle > 20 * consumers.length) idle = consumer.block(0.02) ? 0 : 0
          continue
        }
        idle = 0
        for (let n = 0; n < ready; n++) {
          const slot = consumer.slot(n)
          if (i32[slot] === 0) ends--
          sum = (sum + readRecord(i32, slot, words)) | 0
        }
        consumer.release(ready)
      }
      return sum
    }
  },
}
