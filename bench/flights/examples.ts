/**
 * Finds the flights example: its data set and its handler. A package installed without the examples has neither. Parent process only.
 *
 * The invariant: absence is an answer, not an error.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

type DataModule = typeof import('../../examples/flights/data.js')
type PathsModule = typeof import('../../examples/flights/paths.js')

const example = (file: string): URL => new URL(`../../examples/flights/${file}`, import.meta.url)

/** The handlers module of the example, if it is here. */
export const flightsHandlers: string | undefined = existsSync(example('handlers.js')) ? fileURLToPath(example('handlers.js')) : undefined

/** The name of its handler. */
export const flightsHandler = 'features'

/** The example's data file, made if need be (once, some 10 seconds); undefined if the example is not here. */
export async function ensureFlightsFile(): Promise<string | undefined> {
  if (flightsHandlers === undefined) return undefined
  const data = await import(example('data.js').href) as DataModule
  const paths = await import(example('paths.js').href) as PathsModule
  await data.ensureFlights()
  return paths.flightsFile
}
