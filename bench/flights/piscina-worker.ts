/** A worker of the main job through piscina: a batch of lines in, their results as text out. Worker thread. */
import { workerData } from 'piscina'
import { loadHandler } from './load-handler.js'

const { module, name } = workerData as { module: string, name: string }
const handler = await loadHandler(module, name)

export default function runBatch(lines: readonly string[]): string {
  let text = ''
  for (const line of lines) {
    const result = handler(JSON.parse(line))
    if (result !== null && result !== undefined) text += `${JSON.stringify(result)}\n`
  }
  return text
}
