import { basename, normalize } from 'node:path'
import { fail, MoietyError } from '../../base/errors.ts'
import { type CsvSeparator, parseCsv } from '../../files/csv.ts'
import { rethrowExhausted, systemFailure } from '../../files/disk.ts'
import { JsonReader, type JsonValue, quoted } from '../../files/json-reader.ts'
import { readRegularFile, sizeLimits } from '../../files/regular-file.ts'
import { decodeText } from '../../files/text.ts'
import { isImageName } from '../image-names.ts'
import { aliasesInWords, roleOf, type SplitName } from '../split-names.ts'
import { type Columns, columnsByContent, columnsOf, hasBoxes, hasCertainPath, isHeader } from './columns.ts'

/** An image with its labels, as a labels file lists it. */
export interface LabelledRow {
  /** As the file has it. */
  readonly path: string
  /** Places among the classes, ascending; none for an image without a label. */
  readonly labels: readonly number[]
  /** Undefined where the file names no splits. */
  readonly split: SplitName | undefined
  /** The file and its line, for messages. */
  readonly where: string
  /** The file. */
  readonly file: string
}

/** What labels files hold. */
export interface LabelFile {
  /** In the order of the columns, or of their names' code units where labels are listed; numbers by their size. */
  readonly classes: readonly string[]
  readonly images: readonly LabelledRow[]
  /** Whether an image has several labels or none. */
  readonly isSeveral: boolean
  /** What was read, as `labels.csv (path, label, split)`. */
  readonly read: string
  /** Names of columns and keys that were left out. */
  readonly leftOut: readonly string[]
}

/** A labels file; of a file of one split, as `train.csv`, its split. */
export interface LabelSource {
  readonly file: string
  readonly split?: SplitName | undefined
}

const forms =
  'A labels file has a path and a label for each image: CSV with the header path,label or path,label,split, JSON [{"path": …, "label": …}, …] or {"1.jpg": "cat", …}, or JSON lines of such objects. Several labels an image: a column labels (separated by ; or |), a column of 0 and 1 for each class, or "labels": […]. Other usual names of columns are docs/guide/your-data.md'

/** Called with the reason for which a row is left out. */
export type OnBadRow = (reason: MoietyError) => void

/** What `work` gives in a list; empty for a row that is left out. */
function unlessBad<T>(onBadRow: OnBadRow | undefined, work: () => T): readonly T[] {
  try {
    return [work()]
  } catch (cause) {
    if (onBadRow === undefined || !(cause instanceof MoietyError) || cause.kind !== 'data') throw cause
    onBadRow(cause)
    return []
  }
}

/** A row before it is checked against the others. */
interface Row {
  readonly path: string
  /** A text holds one label or a list. */
  readonly labels: string | readonly string[]
  readonly split: string | undefined
  readonly where: string
}

interface Rows {
  /** Of a file with a column for each class. */
  readonly classes?: readonly string[]
  readonly rows: readonly Row[]
  readonly columns: Columns
}

/**
 * Reads the labels of images; the form is that of the file's name: `.csv`, `.tsv`, `.txt`, `.json`, or `.jsonl`.
 *
 * @param onBadRow - called for each such row, which is then left out; by default the first one is an error
 * @throws MoietyError `data` that names the line of a row that is malformed, repeats an image or a label, or names a split that is
 *   none
 */
export async function readLabelFiles(
  sources: readonly LabelSource[],
  onBadRow?: OnBadRow,
): Promise<LabelFile> {
  const read: (Rows & LabelSource)[] = []
  for (const source of sources)
    read.push({ ...source, ...rowsOf(source.file, await readText(source.file), onBadRow) })
  const all = read.flatMap(({ rows }) => rows)
  if (all.length === 0)
    refuse('expected images with their labels, found none', sources.map(({ file }) => file).join(', '), forms)
  const isList = read.some(({ columns }) => columns.isList) || holdsLists(all)
  const own = read.flatMap(source =>
    source.rows.flatMap(row =>
      unlessBad(onBadRow, () => ({ row, source, names: listOf(row.labels, isList, row.where) })),
    ),
  )
  const marked = read.find(({ classes }) => classes !== undefined)?.classes
  const classes = marked ?? classesOf(own.map(({ names }) => names))
  const labelOf = new Map(classes.map((name, label) => [name, label]))
  const seen = new Map<string, string>()
  const images = own.flatMap(({ row: { path, split, where }, source, names }) =>
    unlessBad(onBadRow, (): LabelledRow => {
      if (path.trim() === '') refuse('expected the path of an image, found none', where)
      const key = `${split ?? source.split ?? ''} ${normalize(path)}`
      const before = seen.get(key)
      if (before !== undefined)
        refuse(
          `the image ${quoted(path)} is listed twice, before in ${before}`,
          where,
          'list each image once, with all its labels',
        )
      seen.set(key, where)
      const role = split === undefined ? source.split : splitOf(split, where)
      return { path, split: role, labels: placesOf(names, labelOf, where), where, file: source.file }
    }),
  )
  refuseMixedSplits(images)
  return {
    ...{ classes, images, isSeveral: own.some(({ names }) => names.length !== 1) },
    read: read.map(each => `${basename(each.file)} (${columnsInWords(each.columns)})`).join(', '),
    leftOut: [...new Set(read.flatMap(({ columns }) => columns.others))],
  }
}

/** {@link readLabelFiles} of one file. */
export async function readLabelFile(file: string): Promise<LabelFile> {
  return await readLabelFiles([{ file }])
}

/** A sentence about columns that are not read; none where all are. */
export function leftOutColumns(names: readonly string[]): readonly string[] {
  if (names.length === 0) return []
  const more = names.length > 8 ? ` and ${names.length - 8} more` : ''
  const listed = names.slice(0, 8).map(name => (name === '' ? 'one without a name' : name))
  return [`columns that are not read: ${listed.join(', ')}${more}`]
}

function columnsInWords({ path, label, split, classes }: Columns): string {
  const names = [path, ...(label === undefined ? [`${classes.length} columns of classes`] : [label])]
  return [...names, ...(split === undefined ? [] : [split])]
    .map(name => (/^\d+$/.test(name) ? `column ${Number(name) + 1}` : name))
    .join(', ')
}

async function readText(file: string): Promise<string> {
  const bytes = await readRegularFile(file, sizeLimits.labels).catch((cause: unknown) => {
    rethrowExhausted(cause, 'read', file)
    return fail({
      kind: 'data',
      message: `expected a file with the labels of images that can be read: ${systemFailure(cause)?.meaning ?? String(cause)}`,
      where: file,
      help: forms,
      cause,
    })
  })
  try {
    // A byte order mark, as Excel writes it, is taken off.
    return decodeText(bytes, 'throws')
  } catch {
    return refuse(
      'expected text in UTF-8, found other bytes',
      file,
      'save the file again as UTF-8: in Excel "CSV UTF-8", elsewhere the encoding of the export',
    )
  }
}

function rowsOf(file: string, text: string, onBadRow: OnBadRow | undefined): Rows {
  if (/\.(csv|tsv|txt)$/i.test(file)) return csvRows(file, text, onBadRow)
  if (/\.json$/i.test(file)) return jsonRows(file, text, onBadRow)
  if (/\.(jsonl|ndjson)$/i.test(file)) return jsonLines(file, text, onBadRow)
  return refuse('expected a labels file that ends in .csv, .tsv, .txt, .json or .jsonl', file, forms)
}

/** How a text separates fields: what makes its first line one of columns. */
export function separatorOf(file: string, text: string): CsvSeparator {
  if (/\.tsv$/i.test(file)) return '\t'
  const [line = ''] = text.split('\n', 1)
  const separators = [',', ';', '\t', ...(/\.txt$/i.test(file) ? ([' '] as const) : [])] as const
  const isTable = (separator: CsvSeparator): boolean => {
    const fields = line.split(separator).map(field => field.trim().replace(/^"(.*)"$/, '$1'))
    return fields.length > 1 && (hasCertainPath(fields) || fields.some(isImageName))
  }
  return separators.find(isTable) ?? separators.find(each => line.includes(each)) ?? ','
}

function csvRows(file: string, text: string, onBadRow: OnBadRow | undefined): Rows {
  // Spreadsheets write rows without anything behind the last.
  const records = parseCsv(text, file, separatorOf(file, text), onBadRow).filter(({ fields }) =>
    fields.some(field => field.trim() !== ''),
  )
  const [top] = records
  const where = `${file}, line ${top?.line ?? 1}`
  const hasHeader = top === undefined || isHeader(top.fields)
  const names = hasHeader ? (top?.fields ?? []).map(name => name.trim()) : top.fields.map((_, i) => `${i}`)
  const data = hasHeader ? records.slice(1) : records
  const columns = hasHeader
    ? columnsOf(names, data[0]?.fields ?? [])
    : columnsByContent(top.fields, place => data.every(({ fields }) => roleOf(fields[place]!) !== undefined))
  const found = quoted((top?.fields ?? []).join(','))
  if (columns === undefined)
    return refuse(
      hasHeader
        ? `expected a header with the column path, found ${found}`
        : `expected the path of an image and its label, found ${found}`,
      where,
      forms,
    )
  const repeated = names.find((name, i) => name !== '' && names.indexOf(name) !== i)
  if (repeated !== undefined) refuse(`found the column ${quoted(repeated)} twice`, where, forms)
  refuseBoxes(names, where)
  refuseTwoLabels(names, columns, where)
  if (columns.label === undefined && (columns.classes.length === 0 || columns.classes.includes('')))
    refuse(`expected the column labels, or a named column for each class, found ${found}`, where, forms)
  const [path, label, split] = [columns.path, columns.label, columns.split].map(name =>
    name === undefined ? -1 : names.indexOf(name),
  )
  const marks = columns.classes.map(name => [name, names.indexOf(name)] as const)
  const rows = data.flatMap(({ fields, line }) =>
    unlessBad(onBadRow, () => {
      const place = `${file}, line ${line}`
      return {
        path: fields[path!]!,
        labels: label! < 0 ? marked(marks, fields, place) : fields[label!]!,
        split: split! < 0 ? undefined : fields[split!]!,
        where: place,
      }
    }),
  )
  return columns.label === undefined ? { rows, columns, classes: columns.classes } : { rows, columns }
}

function refuseBoxes(names: readonly string[], where: string): void {
  if (!hasBoxes(names)) return
  refuse(
    `expected labels of whole images, found columns of boxes: ${quoted(names.join(','))}`,
    where,
    'boxes are read from COCO, YOLO and Pascal VOC, for a detector: docs/guide/detection-data.md',
  )
}

function refuseTwoLabels(names: readonly string[], { label, isList }: Columns, where: string): void {
  const other = isList && names.find(name => name !== label && /^(label|class|category)$/i.test(name))
  if (typeof other === 'string')
    refuse(`expected one column of labels, found ${quoted(label!)} and ${quoted(other)}`, where, forms)
}

/** The columns that hold 1. */
function marked(
  marks: readonly (readonly [name: string, place: number])[],
  fields: readonly string[],
  where: string,
): string[] {
  return marks.flatMap(([name, place]) => {
    const value = fields[place]!.trim()
    if (!/^[01](\.0*)?$/.test(value))
      refuse(
        `expected 0 or 1 in the column ${quoted(name)}, found ${quoted(value)}`,
        where,
        'write 1 for an image that has the label and 0 for one that does not; labels that are names go into a column "label"',
      )
    return value.startsWith('1') ? [name] : []
  })
}

function jsonRows(file: string, text: string, onBadRow: OnBadRow | undefined): Rows {
  const reader = new JsonReader(text, file)
  if (isByImage(text)) return labelsByImage(reader, file)
  const records = new JsonRecords(file)
  reader.array('the list of images', () => {
    unlessBad(onBadRow, () => records.read(reader, `${file}, line ${reader.line}`))
  })
  reader.end()
  return records.rows
}

/** Whether a text begins as JSON of labels by the names of images. */
export function isByImage(text: string): boolean {
  const key = /^\s*\{\s*"([^"\\]{1,4096})"\s*:\s*["[\d]/.exec(text)?.[1]
  return key !== undefined && isImageName(key)
}

/** `{"1.jpg": "cat", "2.jpg": ["cat", "dog"]}`. */
function labelsByImage(reader: JsonReader, file: string): Rows {
  const rows: Row[] = []
  reader.object('labels by the names of images', path => {
    const where = `${file}, line ${reader.line}`
    rows.push({ path, labels: labelsOf(reader.any(quoted(path)), reader), split: undefined, where })
  })
  reader.end()
  const columns = { path: 'keys', label: 'values', isList: false, split: undefined, classes: [], others: [] }
  return { rows, columns }
}

function jsonLines(file: string, text: string, onBadRow: OnBadRow | undefined): Rows {
  const records = new JsonRecords(file)
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    unlessBad(onBadRow, () => {
      const where = `${file}, line ${i + 1}`
      const reader = new JsonReader(line, where)
      records.read(reader, where)
      reader.end()
    })
  }
  return records.rows
}

/** Records of images; the keys of the first say what those of all are. */
class JsonRecords {
  readonly #rows: Row[] = []
  #columns: Columns | undefined

  constructor(readonly file: string) {}

  get rows(): Rows {
    const none = { path: 'path', label: 'label', isList: false, split: undefined, classes: [], others: [] }
    return { rows: this.#rows, columns: this.#columns ?? none }
  }

  read(reader: JsonReader, where: string): void {
    const values = new Map<string, JsonValue>()
    reader.object('an image', key => values.set(key, reader.any(key)))
    const names = [...values.keys()]
    this.#columns ??= this.#find(names, values, reader, where)
    const columns = this.#columns
    const { path: pathKey, label: labelKey, split: splitKey } = columns
    const path = values.get(pathKey)
    const labels = labelKey === undefined ? undefined : values.get(labelKey)
    if (path === undefined || !values.has(labelKey ?? ''))
      reader.refuse(
        `expected an image with path and labels, found no ${path === undefined ? pathKey : (labelKey ?? 'labels')}`,
      )
    if (typeof path !== 'string') reader.refuse(`expected ${quoted(pathKey)} as a string`)
    const split = splitKey === undefined ? undefined : (values.get(splitKey) ?? undefined)
    if (split !== undefined && typeof split !== 'string')
      reader.refuse(`expected ${quoted(splitKey!)} as a string`)
    this.#rows.push({
      path: path as string,
      labels: labelsOf(labels, reader),
      split: split as string | undefined,
      where,
    })
  }

  #find(
    names: readonly string[],
    values: ReadonlyMap<string, JsonValue>,
    reader: JsonReader,
    where: string,
  ): Columns {
    refuseBoxes(names, where)
    const first = names.map(name => (typeof values.get(name) === 'string' ? String(values.get(name)) : ''))
    const columns = columnsOf(names, first)
    if (columns === undefined) return reader.refuse('expected an image with path and labels, found no path')
    if (columns.label === undefined)
      return reader.refuse('expected an image with path and labels, found no labels')
    return columns
  }
}

/** A label that is listed in JSON is one whatever it holds. */
function labelsOf(value: JsonValue, reader: JsonReader): string | string[] {
  const text = (one: JsonValue): string =>
    typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean'
      ? String(one)
      : reader.refuse('expected a label as a string or a number')
  if (value === null) return []
  return Array.isArray(value) ? value.map(text) : [text(value as JsonValue)]
}

/**
 * Whether texts of labels are lists between ; or |: their parts occur in other combinations as well, so that there are fewer parts
 * than texts. A class named `cats; dogs` alone is no list.
 */
function holdsLists(rows: readonly Row[]): boolean {
  const texts = new Set(rows.flatMap(({ labels }) => (typeof labels === 'string' ? [labels.trim()] : [])))
  const parts = new Set([...texts].flatMap(text => partsOf(text)))
  return [...texts].some(text => /[;|]/.test(text)) && parts.size < texts.size
}

const partsOf = (text: string): string[] => text.split(/[;|]/).map(label => label.trim())

function listOf(labels: string | readonly string[], isList: boolean, where: string): readonly string[] {
  if (typeof labels !== 'string') return labels
  const text = labels.trim()
  if (isList) return text === '' ? [] : partsOf(text)
  if (text === '')
    refuse(
      'expected a label, found none',
      where,
      'give every image its label, or call the column labels: then an image may have none or several',
    )
  return [text]
}

function classesOf(listed: readonly (readonly string[])[]): string[] {
  return inOrder(listed.flat())
}

/** Names of classes without repetition: by their code units, or numbers by their size. */
export function inOrder(names: readonly string[]): string[] {
  const own = [...new Set(names)]
  const isNumbers = own.every(name => /^\d{1,15}$/.test(name))
  return isNumbers ? own.sort((a, b) => Number(a) - Number(b)) : own.sort()
}

function placesOf(names: readonly string[], labelOf: ReadonlyMap<string, number>, where: string): number[] {
  const empty = names.some(name => name.trim() === '')
  if (empty)
    refuse(
      'expected labels with names, found an empty one',
      where,
      'leave the separator out that nothing follows',
    )
  const repeated = names.find((name, i) => names.indexOf(name) !== i)
  if (repeated !== undefined)
    refuse(`the label ${quoted(repeated)} is given twice`, where, 'give each label once')
  return names.map(name => labelOf.get(name)!).sort((a, b) => a - b)
}

function splitOf(name: string | undefined, where: string): SplitName | undefined {
  if (name === undefined) return undefined
  return (
    roleOf(name) ??
    refuse(`expected the name of a split, found ${quoted(name)}`, where, `a split is ${aliasesInWords}`)
  )
}

function refuseMixedSplits(images: readonly LabelledRow[]): void {
  const without = images.find(({ split }) => split === undefined)
  const within = images.find(({ split }) => split !== undefined)
  if (without === undefined || within === undefined) return
  refuse(
    `expected a split for every image or for none: there is one in ${within.where}, and none here`,
    without.where,
    'name the split of every image, or leave it out everywhere',
  )
}

function refuse(message: string, where: string, help = forms): never {
  return fail({ kind: 'data', message, where, help })
}
