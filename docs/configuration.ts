import { z } from 'zod'
import { configSchema } from '../src/config/schema.ts'
import { bare, describeSchema } from '../src/config/shape.ts'

/**
 * `docs/reference/configuration.md`: the reference of every key, written from the schema that reads configurations, so that
 * the two cannot differ. `npm run docs:update` writes it; a test says when it is out of date.
 */
type Schema = z.core.$ZodType

interface Row {
  readonly key: string
  /** The names whose choice brings this key; undefined where all do. */
  readonly of?: readonly string[]
  readonly takes: string
  readonly initial: string
  readonly meaning: string
}

const opening = `# Configuration

<!-- Written by \`npm run docs:update\` from src/config/schema.ts and the components it collects. -->

Every key that a recipe's \`config\`, a run's \`config.json\` and \`--set path=value\` may have. All of them have a default
but those marked *required*. An unknown key is an error that names the nearest known one. What one key allows may
depend on another (K ≤ E, for example); \`src/config/rules.ts\` has these rules with their reasons.
\`moiety recipes show NAME\` prints a complete configuration.
`

/** The whole page, in Markdown. */
export function configurationReference(): string {
  return [opening, ...sections('', configSchema())].join('\n')
}

function sections(path: string, schema: Schema): string[] {
  const inner = bare(schema).schema
  if (inner instanceof z.ZodArray) return sections(`${path}.N`, inner.element)
  if (inner instanceof z.ZodDiscriminatedUnion) return [choiceSection(path, inner.options, usualName(schema))]
  if (!(inner instanceof z.ZodObject)) return []
  const entries = Object.entries<Schema>(inner.shape)
  const place = (key: string) => (path === '' ? key : `${path}.${key}`)
  const rows = entries.filter(([, below]) => !isGroup(below)).map(([key, below]) => row(key, below))
  const own = rows.length === 0 ? [] : [heading(path), table(rows)]
  return [
    own.join('\n'),
    ...entries.filter(([, below]) => isSection(below)).flatMap(([key, below]) => sections(place(key), below)),
  ].filter(text => text !== '')
}

/** A choice by name: one table, in which a key that several names share stands once. */
function choiceSection(path: string, options: readonly Schema[], usual: string | undefined): string {
  const shared = new Map<string, { readonly names: string[]; readonly row: Row }>()
  const choices: string[] = []
  const meanings: string[] = []
  for (const option of options) {
    if (!(option instanceof z.ZodObject)) continue
    const { name, ...rest } = option.shape
    const chosen = name instanceof z.ZodLiteral ? [...name.values].map(String).join() : ''
    choices.push(chosen)
    meanings.push(`- \`${chosen}\`: ${option.description ?? ''}`)
    for (const [key, schema] of Object.entries<Schema>(rest)) {
      const made = row(key, schema)
      const id = JSON.stringify(made)
      const before = shared.get(id)
      if (before === undefined) shared.set(id, { names: [chosen], row: made })
      else before.names.push(chosen)
    }
  }
  const rows = [...shared.values()].map(({ names, row: made }) => ({
    ...made,
    ...(names.length === choices.length ? {} : { of: names }),
  }))
  const words = choices.map(name => `\`${name}\`${name === usual ? ' (the default)' : ''}`)
  const names = `\`name\` is one of ${words.join(', ')}, and decides which other keys there are.\n\n${meanings.join('\n')}\n`
  const nested = options.flatMap(option =>
    option instanceof z.ZodObject
      ? Object.entries<Schema>(option.shape).flatMap(([key, below]) =>
          isSection(below) ? sections(`${path}.${key}`, below) : [],
        )
      : [],
  )
  return [heading(path), names, table(rows), ...new Set(nested)].join('\n')
}

function row(key: string, schema: Schema): Row {
  return {
    key,
    takes: describeSchema(schema),
    initial: initialOf(schema),
    meaning: schema instanceof z.ZodType ? (schema.description ?? '') : '',
  }
}

function initialOf(schema: Schema): string {
  if (schema instanceof z.ZodDefault) return `\`${JSON.stringify(schema.def.defaultValue)}\``
  return schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional ? '' : '*required*'
}

/** The choice that is made where nobody makes one. */
function usualName(schema: Schema): string | undefined {
  const usual =
    schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault ? schema.def.defaultValue : undefined
  const named = z.looseObject({ name: z.string() }).safeParse(usual)
  return named.success ? named.data.name : undefined
}

/** Objects and choices that are always there; their keys have a section of their own instead of a row. */
function isGroup(schema: Schema): boolean {
  const { schema: inner, nullable } = bare(schema)
  return !nullable && (inner instanceof z.ZodObject || inner instanceof z.ZodDiscriminatedUnion)
}

function isSection(schema: Schema): boolean {
  const inner = bare(schema).schema
  return (
    inner instanceof z.ZodObject ||
    inner instanceof z.ZodDiscriminatedUnion ||
    (inner instanceof z.ZodArray && isGroup(inner.element))
  )
}

function heading(path: string): string {
  return path === '' ? '## At the top\n' : `## \`${path}\`\n`
}

function table(rows: readonly Row[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|')
  return [
    '| key | takes | default | meaning |',
    '|---|---|---|---|',
    ...rows.map(({ key, of, takes, initial, meaning }) => {
      const named = of === undefined ? `\`${key}\`` : `\`${key}\` (${of.join(', ')})`
      return `| ${named} | ${cell(takes)} | ${initial} | ${cell(meaning)} |`
    }),
    '',
  ].join('\n')
}
