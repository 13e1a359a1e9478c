import { visible } from './escaping.ts'

/** Exit codes of the command line; an error knows which one it ends the process with. */
export const exitCodes = {
  usage: 2,
  data: 3,
  diverged: 4,
  disk: 5,
} as const

/** What kind of thing went wrong; determines the exit code. */
export type ErrorKind = keyof typeof exitCodes

/** The parts of a {@link MoietyError}: what was expected, what was found, where, and what to do. */
export interface ErrorFacts {
  readonly kind: ErrorKind
  /** One sentence: what was expected and what was found. */
  readonly message: string
  /** Further lines below the message, such as a list of differences. */
  readonly details?: readonly string[]
  /** Where: a configuration path, a file with byte or record, a tensor's name. */
  readonly where?: string
  /** One line: what to do. */
  readonly help?: string
  readonly cause?: unknown
}

const brand: unique symbol = Symbol.for('moiety.error')

/** The only error that Moiety throws on purpose. Anything else that surfaces is a bug in Moiety. */
export class MoietyError extends Error {
  readonly kind: ErrorKind
  readonly where: string | undefined
  readonly help: string | undefined
  readonly #lines: readonly string[]

  constructor(facts: ErrorFacts) {
    const lines = [facts.message, ...(facts.details ?? [])]
    super(lines.join('\n'), facts.cause === undefined ? undefined : { cause: facts.cause })
    this.name = 'MoietyError'
    this.kind = facts.kind
    this.#lines = lines
    this.where = facts.where
    this.help = facts.help
  }

  /** Errors of another copy of this code count: components that `--use` loads import the package, and the command line is a bundle. */
  static override [Symbol.hasInstance](value: unknown): value is MoietyError {
    return typeof value === 'object' && value !== null && brand in value
  }

  get [brand](): true {
    return true
  }

  get exitCode(): number {
    return exitCodes[this.kind]
  }

  /** The error as text for a terminal; names are escaped, so they can neither start a line nor hide a character. */
  describe(): string {
    const place = this.where === undefined ? '' : `\n  at ${visible(this.where)}`
    const help = this.help === undefined ? '' : `\n  help: ${visible(this.help)}`
    return `error: ${this.#lines.map(visible).join('\n')}${place}${help}`
  }
}

/** Throws a {@link MoietyError} built from `facts`; an expression, so that it can follow `??`. */
export function fail(facts: ErrorFacts): never {
  throw new MoietyError(facts)
}
