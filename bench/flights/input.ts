/**
 * The file the run bench reads: the first rows of the flights data set where the project's examples are at hand, rows of the
 * same shape otherwise. Parent process only.
 *
 * The invariant: the file has exactly the rows that were asked for, each ended by a newline.
 */
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { createPrng } from '../../src/base/index.js'

const airports = ['SFO', 'LAX', 'JFK', 'ORD', 'ATL', 'DFW', 'DEN', 'SEA', 'MIA', 'BOS', 'PHX', 'MSP', 'DTW', 'SLC', 'MCO', 'MDW']

/** Copies the first rows of `source`, or makes rows up when there is none. Returns how many were written. */
export async function writeInput(file: string, rows: number, source: string | undefined): Promise<number> {
  const out = createWriteStream(file)
  let written = 0
  let pending = ''
  for await (const line of source === undefined ? madeUpRows(rows) : createInterface({ input: createReadStream(source) })) {
    pending += `${line}\n`
    if (pending.length > 65_536) {
      if (!out.write(pending)) await once(out, 'drain')
      pending = ''
    }
    if (++written === rows) break
  }
  out.end(pending)
  await once(out, 'close')
  return written
}

function* madeUpRows(rows: number): Generator<string> {
  const random = createPrng(2001)
  for (let i = 0; i < rows; i++) {
    const minute = Math.floor(i * 525_600 / rows)
    const date = new Date(Date.UTC(2001, 0, 1, 0, minute)).toISOString().slice(0, 16).replace('T', ' ').replaceAll('-', '/')
    const [origin, destination] = [airports[random.below(16)], airports[random.below(16)]]
    yield JSON.stringify({ date, delay: random.below(240) - 30, distance: 100 + random.below(2600), origin, destination })
  }
}
