import { distance } from 'fastest-levenshtein'
import { z } from 'zod'

/**
 * Questions about any schema: what keys an object may have, what a place takes in plain English, which name is meant. Error
 * messages, documentation and `--set` are made from the answers, so they cannot differ from the rules.
 */
export type Schema = z.core.$ZodType

/** The schema under defaults and null, and whether it takes null. */
export function bare(schema: Schema): { schema: Schema; nullable: boolean } {
  let inner = schema
  let nullable = false
  while (
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodPrefault ||
    inner instanceof z.ZodNullable ||
    inner instanceof z.ZodOptional
  ) {
    if (inner instanceof z.ZodNullable) nullable = true
    inner = inner.unwrap()
  }
  return { schema: inner, nullable }
}

/** The value at a key when there is one of its own; never something inherited. */
export function child(value: unknown, key: string | number): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.getOwnPropertyDescriptor(value, key)?.value
}

/** The objects that may stand here: one, or for a choice by name those whose name fits the input. */
export function shapesOf(schema: Schema, input: unknown): Record<string, Schema>[] {
  const inner = bare(schema).schema
  if (inner instanceof z.ZodObject) return [inner.shape]
  if (inner instanceof z.ZodDiscriminatedUnion) {
    const shapes = inner.options.flatMap(option => shapesOf(option, undefined))
    const named = shapes.filter(shape => namesOf(shape.name).includes(String(child(input, 'name'))))
    return named.length > 0 ? named : shapes
  }
  if (inner instanceof z.ZodUnion) return inner.options.flatMap(option => shapesOf(option, input))
  return []
}

export function namesOf(schema: Schema | undefined): string[] {
  return schema instanceof z.ZodLiteral ? [...schema.values].map(String) : []
}

/** Every key that an object at this place may have, given what the input chose by `name`. */
export function keysOf(schema: Schema, input: unknown): string[] {
  return [...new Set(shapesOf(schema, input).flatMap(shape => Object.keys(shape)))]
}

/** The schema of one key or list position below `schema`; undefined where there is none. */
export function schemaBelow(schema: Schema, key: string | number, input: unknown): Schema | undefined {
  const inner = bare(schema).schema
  if (inner instanceof z.ZodArray) return /^\d+$/.test(String(key)) ? inner.element : undefined
  if (inner instanceof z.ZodTuple) return inner.def.items[Number(key)]
  // Options that a component's own schema checks.
  if (inner instanceof z.ZodRecord || inner instanceof z.ZodUnknown) {
    if (key === '__proto__' || (Array.isArray(input) && !/^\d+$/.test(String(key)))) return undefined
    return inner instanceof z.ZodRecord ? inner.valueType : inner
  }
  const shapes = shapesOf(schema, input).filter(shape => Object.hasOwn(shape, key))
  return shapes[0]?.[key]
}

/** What a place takes, in plain English: "a whole number from 0 to 4". */
export function describeSchema(schema: Schema): string {
  const { schema: inner, nullable } = bare(schema)
  if (nullable && inner instanceof z.ZodBoolean) return 'true, false or null'
  const words = describeBare(inner)
  return nullable ? `${words} or null` : words
}

function describeBare(schema: Schema): string {
  if (schema instanceof z.ZodNumber) return describeNumber(schema)
  if (schema instanceof z.ZodBoolean) return 'true or false'
  if (schema instanceof z.ZodString) return 'text'
  if (schema instanceof z.ZodNull) return 'null'
  if (schema instanceof z.ZodEnum)
    return schema.options.length === 0
      ? 'the name of a component that --use loads'
      : oneOf(schema.options.map(String))
  if (schema instanceof z.ZodLiteral) return oneOf(namesOf(schema))
  if (schema instanceof z.ZodTuple) {
    const items = schema.def.items.map(describeSchema)
    return `a list of ${items.length}: ${items.join('; ')}`
  }
  if (schema instanceof z.ZodArray) {
    const needsSome = (schema.def.checks ?? []).some(check => check._zod.def.check === 'min_length')
    return needsSome ? 'a list that is not empty' : 'a list'
  }
  if (schema instanceof z.ZodDiscriminatedUnion) {
    return `an object whose name is ${oneOf(choicesOf(schema))}`
  }
  if (schema instanceof z.ZodUnion) return schema.options.map(describeSchema).join(', or ')
  return 'an object'
}

/** The names that a choice by `name` offers. */
export function choicesOf(schema: Schema): string[] {
  return shapesOf(schema, undefined).flatMap(shape => namesOf(shape.name))
}

function describeNumber(schema: z.ZodNumber): string {
  const noun = schema.format === 'safeint' ? 'a whole number' : 'a number'
  const { minValue, maxValue } = schema
  const low = isLimit(minValue)
    ? `${isExclusive(schema, minValue) ? 'above' : 'from'} ${minValue}`
    : undefined
  const high = isLimit(maxValue) ? `${isExclusive(schema, maxValue) ? 'below' : 'to'} ${maxValue}` : undefined
  const joined = low?.startsWith('above') && high?.startsWith('to') ? [low, 'and up', high] : [low, high]
  return [noun, ...joined].filter(word => word !== undefined).join(' ')
}

const isLimit = (value: number | null): value is number =>
  value !== null && Math.abs(value) < Number.MAX_SAFE_INTEGER

/** Whether a limit of a number is itself refused. */
function isExclusive(schema: z.ZodNumber, limit: number): boolean {
  return (schema.def.checks ?? []).some(check => {
    const { def } = check._zod
    return (
      (def.check === 'greater_than' || def.check === 'less_than') &&
      'inclusive' in def &&
      'value' in def &&
      def.inclusive === false &&
      def.value === limit
    )
  })
}

/** "a", "a or b", "a, b or c". */
export function oneOf(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

/**
 * The candidate that is meant: the one that is few enough single-letter edits away, or else the only one that
 * contains the word.
 */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  if (name.length > 200) return undefined
  const ranked = candidates
    .map(candidate => ({
      candidate,
      edits: distance(name.toLowerCase(), candidate.toLowerCase()),
      // Letters that changed places keep the length: "cdua" is rather cuda than cpu.
      growth: Math.abs(name.length - candidate.length),
    }))
    .sort((a, b) => a.edits - b.edits || a.growth - b.growth)
  const best = ranked[0]
  if (best === undefined) return undefined
  if (best.edits <= Math.max(2, Math.floor(best.candidate.length / 3))) return best.candidate
  const containing = candidates.filter(candidate => candidate.toLowerCase().includes(name.toLowerCase()))
  return name.length >= 3 && containing.length === 1 ? containing[0] : undefined
}

/** A value as a message shows it, short. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'number') return String(value)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value)
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text
}

/** A type nothing of which can be written. */
export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T
