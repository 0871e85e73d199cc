/**
 * Reads the programs of a Markdown page. A reader follows the page from top to bottom, and so does this:
 *
 * - `<!-- file: NAME -->` before a fenced block: the block is that file.
 * - A file named `main.*` is run by node, where it stands.
 * - `<!-- run -->` before a block: its lines are run by sh in the folder of the files above it.
 * - `<!-- prints -->` before a block, after a run: what that printed on stdout. `…` stands for any text.
 * - A name that comes again begins a new program, which has the page's other files too, except `main.*`.
 * - `<!-- not run: WHY -->` before a block of code: it is only shown. Code with none of these marks is an error.
 */
import { defaultSteps, isCode, type Program, type ProgramFile, type Step } from './program.js'

interface Block {
  readonly mark: string
  readonly language: string
  readonly line: number
  readonly code: string
}

/** What a page holds; `unmarked` are the lines of code blocks that are neither run nor said not to be. */
export interface Page {
  readonly programs: readonly Program[]
  readonly unmarked: readonly number[]
}

const code = new Set(['ts', 'js', 'mjs', 'typescript', 'javascript'])

export function readPage(origin: string, text: string): Page {
  const programs: Program[] = []
  const unmarked: number[] = []
  let files: ProgramFile[] = []
  let steps: Step[] = []

  function end(): void {
    const own = files.filter((file) => !file.inherited)
    const line = own[0]?.line ?? steps[0]?.line
    if (line === undefined) return
    programs.push({ origin, line, files, steps: steps.length > 0 ? steps : defaultSteps(files) })
  }

  for (const { mark, language, line, code: content } of blocksOf(text)) {
    const name = /^file: (\S+)$/.exec(mark)?.[1]
    const last = steps.at(-1)
    if (name !== undefined) {
      if (files.some((file) => file.name === name && !file.inherited)) {
        end()
        files = files.filter((file) => !file.name.startsWith('main.')).map((file) => ({ ...file, inherited: true }))
        steps = []
      }
      files = [...files.filter((file) => file.name !== name), { name, line, code: content }]
      if (name.startsWith('main.') && isCode(name)) steps.push({ kind: 'node', line, file: name })
    } else if (mark === 'run') {
      steps.push({ kind: 'sh', line, code: content })
    } else if (mark === 'prints' && last?.kind === 'sh') {
      steps[steps.length - 1] = { ...last, prints: content }
    } else if (mark === 'prints' || (code.has(language) && !mark.startsWith('not run: '))) {
      unmarked.push(line)
    }
  }
  end()
  return { programs, unmarked }
}

/** The fenced blocks of a page, each with the comment on the last line of text before it. */
function* blocksOf(text: string): Generator<Block> {
  const lines = text.split('\n')
  let before = ''
  for (let i = 0; i < lines.length; i++) {
    const fence = /^(\s*)(`{3,})(\S*)/.exec(lines[i])
    if (fence === null) {
      if (lines[i].trim() !== '') before = lines[i].trim()
      continue
    }
    const [, indent, ticks, language] = fence
    const from = i + 1
    while (++i < lines.length && lines[i].trim() !== ticks);
    const content = lines.slice(from, i).map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line))
    yield { mark: /^<!-- (.+) -->$/.exec(before)?.[1] ?? '', language, line: from + 1, code: content.join('\n') }
    before = ''
  }
}
