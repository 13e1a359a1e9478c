import { child, type Schema, schemaBelow } from '../base/schemas.ts'
import { configSchema } from './schema.ts'

export {
  bare,
  child,
  choicesOf,
  describeSchema,
  keysOf,
  nearest,
  oneOf,
  schemaBelow,
  showValue,
} from '../base/schemas.ts'

/** Where something stands in a configuration. */
export type Path = readonly (string | number)[]

/** The schema that describes a path of the configuration, following the input's choices by `name`. */
export function schemaAt(path: Path, input: unknown): Schema | undefined {
  let schema: Schema | undefined = configSchema()
  let value = input
  for (const key of path) {
    if (schema === undefined) return undefined
    schema = schemaBelow(schema, key, value)
    value = child(value, key)
  }
  return schema
}

/** A path as written in messages and in `--set`: `model.moe.0.k`. */
export function showPath(path: Path): string {
  return path.map(String).join('.')
}
