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
try {
  const { bench } = await import(spec.module) as { bench: Bench }
  writeSync(1, `${JSON.stringify({ readings: await bench.measure(spec) })}\n`)
  // A rival that leaves a thread or a timer behind must not hold up the next measurement.
  process.exit(0)
} catch (error) {
  const [message, where] = (error instanceof Error && error.stack || String(error)).split(/\n {4}at /)
  writeSync(2, where === undefined ? `${message}\n` : `${message} (${where})\n`)
  process.exit(1)
}
