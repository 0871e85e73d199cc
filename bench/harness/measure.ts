/**
 * The entry of every child process of `percore bench`: takes one job as JSON in its only argument, measures it once, prints
 * one JSON line and exits. Main thread of a fresh process.
 *
 * The invariant: exit code 0 if and only if the line was printed.
 */
import { writeSync } from 'node:fs'
import type { Bench } from './contract.js'
import type { ChildSpec } from './child.js'

const spec = JSON.parse(process.argv[2] ?? '') as ChildSpec
const { bench } = await import(spec.module) as { bench: Bench }
const readings = await bench.measure(spec)
writeSync(1, `${JSON.stringify({ readings })}\n`)
// A rival that leaves a thread or a timer behind must not hold up the next measurement.
process.exit(0)
