/**
 * Where the workers' entry is: beside this file, wherever that went. A bundler that swallows percore leaves it behind, unless it
 * is told to make it an entry of its own. Runs on the group's thread.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PercoreError } from '../base/index.js'

let found: URL | undefined

/** The URL of the workers' entry. Throws ERR_PERCORE_WORKER_START when a bundler has left it behind. */
export function workerEntry(): URL {
  return found ??= beside() ?? installed() ?? lost()
}

function beside(): URL | undefined {
  try {
    const url = new URL('./worker.js', import.meta.url)
    return existsSync(fileURLToPath(url)) ? url : undefined
  } catch {
    return undefined // a bundle in CommonJS has no import.meta.url
  }
}

function installed(): URL | undefined {
  try {
    return new URL(import.meta.resolve('percore/worker'))
  } catch {
    return undefined
  }
}

function lost(): never {
  throw new PercoreError(
    'ERR_PERCORE_WORKER_START',
    "percore's worker is not beside the bundle. Mark percore as external, or bundle 'percore/worker' as an entry named 'worker' into the same folder, as ES modules.",
  )
}
