/** Options as a program passes them. Pure; any thread. */
import { PercoreError } from './errors.js'

/** Refuses what is no object, and options of it that there are not. Throws ERR_PERCORE_INVALID_OPTION with those there are. */
export function checkNames(whose: string, options: unknown, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `the options of ${whose} must be an object, not ${String(options)}.`)
  }
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw new PercoreError('ERR_PERCORE_INVALID_OPTION', `${whose} has no option '${name}'. There are: ${names.join(', ')}.`)
  }
}
