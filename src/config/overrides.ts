import { fail } from '../base/errors.ts'
import { mistakeIn, mistakeInWords } from '../files/json-text.ts'
import { configError, unknownKey } from './explain.ts'
import { configSchema } from './schema.ts'
import { bare, child, choicesOf, keysOf, type Path, schemaAt, showPath, showValue } from './shape.ts'

/**
 * Sets single keys of a configuration that is not resolved yet.
 *
 * `model.moe.0.k=1` reaches into a list; the position just after its end adds an element. A value is JSON where
 * it is JSON and text otherwise, so `optimizer.name=sgd` needs no quotes. Setting another `name` of a choice
 * (optimizer, schedule, constraint) begins with that choice's defaults.
 *
 * @param input - the configuration, left unchanged; a changed copy is returned
 * @param overrides - `path=value` each, applied in order
 * @throws MoietyError of kind `usage` for an unknown path, naming the nearest known one
 */
export function applyOverrides(input: unknown, overrides: readonly string[]): unknown {
  return overrides.reduce<unknown>((config, override) => {
    const equals = override.indexOf('=')
    if (equals <= 0)
      fail({
        kind: 'usage',
        message: `expected path=value, came ${showValue(override)}`,
        where: '--set',
        help: 'for example --set training.epochs=20 or --set model.moe.0.experts=8',
      })
    const path = parsePath(override.slice(0, equals).trim())
    const schema = knownSchema(path, config)
    return set(config, path, [], readValue(override.slice(equals + 1).trim(), schema, path))
  }, input)
}

/** Sets one key as {@link applyOverrides} does, to a value that is there already. */
export function setValue(input: unknown, path: string, value: unknown): unknown {
  const keys = parsePath(path)
  knownSchema(keys, input)
  return set(input, keys, [], value)
}

/** `model.moe.0.k` and `model.moe[0].k` alike. */
function parsePath(text: string): Path {
  return text.replaceAll(/\[(\d+)\]/g, '.$1').split('.')
}

type Schema = NonNullable<ReturnType<typeof schemaAt>>

function knownSchema(path: Path, input: unknown): Schema {
  let schema: Schema = configSchema()
  for (let depth = 0; depth < path.length; depth++) {
    const here = path.slice(0, depth)
    const next = schemaAt(path.slice(0, depth + 1), input)
    if (next === undefined) throw unknownPath(here, path[depth]!, schema, input)
    schema = next
  }
  return schema
}

function unknownPath(here: Path, key: string | number, schema: Schema, input: unknown) {
  if (keysOf(schema, here.reduce(child, input)).length > 0)
    return configError([unknownKey(here, String(key), input)], '--set')
  const list = Array.isArray(here.reduce(child, input)) || describesList(schema)
  return configError(
    [
      {
        path: [...here, key],
        message: list
          ? `${showPath(here)} is a list; expected a position in it, came ${showValue(key)}`
          : `${showPath(here)} is a single value and has nothing below it`,
        help: list ? `for example ${showPath([...here, 0])}` : `set ${showPath(here)} itself`,
      },
    ],
    '--set',
  )
}

function describesList(schema: Schema): boolean {
  return ['array', 'tuple'].includes(bare(schema).schema._zod.def.type)
}

/** JSON where the text is JSON; where only words may stand, the text itself, so that a folder may be called 2024. */
function readValue(text: string, schema: Schema, path: Path): unknown {
  const wordsOnly = ['string', 'enum', 'literal'].includes(bare(schema).schema._zod.def.type)
  if (wordsOnly && text !== 'null' && !text.startsWith('"')) return text
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return text
  }
  const mistake = mistakeIn(text)
  if (mistake === undefined) return value
  return fail({
    kind: 'usage',
    message: `the value ${mistakeInWords(mistake)}`,
    where: `--set ${showPath(path)}`,
    help: mistake.kind === 'depth' ? 'check its brackets' : 'remove one of them',
  })
}

/** A copy of `value` in which `path` holds `content`; `done` is the path already walked, for messages. */
function set(value: unknown, path: Path, done: Path, content: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return content
  if (Array.isArray(value)) return setInList(value, Number(key), rest, done, content)
  const below = set(child(value, key), rest, [...done, key], content)
  const object = typeof value === 'object' && value !== null ? value : {}
  if (key === 'name' && rest.length === 0) return choose(object, done, below)
  if (typeof value !== 'object' && describesListAt(done))
    return setInList([], Number(key), rest, done, content)
  return { ...object, [key]: below }
}

function describesListAt(path: Path): boolean {
  const schema = schemaAt(path, undefined)
  return schema !== undefined && describesList(schema)
}

function setInList(
  list: readonly unknown[],
  index: number,
  rest: Path,
  done: Path,
  content: unknown,
): unknown {
  if (index > list.length)
    throw configError(
      [
        {
          path: [...done, index],
          message: `${showPath(done)} has ${list.length} elements, so there is no position ${index}`,
          help: `positions count from 0; ${showPath([...done, list.length])} adds one at the end`,
        },
      ],
      '--set',
    )
  const next = [...list]
  next[index] = set(list[index], rest, [...done, index], content)
  return next
}

/**
 * Another choice by name begins with its own defaults: a weight of 0.5 is right for one constraint and five hundred
 * times too much for another, and the same holds for the rates of optimizers.
 */
function choose(object: object, path: Path, name: unknown): unknown {
  const schema = schemaAt(path, undefined)
  const isChoice = schema !== undefined && choicesOf(schema).includes(String(name))
  const before = child(object, 'name')
  return isChoice && before !== undefined && before !== name ? { name } : { ...object, name }
}
