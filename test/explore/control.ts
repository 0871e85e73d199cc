/**
 * The shared words behind an exploration: whose turn it is, what each thread waits for, the schedule to follow and the trace of
 * what was done. Written only by the one who holds the turn, so plain accesses do, except for the turn itself.
 *
 * A schedule is a sequence of options, one for every point at which more than one thing could happen next.
 */
export const maxThreads = 4
/** The explorer's own seat at the turnstile. */
export const director = 4

export const status = { ready: 0, waiting: 1, timed: 2, paused: 3, joining: 4, receiving: 5, ended: 6, killed: 7 } as const
export const outcome = { running: 0, ended: 1, stuck: 2, tooLong: 3, threw: 4 } as const

const line = 16
/** Single words. Below them is the turn: a line for each seat, 1 when the turn is given to it. */
export const at = {
  scenario: 80,
  threads: 81,
  mortal: 82,
  prefix: 83,
  trace: 84,
  outcome: 85,
  died: 86,
  aborting: 87,
  random: 88,
  moves: 89,
} as const
const threadsAt = 96
/** Words of each thread. `target` is the word or thread it waits for. */
export const of = { status: 0, target: 1, timedOut: 2, writes: 3, seen: 4, notes: 5, error: 6 } as const
export const stepsMax = 2000
/** Moves include those where nothing else could happen. */
const movesMax = 20_000
export const notesMax = 256
export const errorBytesMax = 4096
const prefixAt = threadsAt + maxThreads * line
const chosenAt = prefixAt + stepsMax
const enabledAt = chosenAt + stepsMax
const currentAt = enabledAt + stepsMax
const notesAt = currentAt + stepsMax
const errorsAt = notesAt + maxThreads * notesMax
export const controlWords: number = errorsAt + (maxThreads * errorBytesMax) / 4

/** An option is a small number: run thread t, let the sleep of t time out, kill t, or tell it old news. Masks of options have a bit for each. */
export const timeOut = 8
export const kill = 16
export const stale = 20
export const optionsMax: number = stale + maxThreads
const anyRun = 0xff
const anyLife = 0xffff
const letters = '0123----tuvw----klmnopqr'

export const showSchedule = (options: readonly number[]): string => options.map((option) => letters[option]).join('')
export const parseSchedule = (text: string): number[] => [...text].map((letter) => letters.indexOf(letter))

export const threadAt = (thread: number): number => threadsAt + thread * line
export const noteAt = (thread: number, index: number): number => notesAt + thread * notesMax + index
export const errorByteAt = (thread: number): number => (errorsAt * 4) + thread * errorBytesMax
export const prefixOption = (step: number): number => prefixAt + step
export const chosenOption = (step: number): number => chosenAt + step
export const enabledMask = (step: number): number => enabledAt + step
export const currentThread = (step: number): number => currentAt + step

export const isEnded = (c: Int32Array, thread: number): boolean => c[threadAt(thread) + of.status] >= status.ended

/** Writes by all other threads so far: what a paused thread waits for. */
export function writesOfOthers(c: Int32Array, thread: number): number {
  let sum = 0
  for (let t = 0; t < c[at.threads]; t++) if (t !== thread) sum += c[threadAt(t) + of.writes]
  return sum
}

/** Everything that could happen next. A thread can be killed only where it has just arrived: later is the same as then. */
export function optionsNow(c: Int32Array, current: number): number {
  let mask = 0
  for (let t = 0; t < c[at.threads]; t++) {
    const base = threadAt(t)
    switch (c[base + of.status]) {
      case status.ready:
        mask |= 1 << t
        break
      case status.paused:
        if (writesOfOthers(c, t) !== c[base + of.seen]) mask |= 1 << t
        break
      case status.joining:
        if (isEnded(c, c[base + of.target])) mask |= 1 << t
        break
      case status.timed:
        mask |= 1 << (timeOut + t)
        break
      default:
    }
  }
  return mask | killOption(c, current)
}

/** The option to kill this thread, as a mask: 0 if it is immortal, or one death has happened already. */
export function killOption(c: Int32Array, thread: number): number {
  const mayDie = thread < maxThreads && (c[at.mortal] & (1 << thread)) !== 0 && c[at.died] < 0 && !isEnded(c, thread)
  return mayDie ? 1 << (kill + thread) : 0
}

/** The option taken where the schedule says nothing: go on, else the first that can, and time passes only when nobody can. */
export function defaultOption(mask: number, current: number): number {
  if ((mask & (1 << current)) !== 0) return current
  return 31 - Math.clz32(mask & -mask)
}

/** The next thread in turn that could run instead of this one; -1 when none could. */
export function nextRunnable(c: Int32Array, current: number): number {
  const mask = optionsNow(c, current)
  for (let i = 1; i < maxThreads; i++) {
    const thread = (current + i) % maxThreads
    if ((mask & (1 << thread)) !== 0) return thread
  }
  return -1
}

/** What an option costs: a forced switch, an early time-out or old news is one preemption, all else is free. */
export function optionCost(option: number, mask: number, current: number): number {
  if (option >= stale) return 1
  if (option >= kill) return 0
  if (option >= timeOut) return (mask & anyRun) === 0 ? 0 : 1
  return option !== current && (mask & (1 << current)) !== 0 ? 1 : 0
}

/** Decides what happens next and writes it into the trace; -1 when nothing can: all have ended, or are stuck. */
export function choose(c: Int32Array, mask: number, current: number): number {
  if ((mask & anyLife) === 0) {
    let ended = true
    for (let t = 0; t < c[at.threads]; t++) ended &&= isEnded(c, t)
    c[at.outcome] = ended ? outcome.ended : outcome.stuck
    return -1
  }
  const step = c[at.trace]
  if (c[at.moves]++ === movesMax || step === stepsMax) {
    c[at.outcome] = outcome.tooLong
    return -1
  }
  if ((mask & (mask - 1)) === 0) return defaultOption(mask, current)
  let option = step < c[at.prefix] ? c[prefixOption(step)] : defaultOption(mask, current)
  if (step >= c[at.prefix] && c[at.random] !== 0) option = randomOption(c, mask, option)
  c[chosenOption(step)] = option
  c[enabledMask(step)] = mask
  c[currentThread(step)] = current
  c[at.trace] = step + 1
  return option
}

/** Half of the time another option than the default; deaths and early time-outs more rarely. The generator is xorshift32. */
function randomOption(c: Int32Array, mask: number, usual: number): number {
  let x = c[at.random]
  x ^= x << 13
  x ^= x >>> 17
  x ^= x << 5
  c[at.random] = x
  const option = (x >>> 8) % (mask < 1 << stale ? stale : optionsMax)
  const rare = option >= timeOut && (x & 0x70) !== 0
  return (x & 0x80) !== 0 && (mask & (1 << option)) !== 0 && !rare ? option : usual
}
