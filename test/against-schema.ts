import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { SchemaName } from '../src/cli/json-schemas.ts'

const known = new Map<SchemaName, ValidateFunction>()

/** What a JSON value has that its schema in `schemas/` does not allow; checked by another library than the code reads with. */
export function wrongIn(name: SchemaName, value: unknown): unknown[] {
  const validate = known.get(name) ?? compiled(name)
  known.set(name, validate)
  return validate(value)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => [instancePath, message])
}

function compiled(name: SchemaName): ValidateFunction {
  const file = new URL(`../schemas/${name}.schema.json`, import.meta.url)
  const ajv = new Ajv2020({
    allErrors: true,
    strict: true,
    strictRequired: false,
    allowUnionTypes: true,
    keywords: ['unit'],
  })
  const schema: object = JSON.parse(readFileSync(file, 'utf8'))
  return ajv.compile(schema)
}
