/**
 * Explores the interleavings of real code. `explore` runs a scenario under every schedule with at most so many preemptions
 * (depth first, by re-execution, as in CHESS: Musuvathi and Qadeer, 2007), and then under seeded random ones. Main thread of a
 * test; one explorer serves many scenarios, one at a time.
 *
 * A failing schedule is part of the message. To replay it alone: PERCORE_SCHEDULE='<scenario>@<schedule>' npm test -- explore
 */
import { Worker } from 'node:worker_threads'
import { createPrng, type Words, wordsOf } from '../../src/base/index.js'
import {
  at, choose, controlWords, currentThread, chosenOption, defaultOption, director, enabledMask, errorByteAt, isEnded, maxThreads,
  noteAt, notesMax, of, optionCost, optionsMax, optionsNow, outcome, parseSchedule, prefixOption, showSchedule, status, stepsMax, threadAt,
} from './control.js'
import { Races, raceWords } from './races.js'
import type { Scenario } from './scenario.js'
import type { ThreadData } from './thread.js'
import { awaitTurn, giveTurn, seatOf } from './turnstile.js'

export interface Exploration {
  /** How often a schedule may take the turn from a thread that could go on, or let a sleep time out early. */
  readonly preemptions: number
  /** Random schedules after the exhaustive ones. */
  readonly random?: number
  readonly seed?: number
  /** Gives up the exhaustive part with an error when it has more schedules than this. Default 100,000. */
  readonly schedulesMax?: number
}

export interface Findings {
  readonly schedules: number
  /** Decisions in the longest schedule. */
  readonly longest: number
  readonly failure?: { readonly schedule: string; readonly message: string }
}

interface Decision { readonly mask: number; chosen: number; readonly rest: number[]; readonly spent: number }

/** Generous: a shared machine may stand still for many seconds. */
const hungMs = 120_000

export class Explorer {
  readonly #scenarios: Record<string, Scenario>
  readonly #workers: readonly Worker[]
  readonly #c: Int32Array
  readonly #words: Words
  readonly #clocks: Int32Array
  readonly #bytes: Uint8Array

  private constructor(scenarios: Record<string, Scenario>, workers: readonly Worker[], buffers: Omit<ThreadData, 'module' | 'seat'>) {
    this.#scenarios = scenarios
    this.#workers = workers
    this.#c = new Int32Array(buffers.control)
    this.#words = wordsOf(buffers.memory)
    this.#clocks = new Int32Array(buffers.clocks)
    this.#bytes = new Uint8Array(buffers.control)
  }

  /** Starts the threads. The module exports `scenarios: Record<string, Scenario>`. */
  static async open(module: URL): Promise<Explorer> {
    const { scenarios } = await import(module.href) as { scenarios: Record<string, Scenario> }
    const words = Math.max(...Object.values(scenarios).map((scenario) => scenario.words))
    const threads = Math.max(...Object.values(scenarios).map((scenario) => scenario.threads.length))
    if (threads > maxThreads) throw new Error(`a scenario has ${threads} threads; at most ${maxThreads} are possible`)
    const buffers = {
      control: new SharedArrayBuffer(controlWords * 4),
      memory: new SharedArrayBuffer(words * 4),
      clocks: new SharedArrayBuffer(raceWords(words) * 4),
    }
    const workers = Array.from({ length: threads }, (_, seat) => {
      const workerData: ThreadData = { module: module.href, seat, ...buffers }
      return new Worker(new URL('./thread.js', import.meta.url), { workerData })
    })
    await Promise.all(workers.map((worker) => new Promise((resolve, reject) => worker.once('online', resolve).once('error', reject))))
    return new Explorer(scenarios, workers, buffers)
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }

  /** Runs one scenario under many schedules; stops at the first that fails. */
  explore(name: string, { preemptions, random = 0, seed = 1, schedulesMax = 100_000 }: Exploration): Findings {
    const [replayed, replay] = process.env.PERCORE_SCHEDULE?.split('@') ?? []
    if (replay !== undefined && replayed === name) return this.replay(name, replay)
    const path: Decision[] = []
    let schedules = 0
    let longest = 0
    const failed = (prefix: readonly number[], randomState: number): Findings | undefined => {
      const message = this.#run(name, prefix, randomState)
      schedules++
      longest = Math.max(longest, this.#c[at.trace])
      return message === undefined ? undefined : { schedules, longest, failure: { schedule: this.#schedule(name), message } }
    }
    do {
      const findings = failed(path.map((decision) => decision.chosen), 0)
      if (findings !== undefined) return findings
      if (schedules > schedulesMax) throw new Error(`${name} has more than ${schedulesMax} schedules with ${preemptions} preemptions`)
      this.#extend(path, preemptions)
    } while (backtrack(path))

    const prng = createPrng(seed)
    for (let i = 0; i < random; i++) {
      const findings = failed([], prng.next() | 0)
      if (findings !== undefined) return findings
    }
    return { schedules, longest }
  }

  /** Runs one schedule, as printed by a failure. */
  replay(name: string, schedule: string): Findings {
    const message = this.#run(name, parseSchedule(schedule.slice(schedule.indexOf('@') + 1)), 0)
    const longest = this.#c[at.trace]
    if (message === undefined) return { schedules: 1, longest }
    return { schedules: 1, longest, failure: { schedule: this.#schedule(name), message } }
  }

  #schedule(name: string): string {
    return `${name}@${showSchedule(Array.from({ length: this.#c[at.trace] }, (_, step) => this.#c[chosenOption(step)] ?? 0))}`
  }

  /** Adds the decisions that the last run made beyond the path, each with the alternatives that the bound allows. */
  #extend(path: Decision[], preemptions: number): void {
    const c = this.#c
    const last = path.at(-1)
    let spent = last === undefined ? 0 : last.spent + optionCost(last.chosen, last.mask, c[currentThread(path.length - 1)])
    for (let step = 0; step < path.length; step++) {
      if (c[enabledMask(step)] !== path[step]?.mask) throw new Error(`the scenario is not deterministic: decision ${step} has changed`)
    }
    for (let step = path.length; step < c[at.trace]; step++) {
      const mask = c[enabledMask(step)]
      const current = c[currentThread(step)]
      const chosen = c[chosenOption(step)]
      const rest: number[] = []
      for (let option = 0; option < optionsMax; option++) {
        if ((mask & (1 << option)) === 0 || option === defaultOption(mask, current)) continue
        if (spent + optionCost(option, mask, current) <= preemptions) rest.push(option)
      }
      path.push({ mask, chosen, rest, spent })
      spent += optionCost(chosen, mask, current)
    }
  }

  /** Runs one schedule from set-up to check; says what was wrong, or undefined. */
  #run(name: string, prefix: readonly number[], random: number): string | undefined {
    const scenario = this.#scenarios[name]
    if (scenario === undefined) throw new Error(`no scenario is called ${name}: ${Object.keys(this.#scenarios).join(', ')}`)
    const c = this.#c
    this.#words.i32.fill(0, 0, scenario.words)
    scenario.setup?.(this.#words)
    Races.reset(this.#clocks, scenario.hints?.map((word) => [word, this.#words.i32[word]]))
    for (let t = 0; t < maxThreads; t++) for (const word of Object.values(of)) c[threadAt(t) + word] = 0
    c[at.scenario] = Object.keys(this.#scenarios).indexOf(name)
    c[at.threads] = scenario.threads.length
    c[at.mortal] = (scenario.mortal ?? []).reduce((mask, thread) => mask | (1 << thread), 0)
    for (const [step, option] of prefix.entries()) c[prefixOption(step)] = option
    c[at.prefix] = prefix.length
    c[at.trace] = 0
    c[at.moves] = 0
    c[at.outcome] = outcome.running
    c[at.died] = -1
    c[at.aborting] = 0
    c[at.random] = random
    this.#play(seatOf(c, choose(c, optionsNow(c, director), director)), name)
    const how = this.#c[at.outcome]
    const where = Array.from({ length: c[at.threads] }, (_, t) => this.#whereIs(t))
    this.#abort(name)
    if (how === outcome.threw) return this.#thrown()
    if (how === outcome.tooLong) return `no end after ${stepsMax} decisions: ${where.join(', ')}`
    if (how === outcome.stuck) return `stuck: ${where.join(', ')}`
    try {
      const notes = Array.from({ length: c[at.threads] }, (_, t) =>
        Array.from({ length: Math.min(c[threadAt(t) + of.notes], notesMax) }, (_, index) => c[noteAt(t, index)] ?? 0))
      scenario.check({ words: this.#words, notes, died: c[at.died] })
    } catch (error) {
      return String(error)
    }
    return undefined
  }

  #play(seat: number, name: string): void {
    giveTurn(this.#c, seat)
    if (!awaitTurn(this.#c, director, hungMs)) {
      throw new Error(`${this.#schedule(name)}: a thread ran for ${hungMs / 1000} s without reaching a point`)
    }
  }

  /** Unwinds the threads that have not ended. */
  #abort(name: string): void {
    this.#c[at.aborting] = 1
    for (let t = 0; t < this.#c[at.threads]; t++) if (!isEnded(this.#c, t)) this.#play(t, name)
  }

  #whereIs(thread: number): string {
    const is = this.#c[threadAt(thread) + of.status]
    const name = Object.entries(status).find(([, value]) => value === is)?.[0]
    const target = this.#c[threadAt(thread) + of.target]
    const sleeps = is === status.waiting || is === status.timed || is === status.receiving
    return `thread ${thread} is ${name}${sleeps ? ` at word ${target}` : ''}`
  }

  #thrown(): string {
    for (let t = 0; t < maxThreads; t++) {
      const length = this.#c[threadAt(t) + of.error]
      if (length > 0) return `thread ${t} threw ${new TextDecoder().decode(this.#bytes.slice(errorByteAt(t), errorByteAt(t) + length))}`
    }
    return 'a thread threw'
  }
}

/** Turns to the next schedule: the last decision that has an alternative left takes it. False when all have been taken. */
function backtrack(path: Decision[]): boolean {
  for (;;) {
    const last = path.at(-1)
    if (last === undefined) return false
    const option = last.rest.pop()
    if (option !== undefined) {
      last.chosen = option
      return true
    }
    path.pop()
  }
}
