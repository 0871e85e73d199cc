/**
 * Loaded before an example, in its main thread and its workers: notes which line of it printed what with `console.log`, in the
 * file named by PERCORE_EXAMPLE_NOTES. Prints all the same.
 */
import { appendFileSync } from 'node:fs'
import { format } from 'node:util'

const notes = process.env['PERCORE_EXAMPLE_NOTES']
const log = console.log

/** `path:line` of the statement that called `console.log`. */
function callSite(): string {
  const caller = new Error('where').stack?.split('\n')[3] ?? ''
  return /((?:file:\/\/)?\/[^()]*?:\d+):\d+\)?$/.exec(caller)?.[1].replace('file://', '') ?? caller
}

if (notes !== undefined) {
  console.log = (...values: unknown[]): void => {
    appendFileSync(notes, `${JSON.stringify({ at: callSite(), text: format(...values) })}\n`)
    log(...values)
  }
}
