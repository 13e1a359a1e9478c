import { fail } from '../base/errors.ts'

/** Results go to stdout, here; everything else goes to stderr. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** A result as JSON, for programs. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2))
}

/** Collects an option that may be given several times. */
export function collect(value: string, before: readonly string[]): string[] {
  return [...before, value]
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
