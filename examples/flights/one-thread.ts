/** The same job as people write it without percore: one thread, one line at a time. `node one-thread.js INPUT OUTPUT` */
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { features, type Flight } from './handlers.js'

const [input = '', output = ''] = process.argv.slice(2)
const out = createWriteStream(output)
for await (const line of createInterface({ input: createReadStream(input), crlfDelay: Infinity })) {
  const row = JSON.parse(line) as Flight
  if (!out.write(`${JSON.stringify(features(row))}\n`)) await once(out, 'drain')
}
out.end()
await once(out, 'close')
