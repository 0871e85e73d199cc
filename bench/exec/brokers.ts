/**
 * Ways to keep a message for a while and then be done with it: percore's executor and what one would use instead. The thread that measures.
 *
 * The invariant: each message owns 128 bytes from `take` until it is done, and is done once, not before its time.
 */
import { type Coroutine, Exec, type StateBlock } from '../../src/exec/index.js'
import type { Contender } from '../harness/contract.js'

export const messageBytes = 128

/** Handles messages. */
export interface Broker {
  /** Takes message `n`, to be done `lifeMs` from now. */
  readonly take: (n: number) => void
  /** Does what is due; called every millisecond. */
  readonly turn: () => void
}

export const brokers: readonly Contender[] = [
  { subject: 'percore', params: { task: 'function' } },
  { subject: 'percore', params: { task: 'coroutine' } },
  { subject: 'setTimeout' },
  { subject: 'async-function' },
  { subject: 'effect-fiber', needs: 'effect' },
]

/** Told the number of a message that is done, and its state: where it lies, and from which word on. */
export type Done = (n: number, state: Int32Array, start?: number) => void

/** The broker of that subject. */
export async function brokerOf(subject: string, kind: string, lifeMs: number, live: number, done: Done): Promise<Broker> {
  const state = (): Int32Array => new Int32Array(messageBytes / 4)
  switch (subject) {
    case 'percore': return percore(kind, lifeMs, live, done)
    case 'setTimeout': return { take: (n) => { setTimeout(done, lifeMs, n, state()) }, turn: nothing }
    case 'async-function': return {
      take: (n) => { void (async (own) => {
        await new Promise((resolve) => { setTimeout(resolve, lifeMs) })
        done(n, own)
      })(state()) },
      turn: nothing,
    }
    default: {
      const name = 'effect'
      const { Effect } = await import(name) as { Effect: { sleep(ms: number): object, map(effect: object, fn: () => void): object, runFork(effect: object): void } }
      return {
        take: (n) => {
          const own = state()
          Effect.runFork(Effect.map(Effect.sleep(lifeMs), () => done(n, own)))
        },
        turn: nothing,
      }
    }
  }
}

function percore(kind: string, lifeMs: number, live: number, done: Done): Broker {
  const exec = new Exec({ tasksMax: 16 * live })
  const turn = (): void => { exec.turn(1000) }
  if (kind === 'coroutine') {
    const { state } = exec
    const handle = function* (n: number, block: StateBlock): Coroutine<void> {
      yield* exec.sleep(lifeMs)
      done(n, state.words(block), state.start(block))
    }
    return { take: (n) => { exec.spawnWith(messageBytes, handle, n) }, turn }
  }
  // Messages are used again, so that nothing is garbage.
  const pool: Message[] = []
  const finish = (message: Message): void => {
    done(message.n, message.state)
    pool.push(message)
  }
  return {
    take: (n) => {
      const message = pool.pop() ?? { n, state: new Int32Array(messageBytes / 4) }
      message.n = n
      exec.after(lifeMs, finish, message)
    },
    turn,
  }
}

interface Message { n: number; readonly state: Int32Array }

function nothing(): void {}
