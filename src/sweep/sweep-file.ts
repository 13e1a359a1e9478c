import { z } from 'zod'
import { configError, type Mistake } from '../config/explain.ts'
import { child, describeSchema, keysOf, nearest, type Path, schemaBelow, showValue } from '../config/shape.ts'
import { isJsonObject, type Json } from '../files/json.ts'

/**
 * A sweep's file: a recipe and a grid over its parameters and over keys of its configuration, with seeds. This file says
 * what its JSON may hold; `plan.ts` says which runs that comes to.
 */
const json: z.ZodType<Json> = z.json()
const seed = z.int().min(0).max(4_294_967_295)

const range = z.strictObject({
  from: z.number(),
  to: z.number(),
  steps: z.int().min(2).max(1000).describe('how many values, both ends included'),
  scale: z.enum(['linear', 'log']).default('linear').describe('linear: equal differences; log: equal ratios'),
})

const sweepSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,99}$/)
    .describe('small letters, digits and hyphens; also the name of its folder'),
  title: z.string().min(1).max(1000).describe('one line'),
  description: z.string().max(10_000).default('').describe('the question that the sweep answers'),
  recipe: z.string().min(1).max(4096).describe("a recipe's name, or its file as seen from this one"),
  with: z
    .record(z.string(), json)
    .default({})
    .describe("the recipe's parameters, each with a value, or a list of values"),
  set: z
    .record(z.string(), json)
    .default({})
    .describe('keys of the configuration that are fixed in all runs'),
  grid: z
    .record(z.string(), z.union([z.array(json).min(1).max(10_000), range]))
    .default({})
    .describe('keys of the configuration, each with a list, or with {"from", "to", "steps", "scale"}'),
  exclude: z
    .array(z.record(z.string(), json))
    .max(10_000)
    .default([])
    .describe('excluded combinations: [{"experts": 4, "position": [1, 2]}]'),
  seeds: z
    .array(seed)
    .min(1)
    .max(10_000)
    .describe('a list of whole numbers; every combination runs with each'),
  retries: z.int().min(0).max(100).default(1).describe('number of retries of a failed run in a call'),
  baseline: z
    .record(z.string(), json)
    .nullable()
    .default(null)
    .describe('the baseline of comparisons: {"constraint": "none"}'),
})

/** A sweep's file, with defaults filled in. */
export type Sweep = Readonly<z.output<typeof sweepSchema>>

/** A list of values written as its ends and their number. */
export type Range = Readonly<z.output<typeof range>>

/**
 * Parses the JSON of a sweep; its keys below `with`, `set` and `grid` are not checked yet.
 *
 * @param source - the file's name in errors
 * @throws MoietyError `usage`, naming each mistake's path and, for an unknown key, the nearest known one
 */
export function parseSweep(content: unknown, source: string): Sweep {
  // Before anything else: deep nesting would exhaust the stack.
  const strange = strangeKeys(content, [])
  if (strange.length > 0) throw configError(strange, source, 'the sweep')
  const parsed = sweepSchema.safeParse(content)
  if (parsed.success) return parsed.data
  const mistakes = parsed.error.issues.flatMap(issue => {
    const path = issue.path.map(key => (typeof key === 'symbol' ? String(key) : key))
    if (issue.code === 'unrecognized_keys') return issue.keys.map(key => unknownKey(path, key, content))
    return [wrongValue(path, content)]
  })
  throw configError(mistakes, source, 'the sweep')
}

/** The range as a list; ratios and differences that binary fractions do not have are rounded to twelve digits. */
export function valuesOf(values: readonly Json[] | Range): readonly Json[] {
  if (!('steps' in values)) return values
  const { from, to, steps, scale } = values
  return Array.from({ length: steps }, (_, i) => {
    const part = i / (steps - 1)
    const value = scale === 'log' ? from * (to / from) ** part : from + (to - from) * part
    return i === steps - 1 ? to : Number(value.toPrecision(12))
  })
}

/** Why a range cannot be a list of different numbers; undefined where it can. */
export function rangeMistake({ from, to, scale }: Range): string | undefined {
  if (from === to) return `a range has two different ends, but from and to are both ${from}`
  if (scale === 'log' && (from <= 0 || to <= 0))
    return `expected a log range above 0, got from ${from} to ${to}`
  return undefined
}

/** Assigning some JSON keys would change an object's prototype; they are refused. */
function strangeKeys(value: unknown, path: Path): Mistake[] {
  if (path.length > 20) return [{ path: path.slice(0, 3), message: 'this value is nested too deeply' }]
  if (Array.isArray(value)) return value.flatMap((item, i) => strangeKeys(item, [...path, i]))
  if (!isJsonObject(value)) return []
  return Object.entries(value).flatMap(([key, below]) =>
    key === '__proto__'
      ? [{ path: [...path, key], message: 'no key is called "__proto__"' }]
      : strangeKeys(below, [...path, key]),
  )
}

function schemaAt(path: Path): z.core.$ZodType | undefined {
  return path.reduce<z.core.$ZodType | undefined>(
    (schema, key) => (schema === undefined ? undefined : schemaBelow(schema, key, undefined)),
    sweepSchema,
  )
}

function unknownKey(path: Path, key: string, content: unknown): Mistake {
  const schema = schemaAt(path) ?? range
  const known = keysOf(schema, path.reduce(child, content))
  const guess = nearest(key, known)
  return {
    path: [...path, key],
    message: `${path.length === 0 ? 'a sweep' : path.join('.')} has no key ${showValue(key)}`,
    help:
      guess === undefined
        ? `its keys are ${known.join(', ')}`
        : `did you mean ${[...path, guess].join('.')}?`,
  }
}

function wrongValue(path: Path, content: unknown): Mistake {
  const value = path.reduce(child, content)
  if (path.length === 0) return { path, message: `a sweep must be an object, got ${showValue(value)}` }
  if (path[0] === 'grid' && path.length > 1)
    return {
      path,
      message: `expected a list that is not empty, or from, to and steps, got ${showValue(value)}`,
      help: 'for example [4, 10] or {"from": 0.001, "to": 0.1, "steps": 5, "scale": "log"}',
    }
  const schema = schemaAt(path)
  const help = schema !== undefined && 'description' in schema ? String(schema.description ?? '') : ''
  const expected =
    schema === undefined ? 'another value' : path.at(-1) === 'name' ? 'a name' : describeSchema(schema)
  return {
    path,
    message: `expected ${expected}, came ${showValue(value)}`,
    ...(help === '' ? {} : { help }),
  }
}
