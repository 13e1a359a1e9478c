import { closeSync, readdirSync, readSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fail, MoietyError } from '../../base/errors.ts'
import { parseCsv } from '../../files/csv.ts'
import { kindOf } from '../../files/disk.ts'
import { openRegular } from '../../files/regular-file.ts'
import { decodeText } from '../../files/text.ts'
import { imageEndings } from '../image-names.ts'
import { roleOf, splitNames } from '../split-names.ts'
import { columnsByContent, columnsOf, hasBoxes, hasCertainPath, isHeader } from './columns.ts'
import { usualPlaces } from './image-places.ts'
import { isByImage, type LabelSource, readLabelFiles, separatorOf } from './label-file.ts'

const endings = /\.(csv|tsv|json|jsonl|ndjson)$/i
/** A text may be of anything, so that it is read only where it is given by its path. */
const givenEndings = /\.(csv|tsv|txt|json|jsonl|ndjson)$/i

/** Words next to a split's name in the name of a labels file: `train_labels.csv`. */
const fillers = /[\s_.-]*(labels?|annotations?|metadata|list|files?|classes)[\s_.-]*/gi

/** Tables that look like labels and are predictions. */
const predictions = /submission|prediction/i

/** The labels files of a data set. */
export interface FoundLabels {
  readonly sources: readonly LabelSource[]
  /** Files that look like labels files as well, and are not read. */
  readonly others: readonly string[]
  /** The folder that paths may not leave. */
  readonly root: string
}

/**
 * The labels files that a path means: itself, or those of the folder: one, one for each split, or one in the folder of each split.
 *
 * @throws MoietyError `data` where there is none, or more than one that is not of a split
 */
export function findLabelFiles(path: string): FoundLabels {
  if (kindOf(path) === 'file') return { sources: [{ file: path }], others: [], root: dirname(path) }
  const files = tablesIn(path)
  const bySplit = files.flatMap(file => {
    const split = splitOfFile(file)
    return split === undefined ? [] : [{ file, split }]
  })
  const isSplits =
    bySplit.some(({ split }) => split === 'train') &&
    new Set(bySplit.map(({ split }) => split)).size === bySplit.length
  const named = files.filter(file => splitOfFile(file) === undefined)
  if (isSplits && named.length === 0)
    // A single file needs no split of its own: a part of it is for testing.
    return { sources: bySplit.length === 1 ? [{ file: files[0]! }] : bySplit, others: [], root: path }
  const [file, other] = files
  if (file !== undefined && other === undefined) return { sources: [{ file }], others: [], root: path }
  const below = files.length === 0 ? belowSplits(path) : []
  if (below.some(({ split }) => split === 'train')) return { sources: below, others: [], root: path }
  return fail({
    kind: 'data',
    message:
      file === undefined
        ? `expected a folder with a labels file, as labels.csv or metadata.jsonl, or such a file, found ${kindOf(path) === 'folder' ? 'none of them' : 'nothing'}`
        : `expected one labels file, or one for each split, found ${files.map(each => basename(each)).join(', ')}`,
    where: path,
    help:
      file === undefined
        ? 'docs/guide/your-data.md shows what the file should hold'
        : 'remove all but one, or give the file instead of the folder',
  })
}

function belowSplits(path: string): readonly Required<LabelSource>[] {
  return foldersIn(path).flatMap(name => {
    const split = roleOf(name)
    const [file, other] = split === undefined ? [] : tablesIn(join(path, name))
    return split === undefined || file === undefined || other !== undefined ? [] : [{ file, split }]
  })
}

function splitOfFile(file: string) {
  const stem = basename(file).replace(endings, '').replaceAll(fillers, ' ').trim()
  const split = roleOf(stem)
  return splitNames.find(name => name === split)
}

/** Whether a path is a labels file, or a folder with some: by the names, and of a folder by how the files begin. */
export function holdsLabels(path: string): boolean {
  if (kindOf(path) === 'file') return givenEndings.test(path)
  return tablesIn(path).length > 0 || belowSplits(path).some(({ split }) => split === 'train')
}

/** Whether an image has several labels or none. A file that cannot be read counts as neither; opening it reports why. */
export async function holdsSeveralLabels(path: string): Promise<boolean> {
  try {
    return (await readLabelFiles(findLabelFiles(path).sources)).isSeveral
  } catch (cause) {
    if (cause instanceof MoietyError && cause.kind === 'data') return false
    throw cause
  }
}

/**
 * Why a table of a folder, or of a split's folder in it, is not read as one of labels: its name and what is wrong with it, for errors of
 * a folder that holds nothing else; undefined where there is no table.
 */
export async function unreadLabels(path: string): Promise<string | undefined> {
  const folders = [path, ...foldersIn(path).map(name => join(path, name))].filter(
    folder => folder === path || roleOf(basename(folder)) !== undefined,
  )
  const files = folders.flatMap(folder =>
    entriesOf(folder)
      .filter(({ name }) => givenEndings.test(name) && !name.startsWith('.') && !predictions.test(name))
      .map(({ name }) => join(folder, name)),
  )
  for (const file of files) {
    const shown = relative(path, file)
    const reason = await readLabelFiles([{ file }]).then(
      ({ read }) =>
        /\.txt$/i.test(file)
          ? `it is read where it is given: --data ${file}`
          : `${read} names images that are not found here`,
      (cause: unknown) => {
        if (cause instanceof MoietyError && cause.kind === 'data') return cause.message
        throw cause
      },
    )
    // Whatever is wrong with a text, it may be of anything.
    if (!/\.txt$/i.test(file) || reason.startsWith('it is read')) return `${shown}: ${reason}`
  }
  return undefined
}

/** The files of a folder that begin as labels files do. */
function tablesIn(folder: string): string[] {
  return entriesOf(folder)
    .filter(({ name }) => endings.test(name) && !name.startsWith('.') && !predictions.test(name))
    .map(({ name }) => join(folder, name))
    .filter(file => beginsAsLabels(file, folder))
    .sort()
}

function foldersIn(folder: string): string[] {
  return entriesOf(folder)
    .filter(entry => !entry.name.startsWith('.') && (entry.isDirectory() || entry.isSymbolicLink()))
    .map(({ name }) => name)
    .sort()
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    // One that cannot be listed is skipped; opening the data reports why.
    return []
  }
}

/** So much of a file is read; a header may name thousands of classes. */
const looked = 1 << 18

/** A folder of classes may hold a table of another kind. */
function beginsAsLabels(file: string, folder: string): boolean {
  const bytes = Buffer.alloc(looked)
  let text = ''
  try {
    const descriptor = openRegular(file)
    try {
      text = decodeText(bytes.subarray(0, readSync(descriptor, bytes, 0, looked, 0)))
    } finally {
      closeSync(descriptor)
    }
    return /\.(csv|tsv)$/i.test(file) ? tableBegins(text, file, folder) : recordBegins(text)
  } catch {
    // One that cannot be read says nothing either.
    return false
  }
}

/** The first object of a text has an image and a label. */
function recordBegins(text: string): boolean {
  if (isByImage(text)) return true
  const [object = ''] = /^\s*\[?\s*\{[^}]*\}?/.exec(text) ?? []
  const names = [...object.matchAll(/"([^"\\]{1,100})"\s*:/g)].map(([, name]) => name!)
  if (hasBoxes(names) || !hasCertainPath(names)) return false
  return columnsOf(names, [])?.label !== undefined
}

function tableBegins(text: string, file: string, folder: string): boolean {
  const lines = text.split(/\r?\n/, 3).filter(line => line.trim() !== '')
  const separator = separatorOf(file, text)
  const [top, second] = lines.slice(0, 2).map(line => parseCsv(line, file, separator)[0]?.fields)
  if (top === undefined) return false
  if (!isHeader(top)) return columnsByContent(top, () => false) !== undefined
  const names = top.map(name => name.trim())
  const columns = columnsOf(names, second ?? [])
  if (columns === undefined || hasBoxes(names)) return false
  const isMarked = columns.classes.every(name =>
    /^\s*[01](\.0*)?\s*$/.test(second?.[names.indexOf(name)] ?? '0'),
  )
  if (columns.label === undefined && (columns.classes.length === 0 || !isMarked)) return false
  if (hasCertainPath(names)) return true
  const image = second?.[names.indexOf(columns.path)]?.trim()
  return image !== undefined && image !== '' && usualPlaces(folder).some(place => isImage(place, image))
}

function isImage(place: string, name: string): boolean {
  return ['', ...imageEndings.map(ending => `.${ending}`)].some(
    ending => kindOf(join(place, `${name}${ending}`)) === 'file',
  )
}
