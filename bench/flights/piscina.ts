/**
 * The main job through piscina, in order, by batches of lines: the workers parse, run and serialise; the window keeps both of
 * them busy. A whole process: `node piscina.js HANDLERS NAME INPUT OUTPUT WORKERS BATCH`.
 *
 * The invariant: results are written in the order of the rows.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import { LineWriter } from './line-writer.js'

const windowRows = 4096
const [module = '', name = '', input = '', output = '', workers = '2', batch = '1'] = process.argv.slice(2)
const batchRows = Number(batch)
const pool = new Piscina({
  filename: fileURLToPath(new URL('./piscina-worker.js', import.meta.url)),
  minThreads: Number(workers),
  maxThreads: Number(workers),
  workerData: { module, name },
})
const writer = new LineWriter(output)
const window: Promise<string>[] = []
let lines: string[] = []

for await (const line of createInterface({ input: createReadStream(input), crlfDelay: Infinity })) {
  if (lines.push(line) === batchRows) await submit()
}
if (lines.length > 0) await submit()
while (window.length > 0) await writeOldest()
await writer.close()
await pool.destroy()

async function submit(): Promise<void> {
  const result = pool.run(lines) as Promise<string>
  // The handler for a failure is attached late, when its turn to be written comes; until then it is not unhandled.
  result.catch(() => undefined)
  window.push(result)
  lines = []
  if (window.length * batchRows >= windowRows) await writeOldest()
}

async function writeOldest(): Promise<void> {
  const text = await window.shift()
  if (text !== undefined) await writer.write(text)
}
