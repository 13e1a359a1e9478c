import { fieldsOf, jsonSchema, kindsOf, type SchemaName, schemaNames } from '../src/cli/json-schemas.ts'
import type { Json, JsonObject } from '../src/files/json.ts'

/**
 * `docs/reference/fields.md`: every field of the files of a run, written from the schemas that read them.
 * `npm run docs:update` writes it; a test says when it is out of date.
 */
const opening = `# Fields of a run's files

<!-- Written by \`npm run docs:update\` from src/run/file-schemas.ts, src/analysis/findings.ts and src/cli/field-meanings.ts. -->

Every field of \`metrics.jsonl\`, \`summary.json\`, \`report.json\` and \`routing.parquet\`, and of the lines that \`moiety train --json\` prints. The
same as [JSON Schema](https://json-schema.org) (draft 2020-12): \`moiety schema NAME\`, or the files in \`schemas/\`. The number at the
end of \`$id\` is the version of the format: it rises with every change that could break a reader. New fields do not raise it, so a
reader ignores those that it does not know.

Items of a list are below the name of the list: \`layers.name\` is the name of each layer. *Optional* fields can be missing. A number is null
where there is nothing to measure; in \`metrics.jsonl\` and events also where it is NaN or infinite, which \`nonFinite\` tells apart.
Fractions are from 0 to 1. Definitions and chance levels of measures are in [measures](measures.md).
`

const leads: Readonly<Record<SchemaName, string>> = {
  metrics:
    'One JSON object a line, of which `kind` says what it is about: `step`, `epoch` (an epoch of training, or a test), `examples` (images of each expert at a test) or `alarm` (experts collapse). Measures of the task (`top1`, `AP`, …) are further fields of steps and epochs.',
  summary: 'The result of a training, written at its end.',
  report: 'What `moiety explain` finds out. `extras` has what only one task has.',
  routing:
    'One row for each image, level and mixture, as a reader of Parquet gives it. The file’s key-value metadata has names of `classes` and `superclasses` as JSON lists.',
  events:
    'One JSON object a line on stdout, and nothing else; `kind` says what it is about. The last line of a training that ends, also by a signal, is of the kind `summary` and has what `summary.json` has. Messages for people are on stderr.',
}

/** The whole page, in Markdown. */
export function fieldsReference(): string {
  return [opening, ...schemaNames.map(section)].join('\n')
}

function section(name: SchemaName): string {
  const schema = jsonSchema(name)
  const kinds = kindsOf(schema)
  const tables =
    kinds.length === 0
      ? tableOf(schema)
      : kinds.map(([kind, one]) => `### \`kind\`: \`${kind}\`\n\n${tableOf(one)}`).join('\n')
  return `## ${String(schema.title).replace(/\w+\.\w+|moiety .*/, '`$&`')}\n
${leads[name]} Schema: \`${String(schema.$id)}\`.\n
${tables}`
}

function tableOf(schema: JsonObject): string {
  const fields = fieldsOf(schema, []).filter(({ path }) => path.join('.') !== 'kind')
  const rows = fields.map(({ path, schema: field, isRequired }) => {
    const { description = '', unit = '' } = field
    const optional = isRequired ? '' : ' (optional)'
    return `| \`${path.join('.')}\` | ${typeOf(field)}${optional} | ${String(unit)} | ${String(description).replaceAll('|', '\\|')} |`
  })
  return `| field | type | unit | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`
}

/** "number or null", "list of text" */
function typeOf(field: JsonObject): string {
  const { type, items, anyOf, oneOf, const: constant, enum: values } = field
  if (constant !== undefined) return `\`${String(constant)}\``
  if (Array.isArray(values)) return values.map(value => `\`${String(value)}\``).join(', ')
  const choices = [anyOf, oneOf].flatMap(list => (Array.isArray(list) ? list : [])).filter(isObject)
  if (choices.length > 0) return [...new Set(choices.map(typeOf))].join(' or ')
  if (type === 'array') return isObject(items) ? `list of ${typeOf(items)}` : 'list'
  return [type]
    .flat()
    .map(one => (typeof one === 'string' ? (names[one] ?? one) : 'any'))
    .join(' or ')
}

const names: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'integer',
  number: 'number',
  boolean: 'true or false',
  null: 'null',
  object: 'object',
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
