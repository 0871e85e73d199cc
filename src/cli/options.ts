/** The values of options: what is a number, a policy, a style. Each refuses what it cannot use in a sentence that says what it can. */
import { InvalidArgumentError } from 'commander'

/** What happens when a row fails. */
export type ErrorPolicy =
  | { readonly kind: 'fail' | 'skip' }
  | { readonly kind: 'dead-letter', readonly file: string }

export function wholeNumber(min: number, max: number, note = ''): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}${note}.`)
  }
}

export function errorPolicy(text: string): ErrorPolicy {
  if (text === 'fail' || text === 'skip') return { kind: text }
  const file = /^dead-letter:(.+)$/s.exec(text)?.[1]
  if (file !== undefined) return { kind: 'dead-letter', file }
  throw new InvalidArgumentError('Give fail, skip or dead-letter:FILE.')
}
