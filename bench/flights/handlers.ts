/**
 * Handlers of the run bench that cost about 0, 1, 5 and 20 µs per row. Loaded by percore, by one thread and by piscina alike.
 * Any thread.
 *
 * The invariant: the same row gives the same output in every subject.
 */
import { spin } from '../handlers.js'

const perUs = Number(process.env['PERCORE_BENCH_ITERATIONS_PER_US'] ?? 0)

/** About 0 µs: what remains is splitting, parsing and serialising. */
export const copy = (row: unknown): unknown => row

export const spin1us = (row: unknown): unknown => spinThen(row, 1)
export const spin5us = (row: unknown): unknown => spinThen(row, 5)
export const spin20us = (row: unknown): unknown => spinThen(row, 20)

let sink = 0

function spinThen(row: unknown, us: number): unknown {
  sink ^= spin(Math.round(us * perUs))
  return sink === 0.5 ? sink : row
}
