import { posix } from 'node:path'
import { roleOf, type SplitName } from '../../data/split-names.ts'
import { pathColumn } from '../../data/tables/columns.ts'
import { type AttributeRow, type AttributeTable, refuse } from './attribute-table.ts'

/** The images of a split, as rows of a file name them. */
export interface NamedImages {
  readonly split: SplitName
  readonly count: number
  /** Their files, relative to the data's folder; undefined where images have none. */
  readonly names: readonly string[] | undefined
}

export interface JoinedRows {
  /** The row of each image; undefined where the file has none. */
  readonly rows: readonly (AttributeRow | undefined)[]
  /** The columns by which images are found; others are attributes. */
  readonly keys: readonly string[]
}

/**
 * Finds the row of each image: by its number in the split, in a column `image` or `index` of whole numbers, or by its file's
 * name in a column `path` (or as labels files call it). Rows of other splits, by a column `split` or by their paths, are left out.
 *
 * @throws MoietyError `data` for a file without such a column, two rows of one image, a number beyond the split, and where no
 *   row is of an image of the split
 */
export function joinImages(table: AttributeTable, file: string, images: NamedImages): JoinedRows {
  const splitColumn = table.columns.find(
    name => /^split$/i.test(name) && table.rows.every(({ values }) => isSplit(values.get(name))),
  )
  const own =
    splitColumn === undefined
      ? table.rows
      : table.rows.filter(({ values }) => roleOf(String(values.get(splitColumn))) === images.split)
  if (own.length === 0)
    refuse(
      `expected rows of the split ${images.split}, found ${table.rows.length} of others`,
      file,
      'choose the split with --split, or add its images to the file',
    )
  const [first] = table.rows
  const names = table.columns
  const numbered = names.find(
    name =>
      /^(image|index)$/i.test(name) &&
      own.every(({ values }) => /^\d+$/.test(String(values.get(name) ?? ''))),
  )
  const key =
    numbered ??
    pathColumn(
      names,
      names.map(name => String(first?.values.get(name) ?? '')),
    )
  if (key === undefined)
    return refuse(
      `expected a column path or image, found the columns ${names.map(name => JSON.stringify(name)).join(', ')}`,
      file,
    )
  const place =
    numbered === undefined ? placesByPath(own, key, file, images) : placesByNumber(own, key, images)
  const rows = new Array<AttributeRow | undefined>(images.count).fill(undefined)
  for (const [at, row] of own.entries()) {
    const image = place[at]!
    if (image < 0) continue
    const before = rows[image]
    if (before !== undefined)
      refuse(
        `expected one row for each image, found another of ${JSON.stringify(row.values.get(key))}: before in ${before.where}`,
        row.where,
        'leave one of the two out',
      )
    rows[image] = row
  }
  return { rows, keys: [key, ...(splitColumn === undefined ? [] : [splitColumn])] }
}

const isSplit = (value: unknown): boolean => typeof value === 'string' && roleOf(value) !== undefined

function placesByNumber(
  rows: readonly AttributeRow[],
  key: string,
  { count, split }: NamedImages,
): readonly number[] {
  return rows.map(({ values, where }) => {
    const number = Number(values.get(key))
    if (number >= count)
      refuse(
        `expected ${key} from 0 to ${count - 1}, the numbers of the images of the split ${split}, found ${number}`,
        where,
        'number the images of the split that is explained, as routing.parquet does, or name them in a column path; a column split says which rows are of which split',
      )
    return number
  })
}

/**
 * Folders that all paths of the file begin with, and folders that all images of the split are in, may be left out, the fewest
 * that make most paths those of images: each is then still one image's.
 */
function placesByPath(
  rows: readonly AttributeRow[],
  key: string,
  file: string,
  { names, split }: NamedImages,
): readonly number[] {
  const help = `name images by their paths in the data's folder, or by their numbers in the split in a column image`
  if (names === undefined)
    return refuse(
      `expected the column image with numbers in the split, found ${JSON.stringify(key)}: images of this data have no files of their own`,
      file,
      help,
    )
  const paths = rows.map(({ values, where }) => {
    const path = values.get(key) ?? null
    return path === null
      ? refuse(`expected the path of an image in ${key}, found none`, where, help)
      : plain(String(path))
  })
  let best = { found: 0, places: paths.map(() => -1) }
  for (const cutNames of commonFolders(names)) {
    const place = new Map(names.map((name, image) => [name.slice(cutNames), image]))
    for (const cutPaths of commonFolders(paths)) {
      const places = paths.map(path => place.get(path.slice(cutPaths)) ?? -1)
      const found = places.filter(image => image >= 0).length
      if (found > best.found) best = { found, places }
    }
  }
  if (best.found === 0)
    refuse(
      `expected paths of the ${names.length} images of the split ${split}, as ${JSON.stringify(names[0])}, found none in ${rows.length} rows, which begin with ${JSON.stringify(paths[0])}`,
      file,
      help,
    )
  return best.places
}

/** Without `./` and with `/` also where Windows wrote it. */
function plain(path: string): string {
  return posix.normalize(path.includes('/') ? path : path.replaceAll('\\', '/'))
}

/** How many characters of all paths are folders that they share: 0, and after each such folder. */
function commonFolders(paths: readonly string[]): number[] {
  const [first = ''] = paths
  const cuts = [0]
  for (let at = first.indexOf('/'); at >= 0; at = first.indexOf('/', at + 1)) {
    const prefix = first.slice(0, at + 1)
    if (!paths.every(path => path.startsWith(prefix))) break
    cuts.push(prefix.length)
  }
  return cuts
}
