/**
 * The designs that percore's rings were measured against and that a dying producer stops: one tail for all, reserved and then published in
 * turn, and a sequence number in each slot. Every thread of the bench.
 *
 * The invariant: each is written as its field writes it, and waits as the others do.
 */
import { readRecord, stepAside, type Transport, writeRecord } from './transport.js'

/** Each on lines of its own. */
const HEAD = 0
const RESERVED = 32
const PUBLISHED = 64
const SLOTS = 96

/** DPDK's ring with many producers and one consumer: whoever has reserved publishes when those before him have. */
export const tailSpin: Transport<Int32Array> = {
  create: ({ words, capacity }) => new Int32Array(new SharedArrayBuffer(4 * (SLOTS + words * capacity))),
  produce(ring, { words, capacity, batch }) {
    const mask = capacity - 1
    const push = (count: number, first: number): number => {
      for (;;) {
        const from = Atomics.load(ring, RESERVED)
        const room = capacity - ((from - Atomics.load(ring, HEAD)) | 0)
        const take = room < count ? room : count
        if (take === 0) return 0
        if (Atomics.compareExchange(ring, RESERVED, from, (from + take) | 0) !== from) continue
        for (let n = 0; n < take; n++) writeRecord(ring, SLOTS + ((from + n) & mask) * words, words, first === 0 ? 0 : first + n)
        for (let looks = 0; Atomics.load(ring, PUBLISHED) !== from;) looks = stepAside(looks)
        Atomics.store(ring, PUBLISHED, (from + take) | 0)
        return take
      }
    }
    return pushing(batch, push)
  },
  consume(ring, { words, capacity, batch }) {
    const mask = capacity - 1
    return (ends) => {
      let head = Atomics.load(ring, HEAD)
      let sum = 0
      let looks = 0
      while (ends > 0) {
        const there = (Atomics.load(ring, PUBLISHED) - head) | 0
        const ready = there < batch ? there : batch
        looks = ready === 0 ? stepAside(looks) : 0
        for (let n = 0; n < ready; n++) {
          const slot = SLOTS + ((head + n) & mask) * words
          if (ring[slot] === 0) ends--
          sum = (sum + readRecord(ring, slot, words)) | 0
        }
        if (ready === 0) continue
        head = (head + ready) | 0
        Atomics.store(ring, HEAD, head)
      }
      return sum
    }
  },
}

/** Vyukov's bounded queue: a slot is free, or full, for a position when its sequence number says so. One consumer takes in batches. */
export const slotSequence: Transport<Int32Array> = {
  create({ words, capacity }) {
    const ring = new Int32Array(new SharedArrayBuffer(4 * (SLOTS + (words + 1) * capacity)))
    for (let slot = 0; slot < capacity; slot++) ring[SLOTS + slot * (words + 1)] = slot
    return ring
  },
  produce(ring, { words, capacity, batch }) {
    const mask = capacity - 1
    const stride = words + 1
    const push = (count: number, first: number): number => {
      let wanted = count
      for (;;) {
        const from = Atomics.load(ring, RESERVED)
        // Slots are given back in order, or nearly so: if the last one is free the others are about to be.
        const last = (from + wanted - 1) | 0
        const ahead = (Atomics.load(ring, SLOTS + (last & mask) * stride) - last) | 0
        if (ahead < 0) {
          if (wanted === 1) return 0
          wanted >>= 1
          continue
        }
        if (ahead > 0 || Atomics.compareExchange(ring, RESERVED, from, (from + wanted) | 0) !== from) continue
        for (let n = 0; n < wanted; n++) {
          const position = (from + n) | 0
          const slot = SLOTS + (position & mask) * stride
          for (let looks = 0; Atomics.load(ring, slot) !== position;) looks = stepAside(looks)
          writeRecord(ring, slot + 1, words, first === 0 ? 0 : first + n)
          Atomics.store(ring, slot, (position + 1) | 0)
        }
        return wanted
      }
    }
    return pushing(batch, push)
  },
  consume(ring, { words, capacity, consumers }) {
    const mask = capacity - 1
    const stride = words + 1
    const alone = consumers === 1
    return (ends) => {
      let sum = 0
      let looks = 0
      let head = Atomics.load(ring, HEAD)
      while (ends > 0) {
        if (!alone) head = Atomics.load(ring, HEAD)
        const slot = SLOTS + (head & mask) * stride
        const ahead = (Atomics.load(ring, slot) - head - 1) | 0
        if (ahead !== 0) {
          if (ahead < 0) looks = stepAside(looks)
          continue
        }
        looks = 0
        if (!alone && Atomics.compareExchange(ring, HEAD, head, (head + 1) | 0) !== head) continue
        if (ring[slot + 1] === 0) ends--
        sum = (sum + readRecord(ring, slot + 1, words)) | 0
        Atomics.store(ring, slot, (head + capacity) | 0)
        head = (head + 1) | 0
      }
      if (alone) Atomics.store(ring, HEAD, head)
      return sum
    }
  },
}

/** Pushes in batches, and waits when there is no room; the last record, numbered 0, alone. */
function pushing(batch: number, push: (count: number, first: number) => number): (count: number, ends: boolean) => void {
  return (count, ends) => {
    let looks = 0
    for (let done = 0; done < count;) {
      const left = count - done
      const took = push(left < batch ? left : batch, done + 1)
      looks = took === 0 ? stepAside(looks) : 0
      done += took
    }
    if (ends) while (push(1, 0) === 0) looks = stepAside(looks)
  }
}
