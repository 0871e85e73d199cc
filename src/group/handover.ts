/**
 * Keys that change their worker, because workers have come or gone: what is called for them waits until the worker before has ended all it had of
 * them. On the group's thread.
 *
 * Invariant: tasks of one part of the keys (see balance.ts) are in flight on one worker at most. Whoever calls for a part that is being handed over
 * waits in a line of that part's own, first come first served, which nobody is let in from.
 *
 * ```
 *  workers change ─▶ parts are dealt anew ─▶ a part whose tasks are in flight elsewhere than at its owner is handed over: its calls wait
 *                                            the last of these tasks has ended, by whatever way ─▶ its calls go to the owner, in order
 * ```
 *
 * Cost: nothing for tasks without a key; two words of this thread's memory for each that has one.
 */
import type { Keys } from './balance.js'
import { workersMax } from './fabric.js'
import type { TaskSlab } from './slab.js'

/** The lines of parts are named behind those of the workers. */
const firstLine = workersMax
const noPart = -1

interface Left {
  readonly task: number
  readonly generation: number
}

export interface HandoverParts {
  readonly slab: TaskSlab
  /** The keys of this group, once there are any. */
  readonly keys: () => Keys | undefined
  /** Lane w and lane w + `workers` are those to worker w. */
  readonly workers: number
  /** How many task indices there can be. */
  readonly tasksMax: number
}

export class Handover {
  readonly #parts: HandoverParts
  /** Of each task: the part of its key, of which there are 4096, and its generation then; made when first needed. */
  #keyed: { readonly parts: Int16Array, readonly generations: Int32Array } | undefined
  /** The parts that are being handed over, and what the workers before still have of them. */
  readonly #open = new Map<number, Left[]>()

  constructor(parts: HandoverParts) {
    this.#parts = parts
  }

  /** Some part is being handed over. */
  get isOpen(): boolean {
    return this.#open.size > 0
  }

  /** A task was pushed: of that part of the keys, or of none (−1). */
  note(task: number, part: number): void {
    if (part === noPart && this.#keyed === undefined) return
    const { tasksMax, slab } = this.#parts
    this.#keyed ??= { parts: new Int16Array(tasksMax), generations: new Int32Array(tasksMax).fill(-1) }
    this.#keyed.parts[task] = part
    this.#keyed.generations[task] = slab.generations[task << 2]
  }

  /** The line in which calls for a part wait; undefined when they need not. */
  lineOf(part: number): number | undefined {
    return this.#open.size > 0 && this.#open.has(part) ? firstLine + part : undefined
  }

  /** Whether that is a part's line, and not a worker. */
  static isLine(worker: number): boolean {
    return worker >= firstLine
  }

  /** Workers have come or gone. False when that concerns no keys. */
  deal(): boolean {
    const { slab, workers } = this.#parts
    const keys = this.#parts.keys()
    if (keys === undefined) return false
    keys.deal()
    this.#open.clear()
    for (let lane = 0; lane < 2 * workers; lane++) {
      for (const { task } of slab.heldBy(lane)) {
        const part = this.#partOf(task)
        if (part === noPart || keys.owners[part] === lane % workers) continue
        const left = this.#open.get(part)
        const one = { task, generation: slab.generations[task << 2] }
        if (left === undefined) this.#open.set(part, [one])
        else left.push(one)
      }
    }
    return true
  }

  /** Ends what can be ended; the lines whose calls may go on. */
  over(): number[] {
    const { generations } = this.#parts.slab
    const lines: number[] = []
    for (const [part, left] of this.#open) {
      for (let last = left.at(-1); last !== undefined && generations[last.task << 2] !== last.generation; last = left.at(-1)) left.pop()
      if (left.length > 0) continue
      this.#open.delete(part)
      lines.push(firstLine + part)
    }
    return lines
  }

  #partOf(task: number): number {
    const keyed = this.#keyed
    return keyed !== undefined && keyed.generations[task] === this.#parts.slab.generations[task << 2] ? keyed.parts[task] : noPart
  }
}
