import { z } from 'zod'
import { findings } from '../analysis/findings.ts'
import { routingRowSchema } from '../analysis/routing-table.ts'
import type { Json, JsonObject } from '../files/json.ts'
import { isJsonObject } from '../files/json.ts'
import { metricsLineSchema, summarySchema, trainEventSchema } from '../run/file-schemas.ts'
import { meaningOf } from './field-meanings.ts'

/** A file, or a stream, that other programs read. */
interface Described {
  readonly title: string
  /** Raised by whatever could break a reader of the former version: a field that goes, or means something else. New fields do not. */
  readonly version: number
  readonly schema: z.ZodType
}

const described = {
  metrics: { title: 'A line of metrics.jsonl', version: 1, schema: metricsLineSchema },
  summary: { title: 'summary.json', version: 1, schema: summarySchema },
  report: { title: 'report.json', version: findings.shape.version.value, schema: findings },
  routing: { title: 'A row of routing.parquet', version: 1, schema: routingRowSchema },
  events: { title: 'A line of moiety train --json', version: 1, schema: trainEventSchema },
} as const satisfies Record<string, Described>

export type SchemaName = keyof typeof described

/** What {@link jsonSchema} has, in order. */
export const schemaNames = Object.keys(described).filter(isSchemaName)

export function isSchemaName(name: string): name is SchemaName {
  return Object.hasOwn(described, name)
}

/**
 * The JSON Schema (draft 2020-12) of a file, made from what the code reads it with. Its `$id` has the version; fields have
 * their meaning as `description` and, where they have one, a `unit`.
 */
export function jsonSchema(name: SchemaName): JsonObject {
  const { title, version, schema } = described[name]
  const made: Json = JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io: 'input', reused: 'inline' })))
  const { $schema = '', ...rest } = isJsonObject(made) ? made : {}
  const worded = withMeanings(rest, [name])
  return {
    $schema,
    $id: `urn:moiety:schema:${name}:${version}`,
    title,
    ...(isJsonObject(worded) ? worded : {}),
  }
}

/** The alternatives of a schema that a constant `kind` tells apart, by it; none where the schema has no kinds. */
export function kindsOf(schema: JsonObject): [kind: string, alternative: JsonObject][] {
  const alternatives = [schema.oneOf ?? []].flat().filter(one => isJsonObject(one))
  return alternatives.flatMap((one): [string, JsonObject][] => {
    const kind = kindOf(one)
    return kind === undefined ? [] : [[kind, one]]
  })
}

function kindOf({ properties }: JsonObject): string | undefined {
  if (!isJsonObject(properties) || !isJsonObject(properties.kind)) return undefined
  const { const: kind } = properties.kind
  return typeof kind === 'string' ? kind : undefined
}

/** A field of a schema by its path, lists and alternatives being passed through. */
export interface Field {
  readonly path: readonly string[]
  readonly schema: JsonObject
  readonly isRequired: boolean
}

/** Every field of a schema, those of objects below objects after them; one that several alternatives have, once. */
export function fieldsOf(schema: JsonObject, path: readonly string[]): Field[] {
  const found = childrenOf(schema).flatMap(({ key, below, isRequired }) => {
    const place = key === null ? path : [...path, key]
    const own = key === null ? [] : [{ path: place, schema: below, isRequired }]
    return [...own, ...fieldsOf(below, place)]
  })
  const byPath = new Map<string, Field>()
  for (const field of found) {
    const key = field.path.join('.')
    const before = byPath.get(key)
    byPath.set(key, before === undefined ? field : { ...before, schema: either(before.schema, field.schema) })
  }
  return [...byPath.values()]
}

/** The first of two schemas of one field; where both are a constant, a choice of these. */
function either(first: JsonObject, second: JsonObject): JsonObject {
  if (second.const === undefined) return first
  const values = Array.isArray(first.enum) ? first.enum : first.const === undefined ? [] : [first.const]
  const { const: _, ...rest } = first
  return values.length === 0 || values.includes(second.const)
    ? first
    : { ...rest, enum: [...values, second.const] }
}

interface Child {
  /** Null for an item of a list, or an alternative. */
  readonly key: string | null
  readonly below: JsonObject
  readonly isRequired: boolean
}

function childrenOf(schema: JsonObject): Child[] {
  const required = Array.isArray(schema.required) ? schema.required : []
  const properties = isJsonObject(schema.properties) ? Object.entries(schema.properties) : []
  const others = [
    schema.items,
    schema.anyOf,
    schema.oneOf,
    schema.allOf,
    schema.prefixItems,
    schema.additionalProperties,
  ]
  return [
    ...properties.flatMap(([key, below]) =>
      isJsonObject(below) ? [{ key, below, isRequired: required.includes(key) }] : [],
    ),
    ...others.flat().flatMap(below => (isJsonObject(below) ? [{ key: null, below, isRequired: false }] : [])),
  ]
}

/** The same schema with what {@link meaningOf} says of every field. */
function withMeanings(schema: Json, path: readonly string[]): Json {
  if (Array.isArray(schema)) return schema.map(one => withMeanings(one, path))
  if (!isJsonObject(schema)) return schema
  const above = [...path, kindOf(schema) ?? []].flat()
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]): [string, Json] => {
      if (keyword !== 'properties' || !isJsonObject(value))
        return [keyword, withMeanings(value ?? null, path)]
      const fields = Object.entries(value).map(([key, below]): [string, Json] => {
        const place = [...above, key]
        const worded = withMeanings(below ?? null, place)
        const found = meaningOf(place)
        if (found === undefined || !isJsonObject(worded)) return [key, worded]
        const { meaning, unit } = found
        return [key, { description: meaning, ...(unit === undefined ? {} : { unit }), ...worded }]
      })
      return [keyword, Object.fromEntries(fields)]
    }),
  )
}
