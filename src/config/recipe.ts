import { basename } from 'node:path'
import { z } from 'zod'
import { fail } from '../base/errors.ts'
import { isJsonObject } from '../files/json.ts'
import { type Config, resolveConfig } from './config.ts'
import { applyOverrides, setValue } from './overrides.ts'
import { nearest, oneOf } from './shape.ts'

/**
 * A recipe is a configuration with a story: what it reproduces, what may be chosen, what it reached.
 *
 * Its parameters have few values each. `cases` set keys of the configuration where parameters have certain
 * values, in order; the text "$position" stands for the value of the parameter `position`. A parameter with
 * `when` exists only where earlier parameters have certain values; `refuse` names combinations that make no sense.
 */
const parameterValue = z.union([z.string(), z.number(), z.boolean()])
const condition = z.record(z.string(), z.array(parameterValue).min(1))

const recipeSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
  title: z.string().min(1),
  description: z.string(),
  parameters: z
    .record(
      z.string().regex(/^[a-z][a-zA-Z0-9]*$/),
      z.strictObject({
        description: z.string().min(1),
        values: z.array(parameterValue).min(1),
        default: parameterValue,
        when: condition.optional(),
      }),
    )
    .default({}),
  /** Files with components, as seen from the recipe's; loading the recipe runs their code. */
  use: z.array(z.string().min(1).max(4096)).max(100).default([]),
  config: z.record(z.string(), z.unknown()),
  cases: z.array(z.strictObject({ when: condition, set: z.record(z.string(), z.unknown()) })).default([]),
  refuse: z.array(z.strictObject({ when: condition, because: z.string().min(1) })).default([]),
  /** What runs of the recipe reached; a recipe of one's own need not have it. */
  reached: z
    .array(
      z.strictObject({
        what: z.string().min(1),
        value: z.union([z.number(), z.string()]),
        seeds: z.array(z.int()),
        seconds: z.number(),
        machine: z.string(),
        date: z.string(),
      }),
    )
    .nullable()
    .default(null),
})

export type Recipe = z.output<typeof recipeSchema>
export type ParameterValue = string | number | boolean
/** The value of every parameter that applies, in the recipe's order. */
export type Choices = ReadonlyMap<string, ParameterValue>
type Condition = z.output<typeof condition>

/**
 * Reads a recipe from what its JSON file holds. Only `config` is required: a name that is missing is made of the file's, a title that is
 * missing is the name.
 *
 * @param source - the file
 * @throws MoietyError of kind `usage`
 */
export function parseRecipe(content: unknown, source: string): Recipe {
  const parsed = recipeSchema.safeParse(withNames(content, source))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  return fail({
    kind: 'usage',
    message: `this is not a recipe: ${issue?.message ?? 'unknown reason'}`,
    where: `${issue?.path.map(String).join('.') || 'the file'} in ${source}`,
    help: 'a recipe is {"config": {…}}; name, title, description, use, parameters, cases, refuse and reached are optional',
  })
}

function withNames(content: unknown, source: string): unknown {
  if (!isJsonObject(content)) return content
  const name = nameFrom(source)
  const title = typeof content.name === 'string' ? content.name : name
  return { name, title, description: '', ...content }
}

/** A recipe's name from its file's: small letters, digits and hyphens. */
function nameFrom(file: string): string {
  const name = basename(file.replaceAll('\\', '/'), '.json')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return name === '' ? 'recipe' : name
}

/**
 * The parameters' values for what a person asked for, `["constraint=kl", "experts=10"]`; the rest by default.
 *
 * @throws MoietyError of kind `usage` for an unknown parameter or value (suggesting the nearest), for a parameter
 * that does not apply, and for a combination that the recipe refuses
 */
export function chooseParameters(recipe: Recipe, assignments: readonly string[]): Choices {
  const wanted = new Map<string, ParameterValue>()
  for (const assignment of assignments) {
    const [name, value] = parseAssignment(recipe, assignment)
    if (wanted.has(name) && wanted.get(name) !== value) {
      fail({
        kind: 'usage',
        message: `${name} was given twice: ${wanted.get(name)} and ${value}`,
        where: '--with',
        help: 'give it once',
      })
    }
    wanted.set(name, value)
  }
  const choices = new Map<string, ParameterValue>()
  for (const [name, parameter] of Object.entries(recipe.parameters)) {
    const value = wanted.get(name)
    if (!holds(parameter.when ?? {}, choices)) {
      if (value !== undefined) refuseInapplicable(recipe, name, parameter.when ?? {})
      continue
    }
    choices.set(name, value ?? parameter.default)
  }
  const reason = refusal(recipe, choices)
  if (reason !== undefined)
    fail({
      kind: 'usage',
      message: `${recipe.name} does not have ${showChoices(choices)}: ${reason}`,
      where: '--with',
      help: 'for anything outside the recipe, change single keys with --set, for example --set training.epochs=5',
    })
  return choices
}

/** Why the recipe refuses a combination; undefined when it has it. */
export function refusal(recipe: Recipe, choices: Choices): string | undefined {
  return recipe.refuse.find(({ when }) => holds(when, choices))?.because
}

/** Every combination of parameters that the recipe has. */
export function combinations(recipe: Recipe): Choices[] {
  let all: Map<string, ParameterValue>[] = [new Map()]
  for (const [name, { values, when }] of Object.entries(recipe.parameters))
    all = all.flatMap(choices =>
      holds(when ?? {}, choices) ? values.map(value => new Map([...choices, [name, value]])) : [choices],
    )
  return all.filter(choices => refusal(recipe, choices) === undefined)
}

/** The configuration of a recipe with these choices, as far as the recipe says it: not resolved yet. */
export function recipeDraft(recipe: Recipe, choices: Choices): unknown {
  let config: unknown = recipe.config
  for (const { when, set } of recipe.cases)
    if (holds(when, choices))
      for (const [path, value] of Object.entries(set)) config = setValue(config, path, fillIn(value, choices))
  return config
}

/** The configuration of a recipe with these choices and `--set` overrides, resolved. */
export function recipeConfig(recipe: Recipe, choices: Choices, overrides: readonly string[] = []): Config {
  const config = recipeDraft(recipe, choices)
  const source =
    overrides.length === 0 ? `recipe ${recipe.name}` : `recipe ${recipe.name} as changed on the command line`
  return resolveConfig(applyOverrides(config, overrides), source)
}

/** `constraint=kl,experts=10`, as `--with` takes it. */
export function showChoices(choices: Choices): string {
  return [...choices].map(([name, value]) => `${name}=${value}`).join(',')
}

/** Whether parameters have values that a condition names. */
export function holds(when: Condition, choices: Choices): boolean {
  return Object.entries(when).every(([name, values]) => {
    const value = choices.get(name)
    return value !== undefined && values.includes(value)
  })
}

function fillIn(value: unknown, choices: Choices): unknown {
  if (typeof value === 'string' && value.startsWith('$')) {
    const name = value.slice(1)
    return (
      choices.get(name) ??
      fail({ kind: 'usage', message: `the recipe uses ${value}, but has no such parameter here` })
    )
  }
  if (Array.isArray(value)) return value.map(item => fillIn(item, choices))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillIn(item, choices)]))
  return value
}

function parseAssignment(recipe: Recipe, assignment: string): [string, ParameterValue] {
  const equals = assignment.indexOf('=')
  const name = (equals < 0 ? assignment : assignment.slice(0, equals)).trim()
  const names = Object.keys(recipe.parameters)
  const parameter = Object.hasOwn(recipe.parameters, name) ? recipe.parameters[name] : undefined
  if (parameter === undefined) {
    const guess = nearest(name, names)
    const known =
      names.length === 0 ? 'it has none; use --set path=value' : `its parameters are ${names.join(', ')}`
    return fail({
      kind: 'usage',
      message: `the recipe ${recipe.name} has no parameter "${name}"`,
      where: `--with ${assignment}`,
      help: guess === undefined ? known : `did you mean ${guess}?`,
    })
  }
  const text = equals < 0 ? '' : assignment.slice(equals + 1).trim()
  const value = parameter.values.find(one => String(one) === text)
  if (value !== undefined) return [name, value]
  const guess = nearest(text, parameter.values.map(String))
  return fail({
    kind: 'usage',
    message: `${name} is ${oneOf(parameter.values.map(String))}, came "${text}"`,
    where: `--with ${assignment}`,
    help: guess === undefined ? parameter.description : `did you mean ${name}=${guess}?`,
  })
}

function refuseInapplicable(recipe: Recipe, name: string, when: Condition): never {
  fail({
    kind: 'usage',
    message: `${name} means nothing here: ${showCondition(when)}`,
    where: `--with ${name}=…`,
    help: `\`moiety recipes show ${recipe.name}\` explains the parameters`,
  })
}

/** "it is for network block or resblock, and for position 4". */
export function showCondition(when: Condition): string {
  const parts = Object.entries(when).map(([name, values]) => `for ${name} ${oneOf(values.map(String))}`)
  return `it is ${parts.join(', and ')}`
}
