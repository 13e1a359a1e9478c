import { Option } from 'commander'
import { fail } from '../base/errors.ts'
import { terminal, visibleJson } from '../base/escaping.ts'
import { encodeLine } from '../run/metrics-line.ts'

/** Results go to stdout, here; everything else goes to stderr. */
export function print(text: string): void {
  process.stdout.write(`${terminal(text)}\n`)
}

/** A line on stderr. */
export function say(text: string): void {
  process.stderr.write(`${terminal(text)}\n`)
}

/** A result as JSON, for programs. */
export function printJson(value: unknown): void {
  print(visibleJson(value, 2))
}

/** A value as JSON on one line of stdout, of a stream of them; NaN and infinity are null, see {@link encodeLine}. */
export function printJsonLine(value: object): void {
  print(encodeLine(value))
}

/** An option that may be given several times; an empty list when it is not given. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, `${description}; again for more`)
    .argParser((value: string, before: readonly string[]) => [...before, value])
    .default([], 'none')
}

/** Refuses a word after a command that has commands below it and is none of them. */
export function refuseWord(command: string, word: string | undefined, known: readonly string[]): void {
  if (word === undefined) return
  fail({
    kind: 'usage',
    message: `\`moiety ${command}\` has no "${word}"`,
    help: `did you mean \`moiety ${command} ${known.join('` or `')}\`?`,
  })
}
