/**
 * What the readers of pages and of doc comments find, and the workshop runs: programs, each in a folder of its own. Types only.
 *
 * Invariant: line N of a code file is line N of the text it stands in, so whatever names a line names the reader's.
 */

/** One file of a program, as it is written. */
export interface ProgramFile {
  readonly name: string
  /** Where its first line stands in the origin; 1-based. */
  readonly line: number
  readonly code: string
  /** Given earlier on the same page, and checked there. */
  readonly inherited?: boolean
}

/** One thing the reader does in the folder, in the order of the text. */
export type Step =
  | { readonly kind: 'node'; readonly line: number; readonly file: string }
  | { readonly kind: 'sh'; readonly line: number; readonly code: string; readonly prints?: string }

export interface Program {
  /** The text it stands in, relative to the package's root. */
  readonly origin: string
  readonly line: number
  readonly files: readonly ProgramFile[]
  readonly steps: readonly Step[]
}

/** Whether a file is code, and so padded to stand at its lines, and run when nothing else in its program is. */
export function isCode(name: string): boolean {
  return /\.(ts|mts|js|mjs)$/.test(name)
}

/** The steps of a program that says none: its `main`, or else every file of its own, so that at least it loads. */
export function defaultSteps(files: readonly ProgramFile[]): Step[] {
  const own = files.filter((file) => !file.inherited && isCode(file.name))
  const main = own.filter((file) => file.name.startsWith('main.'))
  return (main.length > 0 ? main : own).map(({ line, name }) => ({ kind: 'node', line, file: name }))
}
