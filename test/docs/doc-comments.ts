/**
 * Reads the examples of doc comments: every fenced `ts` block below an `@example`. Each is a whole program; the one whose first
 * line is a comment with a file's name, `// handlers.ts`, is that file and lies beside all the others.
 */
import { isCode, type Program, type ProgramFile } from './program.js'

const fileComment = /^\/\/ (\S+)$/

/** The blocks of one source file, in order. */
function blocksOf(text: string): { line: number; code: string }[] {
  const blocks: { line: number; code: string }[] = []
  const lines = text.split('\n').map((line) => /^\s*\* ?(.*)$/.exec(line)?.[1])
  let inExample = false
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]
    if (line === undefined || line === '/') inExample = false
    else if (line.startsWith('@')) inExample = line.startsWith('@example')
    else if (inExample && line === '```ts') {
      const from = i + 1
      while (lines[++i] !== '```') if (lines[i] === undefined) throw new Error(`the example at line ${from} has no end`)
      blocks.push({ line: from + 1, code: lines.slice(from, i).join('\n') })
    }
  }
  return blocks
}

/** The programs of all these source files. */
export function readExamples(sources: readonly { readonly origin: string; readonly text: string }[]): Program[] {
  const blocks = sources.flatMap(({ origin, text }) => blocksOf(text).map((block) => ({ origin, ...block, name: nameOf(block.code) })))
  const beside = blocks.filter(({ name }) => name !== undefined) as readonly ({ origin: string } & ProgramFile)[]
  return blocks.map(({ origin, line, code, name = 'example.ts' }) => {
    const inherited = beside.filter((file) => file.name !== name).map((file) => ({ ...file, inherited: true }))
    return { origin, line, files: [...inherited, { name, line, code }], steps: [{ kind: 'node', line, file: name }] }
  })
}

function nameOf(code: string): string | undefined {
  const name = fileComment.exec(code.split('\n', 1)[0])?.[1]
  return name !== undefined && isCode(name) ? name : undefined
}
