#!/usr/bin/env node
/** The command line. Commands are loaded when they are used, so that help is instant. Main thread. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { exitCodes, report } from './exit.js'

const packageJson = new URL('../../../package.json', import.meta.url)

async function main(args: readonly string[]): Promise<void> {
  const { version } = JSON.parse(readFileSync(packageJson, 'utf8')) as { version: string }
  const program = new Command('percore')
    .description('A thread-per-core runtime for JavaScript: run handlers on every core.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .configureHelp({ showGlobalOptions: false })
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'percore: ')) })
    .exitOverride()

  for (const [name, { description, load }] of Object.entries(commands)) {
    const command = args[0] === name ? await load() : new Command(name).description(description)
    program.addCommand(command.copyInheritedSettings(program).exitOverride())
  }
  await program.parseAsync(args, { from: 'user' })
}

const commands: Readonly<Record<string, { readonly description: string, load(): Promise<Command> }>> = {
  run: {
    description: 'run a handler on every row of a file',
    load: async () => (await import('./run.js')).runCommand(),
  },
  bench: {
    description: 'measure percore and its rivals on this machine',
    load: async () => (await import('./bench.js')).benchCommand(),
  },
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage
  else process.exitCode = report(error)
}
