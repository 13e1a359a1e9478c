import { z } from 'zod'
import { MoietyError } from '../base/errors.ts'
import { configSchema } from './schema.ts'
import {
  bare,
  child,
  choicesOf,
  describeSchema,
  keysOf,
  nearest,
  type Path,
  schemaAt,
  showPath,
  showValue,
} from './shape.ts'

/** One thing wrong in a configuration. */
export interface Mistake {
  readonly path: Path
  readonly message: string
  readonly help?: string | undefined
}

const listed = 8

/**
 * The error that tells all mistakes found in `source`, the first ones at length.
 *
 * @param what - what has them
 */
export function configError(
  mistakes: readonly Mistake[],
  source: string,
  what = 'the configuration',
): MoietyError {
  const [first] = mistakes
  if (first !== undefined && mistakes.length === 1) {
    const where = first.path.length === 0 ? source : `${showPath(first.path)} in ${source}`
    return new MoietyError({
      kind: 'usage',
      message: first.message,
      where,
      ...(first.help === undefined ? {} : { help: first.help }),
    })
  }
  const lines = mistakes.slice(0, listed).map(({ path, message, help }) => {
    const place = path.length === 0 ? '' : `${showPath(path)}: `
    return `  - ${place}${message}${help === undefined ? '' : ` (${help})`}`
  })
  const more = mistakes.length > listed ? [`  - and ${mistakes.length - listed} more`] : []
  return new MoietyError({
    kind: 'usage',
    message: `${what} has ${mistakes.length} mistakes:`,
    details: [...lines, ...more],
    where: source,
  })
}

/** What zod found, said in the words of this configuration. */
export function explainIssues(issues: readonly z.core.$ZodIssue[], input: unknown): Mistake[] {
  const mistakes = issues.flatMap(issue => {
    const path = issue.path.map(key => (typeof key === 'symbol' ? String(key) : key))
    if (issue.code === 'unrecognized_keys') return issue.keys.map(key => unknownKey(path, key, input))
    // Of a gate that is given as an object, what is wrong in it.
    const inner = issue.code === 'invalid_union' ? issue.errors.at(-1) : undefined
    if (inner !== undefined && typeof path.reduce(child, input) === 'object')
      return explainIssues(
        inner.map(one => ({ ...one, path: [...issue.path, ...one.path] })),
        input,
      )
    return [wrongValue(path, input)]
  })
  // A value may break several checks of its key; one sentence covers them.
  return [...new Map(mistakes.map(mistake => [showPath(mistake.path), mistake])).values()]
}

/** The mistake of a key that is not in the schema, with the nearest one that is. */
export function unknownKey(path: Path, key: string, input: unknown): Mistake {
  const value = path.reduce(child, input)
  const schema = path.length === 0 ? configSchema() : schemaAt(path, input)
  const known = schema === undefined ? [] : keysOf(schema, value)
  const guess = nearest(key, known)
  const chosen = child(value, 'name')
  const owner = path.length === 0 ? 'the configuration' : showPath(path)
  const form = typeof chosen === 'string' && schema !== undefined && choicesOf(schema).length > 0
  return {
    path: [...path, key],
    message: `${owner}${form ? ` with name ${showValue(chosen)}` : ''} has no key ${showValue(key)}`,
    help:
      guess === undefined
        ? `its keys are ${known.join(', ')}`
        : `did you mean ${showPath([...path, guess])}?`,
  }
}

function wrongValue(path: Path, input: unknown): Mistake {
  const value = path.reduce(child, input)
  if (path.length === 0)
    return { path, message: `a configuration is an object, but here is ${showValue(value)}` }
  const schema = schemaAt(path, input)
  if (schema === undefined) return { path, message: `${showValue(value)} cannot stand here` }
  const parent = path.slice(0, -1)
  const parentSchema = schemaAt(parent, input)
  const choices = path.at(-1) === 'name' && parentSchema !== undefined ? choicesOf(parentSchema) : []
  if (choices.length > 0) return wrongChoice(path, value, choices)
  const description = isEmptyChoice(schema)
    ? 'load the file that defines it by --use FILE, or by "use" in the recipe'
    : descriptionOf(schema)
  if (typeof value === 'string' && choicesOf(schema).includes(value))
    return {
      path,
      message: `expected an object with the name ${showValue(value)}, came the name alone`,
      help: `set ${showPath([...path, 'name'])} to ${showValue(value)}`,
    }
  const guess = typeof value === 'string' ? nearest(value, optionsOf(schema)) : undefined
  return {
    path,
    message: `expected ${describeSchema(schema)}, came ${showValue(value)}`,
    help: guess === undefined ? description : `did you mean ${showValue(guess)}?`,
  }
}

function wrongChoice(path: Path, value: unknown, choices: readonly string[]): Mistake {
  const guess = typeof value === 'string' ? nearest(value, choices) : undefined
  return {
    path,
    message: `expected one of ${choices.join(', ')}, came ${showValue(value)}`,
    help: guess === undefined ? decides(path, value, choices) : `did you mean ${showValue(guess)}?`,
  }
}

function decides(path: Path, value: unknown, [choice]: readonly string[]): string {
  const place = showPath(path)
  return value === undefined
    ? `set it too, for example to ${choice}: ${place} decides which other keys there are`
    : 'take one of these; one of your own is loaded by --use FILE'
}

/** A choice of components of which none comes with Moiety and none is loaded. */
function isEmptyChoice(schema: z.core.$ZodType): boolean {
  return schema instanceof z.ZodEnum && schema.options.length === 0
}

function optionsOf(schema: z.core.$ZodType): string[] {
  const { schema: inner } = bare(schema)
  if (inner instanceof z.ZodUnion) return inner.options.flatMap(optionsOf)
  const words = 'options' in inner && Array.isArray(inner.options) ? inner.options : []
  return words.filter(word => typeof word === 'string')
}

function descriptionOf(schema: z.core.$ZodType): string | undefined {
  return 'description' in schema && typeof schema.description === 'string' ? schema.description : undefined
}
