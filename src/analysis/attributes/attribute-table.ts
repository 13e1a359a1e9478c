import { parquetSchema } from 'hyparquet'
import { fail } from '../../base/errors.ts'
import { isImageName } from '../../data/image-names.ts'
import { separatorOf } from '../../data/tables/label-file.ts'
import { parseCsv } from '../../files/csv.ts'
import { rethrowExhausted, systemFailure } from '../../files/disk.ts'
import { JsonReader } from '../../files/json-reader.ts'
import { openParquet, readParquet } from '../../files/parquet.ts'
import { readRegularFile, sizeLimits } from '../../files/regular-file.ts'
import { decodeText } from '../../files/text.ts'
import type { Value } from './attribute.ts'

/** A row of a file of attributes. */
export interface AttributeRow {
  /** By column; one that is not there is not known. */
  readonly values: ReadonlyMap<string, Value>
  /** For messages. */
  readonly where: string
}

export interface AttributeTable {
  readonly columns: readonly string[]
  readonly rows: readonly AttributeRow[]
}

/** What data frames write for a value that is not known. */
const missing = new Set(['', 'na', 'n/a', 'nan', '<na>', 'null', 'none', '-nan'])

const forms =
  'a file of attributes is a table with a header, a column path (the image’s file, as in the data) or image (its number in the split, as in routing.parquet), and a column for each attribute: CSV, TSV, JSON lines or Parquet'

/**
 * Reads a table of attributes; the form is that of the file's name.
 *
 * @throws MoietyError `usage` for another ending; `data` for what cannot be read
 */
export async function readAttributeTable(file: string): Promise<AttributeTable> {
  const table = /\.parquet$/i.test(file)
    ? await parquetTable(file)
    : /\.(csv|tsv)$/i.test(file)
      ? csvTable(file, await textOf(file))
      : /\.(jsonl|ndjson)$/i.test(file)
        ? jsonTable(file, await textOf(file))
        : fail({
            kind: 'usage',
            message: 'expected a file that ends in .csv, .tsv, .jsonl or .parquet',
            where: `--attributes ${file}`,
            help: forms,
          })
  if (table.rows.length === 0) refuse('expected a row for each image, found none', file)
  return table
}

async function textOf(file: string): Promise<string> {
  const bytes = await readRegularFile(file, sizeLimits.labels).catch((cause: unknown) => {
    rethrowExhausted(cause, 'read', file)
    return fail({
      kind: 'data',
      message: `expected a file of attributes that can be read: ${systemFailure(cause)?.meaning ?? String(cause)}`,
      where: file,
      help: forms,
      cause,
    })
  })
  try {
    return decodeText(bytes, 'throws')
  } catch {
    return refuse('expected text in UTF-8, found other bytes', file)
  }
}

function csvTable(file: string, text: string): AttributeTable {
  const [header, ...records] = parseCsv(text, file, separatorOf(file, text)).filter(({ fields }) =>
    fields.some(field => field.trim() !== ''),
  )
  if (header === undefined) return { columns: [], rows: [] }
  const where = `${file}, line ${header.line}`
  const columns = header.fields.map(name => name.trim())
  if (columns.some(isImageName))
    refuse(`expected the names of the columns, found those of an image: ${columns.join(', ')}`, where)
  const repeated = columns.find((name, at) => name !== '' && columns.indexOf(name) !== at)
  if (repeated !== undefined) refuse(`expected each column once, found "${repeated}" twice`, where)
  return {
    columns: columns.filter(name => name !== ''),
    rows: records.map(({ fields, line }) => ({
      values: new Map(columns.map((name, at) => [name, cellValue(fields[at]!)])),
      where: `${file}, line ${line}`,
    })),
  }
}

function jsonTable(file: string, text: string): AttributeTable {
  const columns = new Set<string>()
  const rows = text.split('\n').flatMap((line, at): AttributeRow[] => {
    if (line.trim() === '') return []
    const where = `${file}, line ${at + 1}`
    const reader = new JsonReader(line, where)
    const values = new Map<string, Value>()
    reader.object('an image', key => {
      const value = reader.any(key)
      // Lists and objects are no values.
      if (value !== undefined && value !== null && typeof value === 'object') return
      columns.add(key)
      values.set(key, cellValue(value))
    })
    reader.end()
    return [{ values, where }]
  })
  return { columns: [...columns], rows }
}

async function parquetTable(path: string): Promise<AttributeTable> {
  const file = await openParquet(path)
  const columns = parquetSchema(file.metadata)
    .children.filter(
      ({ children, element }) => children.length === 0 && element.repetition_type !== 'REPEATED',
    )
    .map(({ element }) => element.name)
  const rows: AttributeRow[] = []
  for (const group of file.groups)
    for (const record of await readParquet(file, columns, group))
      rows.push({
        values: new Map(columns.map(name => [name, cellValue(record[name])])),
        where: `${path}, row ${rows.length}`,
      })
  return { columns, rows }
}

function cellValue(value: unknown): Value {
  switch (typeof value) {
    case 'string':
      return missing.has(value.trim().toLowerCase()) ? null : value.trim()
    case 'number':
      return Number.isNaN(value) ? null : value
    case 'bigint':
      return Number(value)
    case 'boolean':
      return value
    default:
      return value instanceof Date ? value.toISOString() : null
  }
}

/** @throws MoietyError `data` */
export function refuse(message: string, where: string, help = forms): never {
  return fail({ kind: 'data', message, where, help })
}
