/**
 * The main job without any pool, as most people would write it: `for await` over lines, JSON.parse, handler, JSON.stringify,
 * write. A whole process: `node one-thread.js HANDLERS NAME INPUT OUTPUT`.
 *
 * The invariant: its output is what every other subject must reproduce byte for byte.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { LineWriter } from './line-writer.js'
import { loadHandler } from './load-handler.js'

const [module = '', name = '', input = '', output = ''] = process.argv.slice(2)
const handler = await loadHandler(module, name)
const writer = new LineWriter(output)
for await (const line of createInterface({ input: createReadStream(input), crlfDelay: Infinity })) {
  const result = handler(JSON.parse(line))
  if (result === null || result === undefined) continue
  const drained = writer.write(`${JSON.stringify(result)}\n`)
  if (drained !== undefined) await drained
}
await writer.close()
