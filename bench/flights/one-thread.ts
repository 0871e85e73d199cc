/**
 * The main job without any pool, as most people would write it: `for await` over lines, JSON.parse, handler, JSON.stringify,
 * write. A whole process: `node one-thread.js HANDLERS NAME INPUT OUTPUT [tuned]`; tuned gathers the rows to chunks before writing.
 *
 * The invariant: its output is what every other subject must reproduce byte for byte.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { chunkChars, LineWriter } from './line-writer.js'
import { loadHandler } from './load-handler.js'

const [module = '', name = '', input = '', output = '', tuned = ''] = process.argv.slice(2)
const handler = await loadHandler(module, name)
const writer = new LineWriter(output, tuned === 'tuned' ? chunkChars : 0)
for await (const line of createInterface({ input: createReadStream(input), crlfDelay: Infinity })) {
  const result = handler(JSON.parse(line))
  if (result === null || result === undefined) continue
  const drained = writer.write(`${JSON.stringify(result)}\n`)
  if (drained !== undefined) await drained
}
await writer.close()
