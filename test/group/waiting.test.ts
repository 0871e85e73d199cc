import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { anyWorker, type Call, makeCall } from '../../src/group/call.js'
import { WaitingLines } from '../../src/group/waiting.js'

/** One that waits: its number is its value. */
interface Waiting {
  readonly number: number
  readonly kind: 'plain' | 'any' | 'exempt' | 'worker 0' | 'worker 1'
  readonly high: boolean
}

const kind = fc.constantFrom<Waiting['kind']>('plain', 'plain', 'any', 'exempt', 'worker 0', 'worker 1')
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('push' as const), kind, high: fc.boolean(), times: fc.integer({ min: 1, max: 40 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('admit' as const), credits: fc.tuple(fc.nat(30), fc.nat(30)) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('take all' as const) }) },
  ),
  { maxLength: 30 },
)

/** The lines as one would write them who does not count the cost: one list, looked through from the start. */
class Model {
  list: Waiting[] = []

  admit(credits: number[]): [worker: number, number: number][] {
    const admitted: [number, number][] = []
    for (const high of [true, false]) {
      for (const waiting of this.list.filter((each) => each.high === high)) {
        const worker = waiting.kind.startsWith('worker') ? Number(waiting.kind.slice(-1)) : credits.findIndex((count) => count > 0)
        if (worker < 0 || credits[worker] === 0) continue
        credits[worker]--
        admitted.push([worker, waiting.number])
        this.list = this.list.filter((each) => each !== waiting)
      }
    }
    return admitted
  }

  drop(): number | undefined {
    const isLimited = (each: Waiting): boolean => each.kind !== 'exempt'
    const dropped = this.list.find((each) => isLimited(each) && !each.high) ?? this.list.find(isLimited)
    this.list = this.list.filter((each) => each !== dropped)
    return dropped?.number
  }
}

function push(lines: WaitingLines, { number, kind, high }: Waiting): void {
  if (kind === 'plain' && !high && lines.tryPushPlain(0, number, nobody, undefined)) return
  const call = makeCall(0, number, nobody, undefined, { high, exempt: kind === 'exempt' })
  call.worker = kind.startsWith('worker') ? Number(kind.slice(-1)) : anyWorker
  lines.push(call)
}

function admit(lines: WaitingLines, credits: number[]): [worker: number, number: number][] {
  const admitted: [number, number][] = []
  const place = (): number => credits.findIndex((count) => count > 0)
  const take = (worker: number, value: unknown): void => {
    credits[worker]--
    admitted.push([worker, value as number])
  }
  lines.admit({
    place,
    placePlain: place,
    hasRoom: (worker) => credits[worker] > 0,
    submit: (worker, call) => take(worker, call.value),
    submitPlain: (worker, _, value) => take(worker, value),
  })
  return admitted
}

/** What each worker is given is in order; it is nobody's business which of two workers was given something first. */
function byWorker(admitted: readonly [worker: number, number: number][]): number[][] {
  return [0, 1].map((wanted) => admitted.filter(([worker]) => worker === wanted).map(([, number]) => number))
}

function nobody(): void {}

test('calls are let in as they came, with options or without, of either priority, for any worker or for one', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const lines = new WaitingLines()
      const model = new Model()
      let number = 0
      for (const step of all) {
        if (step.do === 'push') {
          for (let i = 0; i < step.times; i++) {
            const waiting = { number: number++, kind: step.kind, high: step.high }
            push(lines, waiting)
            model.list.push(waiting)
          }
        } else if (step.do === 'admit') assert.deepEqual(byWorker(admit(lines, [...step.credits])), byWorker(model.admit([...step.credits])))
        else if (step.do === 'drop') assert.equal((lines.removeOldest() as Call | undefined)?.value, model.drop())
        else assert.deepEqual(lines.takeAll().map((call) => call.value), model.list.splice(0).map((each) => each.number))
        assert.equal(lines.length, model.list.length)
        assert.equal(lines.limited, model.list.filter((each) => each.kind !== 'exempt').length)
      }
    }),
    { numRuns: 1000 },
  )
})

test('a line of more calls than lie in one array keeps its order', () => {
  const lines = new WaitingLines()
  const order = Array.from({ length: 5000 }, (_, number) => number)
  for (const number of order) push(lines, { number, kind: 'plain', high: false })
  const admitted: number[] = []
  while (lines.length > 0) {
    const taken = admit(lines, [700, 0])
    assert.ok(taken.length > 0)
    admitted.push(...taken.map(([, number]) => number))
  }
  assert.deepEqual(admitted, order)
})
