import { createHash } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { basename, dirname, relative } from 'node:path'
import { fail, MoietyError } from '../../base/errors.ts'
import { openParquet, type ParquetFile, type RowRange, readParquet } from '../../files/parquet.ts'
import { pathInside, staysWithin } from '../../files/path-inside.ts'
import { openRegularFile, readRegularFile } from '../../files/regular-file.ts'
import type { OnProgress } from '../dataset.ts'
import { mostBytes, UnreadableImage } from '../image.ts'
import { type SplitName, splitNames } from '../split-names.ts'
import { leftOutColumns } from '../tables/label-file.ts'
import { filesNamed, homeOf, splitsOfFiles } from './container-files.ts'
import { classesOfLabels, type LabelValue, labelValue } from './label-values.ts'
import type { LabelledImage, LabelledImages, ReadOptions } from './labelled-images.ts'
import { type ParquetColumns, parquetColumns } from './parquet-features.ts'

const pattern = /\.parquet$/i

/** Whether a folder has Parquet files with images and labels, or is such a file; one that cannot be read is opened to say why. */
export async function holdsParquet(directory: string): Promise<boolean> {
  const [first] = await filesNamed(directory, pattern)
  if (first === undefined) return false
  if ((await filesNamed(directory, /\.(jpe?g|png)$/i)).length === 0) return true
  try {
    return (await parquetColumns(await openParquet(first), directory)) !== undefined
  } catch (cause) {
    if (cause instanceof MoietyError && cause.kind === 'data') return false
    throw cause
  }
}

/** An image in a row of a file. */
interface RowImage extends LabelledImage {
  readonly place: string
}

interface Row {
  readonly file: ParquetFile
  readonly split: SplitName
  /** From 0 in the file. */
  readonly row: number
  readonly label: LabelValue
  readonly coarse: LabelValue | undefined
}

/**
 * Images in Parquet files, as Hugging Face's `datasets` writes them: a column of images (`{ bytes, path }`, or bytes) and one of labels.
 * Only labels are read now; images are read with their row group when they are decoded.
 *
 * @throws MoietyError `data` for files that are damaged or refused, or have no images or labels
 */
export async function readParquetImages(
  directory: string,
  { followLinks }: ReadOptions,
  progress?: OnProgress,
): Promise<LabelledImages> {
  const home = homeOf(directory)
  const paths = await filesNamed(directory, pattern)
  const found = await splitsOfFiles(directory, paths, followLinks)
  const rows: Row[] = []
  let unlabelled = 0
  let columns: ParquetColumns | undefined
  const files: ParquetFile[] = []
  for (const split of splitNames)
    for (const path of found[split] ?? []) {
      const file = await openParquet(path)
      columns ??= await parquetColumns(file, home)
      if (columns === undefined) refuseColumns(file)
      unlabelled += await readLabels(file, split, columns, rows)
      files.push(file)
      progress?.({ done: files.length, total: paths.length, what: 'reading labels' })
    }
  if (columns === undefined || rows.length === 0)
    return fail({ kind: 'data', message: 'expected images with labels, found none', where: directory, help })
  const { image, label, coarse } = columns
  const where = (at: number): string => `${rows[at]!.file.path}, row ${rows[at]!.row}`
  const { classes, places } = classesOfLabels(
    rows.map(row => row.label),
    columns.classes,
    where,
  )
  const superclasses = superclassesOf(rows, places, classes.length, columns, where)
  const groups = new GroupCache(columns, followLinks ? undefined : await realpath(home))
  const images = rows.map(({ file, row, split }, at): RowImage & { readonly split: SplitName } => ({
    path: `${file.path}, row ${row}`,
    place: `${relative(home, file.path)} ${row}`,
    label: places[at]!,
    container: file.path,
    group: groups.nameOf(file, row),
    isElsewhere: () => groups.isElsewhere(file, row),
    read: () => groups.image(file, row),
    split,
  }))
  const of = (split: SplitName) => (found[split] ? images.filter(each => each.split === split) : undefined)
  const counts = `${files.length} Parquet ${files.length === 1 ? 'file' : 'files'}`
  const names = [image, label, ...(coarse === undefined ? [] : [coarse])].join(', ')
  const left = found.others.map(path => basename(path))
  return {
    container: home === directory ? undefined : 'file',
    ...{ classes, hasDeclaredClasses: columns.classes !== undefined },
    superclasses: superclasses?.names,
    superclassOf: superclasses?.of,
    ...{ train: of('train')!, val: filled(of('val')), test: filled(of('test')) },
    notices: [
      `images are from ${counts} (${names})${columns.classes === undefined ? '; classes have no names in it' : ''}`,
      ...leftOutColumns(columns.others),
      ...(unlabelled > 0 ? [`${unlabelled} rows without a label are left out`] : []),
      ...(left.length > 0 ? [`files of no split, which are left out: ${left.slice(0, 5).join(', ')}`] : []),
    ],
    content: chosen => contentOf(files, chosen as readonly RowImage[]),
  }
}

const filled = <T>(list: readonly T[] | undefined): readonly T[] | undefined =>
  list === undefined || list.length === 0 ? undefined : list

const help =
  'expected a column of images ({ bytes, path }, or bytes) and one of labels (label, class, …), as Hugging Face has them: docs/guide/your-data.md'

function refuseColumns(file: ParquetFile): never {
  const names = file.metadata.schema.slice(1, 9).map(({ name }) => name)
  return fail({
    kind: 'data',
    message: `expected a column of images and one of labels, found ${names.join(', ')}`,
    where: file.path,
    help,
  })
}

/** Adds the labelled rows of a file. @returns how many have no label */
async function readLabels(
  file: ParquetFile,
  split: SplitName,
  { label, coarse }: ParquetColumns,
  into: Row[],
): Promise<number> {
  let without = 0
  for (const range of file.groups) {
    const names = coarse === undefined ? [label] : [label, coarse]
    const values = await readParquet(file, names, range)
    for (const [i, value] of values.entries()) {
      const row = range.start + i
      const own = labelValue(value[label])
      // A data set without labels of its own has −1 there.
      if (own === undefined || (typeof own === 'number' && own < 0)) without++
      else
        into.push({
          file,
          split,
          row,
          label: own,
          coarse: coarse === undefined ? undefined : labelValue(value[coarse]),
        })
    }
  }
  return without
}

/** The superclass of each class; undefined where there are none, or a class has two. */
function superclassesOf(
  rows: readonly Row[],
  places: Int32Array,
  classes: number,
  { coarse, superclasses }: ParquetColumns,
  where: (at: number) => string,
): { readonly names: readonly string[]; readonly of: readonly number[] } | undefined {
  if (coarse === undefined || rows.some(row => row.coarse === undefined)) return undefined
  const own = classesOfLabels(
    rows.map(row => row.coarse!),
    superclasses,
    where,
  )
  const of = new Array<number>(classes).fill(-1)
  for (const [at, place] of places.entries()) {
    if (of[place] !== -1 && of[place] !== own.places[at]) return undefined
    of[place] = own.places[at]!
  }
  return { names: own.classes, of }
}

/** Bytes of images, as they are in the files, that stay in memory. */
const mostKept = 256 << 20

type Rows = readonly Record<string, unknown>[]

/** Reads images with all of their row group, and keeps the groups that were used last. */
class GroupCache {
  readonly #groups = new Map<string, Promise<Rows>>()
  readonly #bytes = new Map<string, number>()
  readonly #elsewhere = new Set<string>()

  constructor(
    readonly columns: ParquetColumns,
    /** The folder that images in files of their own may not be out of. */
    readonly root: string | undefined,
  ) {}

  nameOf(file: ParquetFile, row: number): string {
    return `${rangeOf(file, row).start} ${file.path}`
  }

  /** Whether an image that was read is in a file of its own. */
  isElsewhere(file: ParquetFile, row: number): boolean {
    return this.#elsewhere.has(`${row} ${file.path}`)
  }

  async image(file: ParquetFile, row: number): Promise<Uint8Array> {
    const range = rangeOf(file, row)
    const rows = await this.#group(file, range)
    const { bytes, path } = partsOf(rows[row - range.start]![this.columns.image], this.columns.isPath)
    if (bytes instanceof Uint8Array) return bytes
    const where = `${file.path}, row ${row}`
    if (typeof path !== 'string') throw new UnreadableImage(where, 'there is no image in this row')
    this.#elsewhere.add(`${row} ${file.path}`)
    return await this.#file(dirname(file.path), path, where)
  }

  async #group(file: ParquetFile, range: RowRange): Promise<Rows> {
    const key = `${range.start} ${file.path}`
    const group = this.#groups.get(key) ?? readParquet(file, [this.columns.image], range)
    this.#groups.delete(key)
    this.#groups.set(key, group)
    const rows = await group.catch((cause: unknown) => {
      this.#groups.delete(key)
      throw cause
    })
    if (!this.#bytes.has(key)) this.#bytes.set(key, this.#bytesOf(rows))
    this.#forget()
    return rows
  }

  #bytesOf(rows: Rows): number {
    const sizes = rows.map(row => partsOf(row[this.columns.image], this.columns.isPath).bytes)
    return sizes.reduce<number>((sum, own) => sum + (own instanceof Uint8Array ? own.length : 0), 0)
  }

  /** Those used first, until the others fit; the last one stays. */
  #forget(): void {
    const kept = [...this.#groups.keys()]
    let total = kept.reduce((sum, key) => sum + (this.#bytes.get(key) ?? 0), 0)
    for (const key of kept.slice(0, -1)) {
      if (total <= mostKept) return
      total -= this.#bytes.get(key) ?? 0
      this.#groups.delete(key)
      this.#bytes.delete(key)
    }
  }

  async #file(folder: string, name: string, where: string): Promise<Uint8Array> {
    const path = pathInside(folder, name, where)
    if (this.root !== undefined && !(await staysWithin(path, this.root)))
      throw new UnreadableImage(where, `its file ${path} is missing, or a link that leads out of the folder`)
    return await readRegularFile(path, mostBytes)
  }
}

const rangeOf = (file: ParquetFile, row: number): RowRange =>
  file.groups.find(({ start, end }) => row >= start && row < end)!

function partsOf(value: unknown, isPath: boolean): { readonly bytes?: unknown; readonly path?: unknown } {
  if (isPath) return { path: value }
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
    ? value
    : { bytes: value }
}

/** Parts of a file that are hashed, and their size. */
const parts = 64
const partBytes = 1 << 16

/** A hash of the files' sizes, their footers, which has the place and size of every column, and parts that are spread over them. */
async function contentOf(files: readonly ParquetFile[], chosen: readonly RowImage[]): Promise<string> {
  const hash = createHash('sha256')
  for (const { path, bytes } of files) {
    hash.update(`${bytes} `)
    const file = await openRegularFile(path)
    try {
      const buffer = new Uint8Array(partBytes)
      const starts = Array.from({ length: parts }, (_, i) => Math.floor((i * bytes) / parts))
      for (const start of [...starts, Math.max(0, bytes - partBytes)]) {
        const { bytesRead } = await file.read(buffer, 0, partBytes, start)
        hash.update(buffer.subarray(0, bytesRead))
      }
    } finally {
      await file.close()
    }
  }
  for (const { place, label } of chosen) hash.update(`${place.replace(/^.* /, '')} ${label};`)
  return hash.digest('hex')
}
