/**
 * One thread of larson: gets ready, waits for its turn in its line of succession, replaces blocks, and leaves them to the next. Or it has
 * its line to itself, and passes its blocks to a living neighbour all the while. Worker thread.
 *
 * The invariant: only one thread at a time touches a table of blocks; a record is pooled before the next in line begins.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { attachHeap } from '../../src/memory/index.js'
import { replaceRandomIn } from './larson-loops.js'
import { L_ENDED, L_STATE, L_TURN, LINE_WORDS, type LarsonThread } from './larson.js'
import { takeCore } from './own-core.js'
import { seedOf, warmUp } from './loops.js'

const { handle, lines, ops, stop, tables, tableLength, line, turn, opsPerThread, chunk, sizes, passedOn } = workerData as LarsonThread
/** V8 needs about that long until the rare paths of the heap are optimised too. */
const warmUpOps = Math.min(3_000_000, opsPerThread)
const isLast = turn < 0
const myTurn = isLast ? -1 - turn : turn
const base = line * LINE_WORDS
takeCore(line)
const heap = attachHeap(handle)
const bytes = new Uint8Array(handle.buffer)
/** Which table is mine, and each of them; the blocks of mine are worked on in `table`. */
let mine = line
const all = Array.from({ length: tables.length / tableLength }, (_, at) => tables.subarray(at * tableLength, (at + 1) * tableLength))
const table = new Int32Array(tableLength)
const replaceRandom = replaceRandomIn(heap, bytes, table, sizes)

parentPort?.once('message', (rehearsal: Int32Array) => {
  rehearse(rehearsal)
  parentPort?.postMessage('ready')
  for (let seen = turnNow(); seen !== myTurn && Atomics.load(stop, 0) === 0; seen = turnNow()) {
    Atomics.wait(lines, base + L_TURN, seen, 1000)
  }
  if (turnNow() === myTurn) run()
  // Tearing V8 down is not part of the measurement.
  Atomics.wait(stop, 0, 0)
})
parentPort?.postMessage('attached')

function turnNow(): number {
  return Atomics.load(lines, base + L_TURN)
}

function run(): void {
  let x = lines[base + L_STATE]!
  let done = 0
  const limit = isLast ? Infinity : opsPerThread
  table.set(all[mine]!)
  while (done < limit && Atomics.load(stop, 0) === 0) {
    x = replaceRandom(x, chunk)
    done += chunk
    if (passedOn === undefined) continue
    all[mine]!.set(table)
    mine = Atomics.exchange(passedOn, 0, mine)
    table.set(all[mine]!)
  }
  all[mine]!.set(table)
  lines[base + L_STATE] = x
  ops[line]! += done
  heap.detach()
  if (isLast || Atomics.load(stop, 0) !== 0) {
    Atomics.store(lines, base + L_ENDED, 1)
    Atomics.notify(lines, base + L_ENDED)
  } else {
    Atomics.store(lines, base + L_TURN, myTurn + 1)
    Atomics.notify(lines, base + L_TURN)
  }
}

/** With blocks that, as in earnest, a thread that is gone has left; afterwards its record is as good as new. */
function rehearse(rehearsal: Int32Array): void {
  table.set(rehearsal)
  warmUp(replaceRandom, seedOf(1, myTurn), warmUpOps)
  for (const block of table) heap.free(block as ReturnType<typeof heap.malloc>)
  heap.trim()
}
