import type { Argument, Command, Option } from 'commander'
import { commandLine } from '../src/cli/commands.ts'

/** `docs/reference/cli.md`: every command with its arguments and options, written from the program that reads them. */
const opening = `# Command line

<!-- Written by \`npm run docs:update\` from the commands in src/cli. -->

\`npx moiety COMMAND\`. Results are on stdout, progress and errors on stderr; [exit codes](exit-codes.md) say how a command ended.
`

/** The whole page, in Markdown. */
export function cliReference(): string {
  const program = commandLine()
  const everywhere = options('## Options of every command', [...program.options, help(program)])
  return [opening, everywhere, ...program.commands.flatMap(command => sections(command, '', 2))].join('\n')
}

/** @param above - the names of the commands above, each with a space after it */
function sections(command: Command, above: string, level: number): string[] {
  const name = above + command.name()
  const marks = '#'.repeat(level)
  const usage = [`moiety ${name}`, command.usage().replace(/^\[options\] ?/, '')].join(' ').trim()
  const parts = [
    `${marks} ${name}\n`,
    `${prose(command.description())}\n`,
    `\`\`\`text\n${usage}\n\`\`\`\n`,
    table('argument', command.registeredArguments.map(argumentRow)),
    table('option', command.options.filter(option => !option.hidden).map(optionRow)),
    textAfter(command),
  ]
  return [
    parts.filter(part => part !== '').join('\n'),
    ...command.commands.flatMap(below => sections(below, `${name} `, level + 1)),
  ]
}

function options(heading: string, all: readonly Option[]): string {
  return `${heading}\n\n${table('option', all.map(optionRow))}`
}

/** Commander makes the option of help by itself. */
function help(command: Command): Option {
  return command.createOption('-h, --help', 'explain a command')
}

const argumentRow = (argument: Argument): [string, string] => [argument.name(), argument.description]

function optionRow({ flags, description, defaultValue, defaultValueDescription }: Option): [string, string] {
  const usual = defaultValueDescription ?? (typeof defaultValue === 'boolean' ? undefined : defaultValue)
  const isTold = usual === undefined || (Array.isArray(usual) && usual.length === 0)
  return [flags, isTold ? description : `${description} (default: ${usual})`]
}

function table(kind: string, rows: readonly (readonly [string, string])[]): string {
  if (rows.length === 0) return ''
  const lines = rows.map(([name, meaning]) => `| \`${cell(name)}\` | ${prose(cell(meaning))} |`)
  return [`| ${kind} | |`, '|---|---|', ...lines, ''].join('\n')
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

/** Words like `<file>` are no HTML. */
const prose = (text: string): string =>
  text
    .split(/(`[^`]*`)/)
    .map((part, i) => (i % 2 === 1 ? part : part.replaceAll('<', '&lt;').replaceAll('*', '\\*')))
    .join('')

/** What a command's help has below its options: examples and explanations. */
function textAfter(command: Command): string {
  let text = ''
  command.configureOutput({
    writeOut: written => {
      text += written
    },
  })
  command.outputHelp()
  const own = text.slice(command.helpInformation().length).trim()
  return own === '' ? '' : `\`\`\`text\n${own}\n\`\`\`\n`
}
