/**
 * What an example says it prints, and whether it did.
 *
 * The rule: `// TEXT` behind a `console.log(…)` on the same line is what that line printed, all of its prints joined by `, `. Runs of
 * white space count as one space, so an object that node prints over several lines fits; `…` stands for any text; `// e.g. TEXT`
 * only says that something is printed. A line that says nothing may print anything.
 */
import type { ProgramFile } from './program.js'

/** `path:line` to everything that line printed, in order. */
export type Printed = ReadonlyMap<string, readonly string[]>

const saying = /\bconsole\.log\(.*\)[\s;)}]*\s\/\/ (.+)$/

/** Whether `printed` is what was said. */
export function isAsSaid(said: string, printed: string): boolean {
  if (said.startsWith('e.g. ')) return printed !== ''
  const parts = squeeze(said).split('…').map((part) => part.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(squeeze(printed))
}

/** One complaint for each line of the file, which lies at `path`, that printed something other than it says. */
export function complaints(file: ProgramFile, path: string, printed: Printed): string[] {
  return file.code.split('\n').flatMap((text, i) => {
    const said = saying.exec(text)?.[1]
    if (said === undefined) return []
    const at = `${path}:${file.line + i}`
    const did = printed.get(at)
    if (did === undefined) return [`${at}: says '${said}', but never printed anything`]
    return isAsSaid(said, did.join(', ')) ? [] : [`${at}: says '${said}', but printed '${squeeze(did.join(', '))}'`]
  })
}

export function parseNotes(text: string): Printed {
  const printed = new Map<string, string[]>()
  for (const line of text.split('\n').filter(Boolean)) {
    const note = JSON.parse(line) as { at: string; text: string }
    const texts = printed.get(note.at)
    if (texts === undefined) printed.set(note.at, [note.text])
    else texts.push(note.text)
  }
  return printed
}

function squeeze(text: string): string {
  return text.trim().replace(/\s+/g, ' ')
}
