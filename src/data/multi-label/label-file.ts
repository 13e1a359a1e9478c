import { normalize } from 'node:path'
import { fail } from '../../base/errors.ts'
import { parseCsv } from '../../files/csv.ts'
import { rethrowExhausted, systemFailure } from '../../files/disk.ts'
import { JsonReader, quoted } from '../../files/json-reader.ts'
import { readRegularFile, sizeLimits } from '../../files/regular-file.ts'
import { aliasesInWords, roleOf, type SplitName } from '../split-names.ts'

/** An image with its labels, as a labels file lists it. */
export interface LabelledImage {
  /** As the file has it, relative to the file's folder. */
  readonly path: string
  /** Places among the classes, ascending; none for an image without a label. */
  readonly labels: readonly number[]
  /** Undefined where the file names no splits. */
  readonly split: SplitName | undefined
  /** The file and its line, for messages. */
  readonly where: string
}

/** What a labels file holds. */
export interface LabelFile {
  /** In the order of the columns, or of their names' code units where labels are listed. */
  readonly classes: readonly string[]
  readonly images: readonly LabelledImage[]
}

/** Names of a labels file in a folder, in the order in which they are looked for. */
export const labelFileNames = ['labels.csv', 'labels.json', 'labels.jsonl'] as const

const forms =
  'A labels file is CSV with the header path,labels or path,labels,split (labels separated by ; or |), CSV with one column of 0 and 1 for each class after path, JSON [{"path": …, "labels": […]}, …], or JSON lines of such objects'

/** A row before it is checked against the others. */
interface Row {
  readonly path: string
  readonly labels: readonly string[]
  readonly split: string | undefined
  readonly where: string
}

interface Rows {
  /** Of a file with a column for each class. */
  readonly classes?: readonly string[]
  readonly rows: readonly Row[]
}

/**
 * Reads the labels of images; the form is that of the file's name: `.csv`, `.json`, or `.jsonl`.
 *
 * @throws MoietyError `data` that names the line of a row that is malformed, repeats an image or a label, or names a split that is
 *   none
 */
export async function readLabelFile(file: string): Promise<LabelFile> {
  const text = await readText(file)
  const { rows, classes = classesOf(rows) } = rowsOf(file, text)
  if (rows.length === 0) refuse('expected images with their labels, found none', file, forms)
  const labelOf = new Map(classes.map((name, label) => [name, label]))
  const seen = new Map<string, string>()
  const images = rows.map(({ path, labels, split, where }) => {
    if (path.trim() === '') refuse('expected the path of an image, found none', where)
    const key = normalize(path)
    const before = seen.get(key)
    if (before !== undefined)
      refuse(
        `the image ${quoted(path)} is listed twice, before in ${before}`,
        where,
        'list each image once, with all its labels',
      )
    seen.set(key, where)
    return { path, split: splitOf(split, where), labels: placesOf(labels, labelOf, where), where }
  })
  refuseMixedSplits(images)
  return { classes, images }
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
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return refuse('expected text in UTF-8, found other bytes', file, 'save the file again as UTF-8')
  }
}

function rowsOf(file: string, text: string): Rows {
  if (/\.csv$/i.test(file)) return csvRows(file, text)
  if (/\.json$/i.test(file)) return { rows: jsonRows(file, text) }
  if (/\.(jsonl|ndjson)$/i.test(file)) return { rows: jsonLines(file, text) }
  return refuse('expected a labels file that ends in .csv, .json or .jsonl', file, forms)
}

function csvRows(file: string, text: string): Rows {
  const [header, ...records] = parseCsv(text, file)
  const names = (header?.fields ?? []).map(name => name.trim())
  const repeated = names.find((name, i) => names.indexOf(name) !== i)
  const where = `${file}, line ${header?.line ?? 1}`
  if (!names.includes('path'))
    refuse(`expected a header with the column path, found ${quoted(names.join(','))}`, where, forms)
  if (repeated !== undefined) refuse(`found the column ${quoted(repeated)} twice`, where, forms)
  const others = names.filter(name => !['path', 'labels', 'split'].includes(name))
  const hasLists = names.includes('labels')
  if (hasLists && others.length > 0)
    refuse(`expected no columns but path, labels and split, found ${quoted(others[0]!)}`, where, forms)
  if (!hasLists && (others.length === 0 || others.includes('')))
    refuse(
      `expected the column labels, or a named column for each class, found ${quoted(names.join(','))}`,
      where,
      forms,
    )
  const [path, labels, split] = ['path', 'labels', 'split'].map(name => names.indexOf(name))
  const rows = records.map(({ fields, line }) => {
    const place = `${file}, line ${line}`
    return {
      path: fields[path!]!,
      labels: hasLists ? listOf(fields[labels!]!) : marked(names, fields, place),
      split: split! < 0 ? undefined : fields[split!]!,
      where: place,
    }
  })
  return hasLists ? { rows } : { rows, classes: others }
}

/** Labels between ; or |. */
function listOf(text: string): string[] {
  return text.trim() === '' ? [] : text.split(/[;|]/).map(label => label.trim())
}

/** The columns that hold 1. */
function marked(names: readonly string[], fields: readonly string[], where: string): string[] {
  return names.filter((name, i) => {
    if (name === 'path' || name === 'split') return false
    const value = fields[i]!.trim()
    if (value !== '0' && value !== '1')
      refuse(
        `expected 0 or 1 in the column ${quoted(name)}, found ${quoted(value)}`,
        where,
        'write 1 for an image that has the label and 0 for one that does not',
      )
    return value === '1'
  })
}

function jsonRows(file: string, text: string): Row[] {
  const reader = new JsonReader(text, file)
  const rows: Row[] = []
  reader.array('the list of images', () => rows.push(jsonRow(reader, file)))
  reader.end()
  return rows
}

function jsonLines(file: string, text: string): Row[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return []
    const where = `${file}, line ${i + 1}`
    const reader = new JsonReader(line, where)
    const row = jsonRow(reader, file)
    reader.end()
    return [{ ...row, where }]
  })
}

function jsonRow(reader: JsonReader, file: string): Row {
  const where = `${file}, line ${reader.line}`
  let path: string | undefined
  let labels: string[] | undefined
  let split: string | undefined
  reader.object('an image', key => {
    if (key === 'path') path = reader.string('path')
    else if (key === 'split') split = reader.string('split')
    else if (key === 'labels') {
      const list: string[] = []
      reader.array('labels', () => list.push(reader.string('a label')))
      labels = list
    } else reader.refuse(`expected no keys but path, labels and split, found ${quoted(key)}`)
  })
  if (path === undefined || labels === undefined)
    return reader.refuse(
      `expected an image with path and labels, found no ${path === undefined ? 'path' : 'labels'}`,
    )
  return { path, labels, split, where }
}

function classesOf(rows: readonly Row[]): string[] {
  return [...new Set(rows.flatMap(({ labels }) => labels))].sort()
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

function refuseMixedSplits(images: readonly LabelledImage[]): void {
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
