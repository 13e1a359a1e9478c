import { isImageName } from '../image-names.ts'
import { roleOf } from '../split-names.ts'

/** What the columns of a table of labels are, each by its name. */
export interface Columns {
  readonly path: string
  /** Of one label or several; undefined where each class has a column of 0 and 1. */
  readonly label: string | undefined
  /** Whether the label's name is in the plural: then it is a list. */
  readonly isList: boolean
  readonly split: string | undefined
  /** Columns of classes, where there is no label. */
  readonly classes: readonly string[]
  /** Columns that are not read. */
  readonly others: readonly string[]
}

/** Names of the column of images, as data sets and tools have them, the more certain first. */
const paths = [
  ...['path', 'image', 'file', 'filename', 'filepath', 'imagepath', 'imagefile', 'imagename'],
  ...['imagefilename', 'imagefilepath', 'img', 'imgpath', 'imgname', 'picture', 'photo'],
]
/** These may be other things as well, so that an image must be found by them. */
const doubtfulPaths = ['imageid', 'imgid', 'id', 'name', 'uri']
const lists = ['labels', 'classes', 'categories', 'tags', 'targets']
const labels = [
  ...['label', 'class', 'category', 'target', 'labelname', 'classname', 'categoryname', 'classlabel', 'tag'],
  ...['labelid', 'classid', 'categoryid', 'labelidx', 'classidx', 'classindex', 'labelindex', 'finelabel'],
]
const splits = ['split', 'set', 'subset', 'fold', 'partition', 'splitname', 'dataset']
/** Columns of tables of boxes. */
const boxes = ['xmin', 'ymin', 'xmax', 'ymax', 'bbox', 'boxes']

/** `File_Name` and `file name` are `filename`. */
const plain = (name: string): string => name.toLowerCase().replace(/[\s_.-]/g, '')

function firstOf(names: readonly string[], wanted: readonly string[]): string | undefined {
  for (const one of wanted) {
    const found = names.find(name => plain(name) === one)
    if (found !== undefined) return found
  }
  return undefined
}

/** Whether the first record of a table is its header: none of its fields is the name of an image. */
export function isHeader(fields: readonly string[]): boolean {
  return !fields.some(isImageName)
}

/** Whether columns are by their names those of a table of images, whatever it holds. */
export function hasCertainPath(names: readonly string[]): boolean {
  return firstOf(names, paths) !== undefined
}

export function hasBoxes(names: readonly string[]): boolean {
  return firstOf(names, boxes) !== undefined
}

/** The column of images: by its name, or by the name of the image in the first record. */
export function pathColumn(names: readonly string[], first: readonly string[]): string | undefined {
  return firstOf(names, paths) ?? names[first.findIndex(isImageName)] ?? firstOf(names, doubtfulPaths)
}

/**
 * What each column is.
 *
 * @param first - the fields of the first record
 * @returns undefined where no column is of images, or where two are of labels
 */
export function columnsOf(names: readonly string[], first: readonly string[]): Columns | undefined {
  const path = pathColumn(names, first)
  if (path === undefined) return undefined
  const named = firstOf(
    names.filter(name => name !== path),
    splits,
  )
  // A fold may be a number, and a set anything.
  const isCertain = named !== undefined && /^split/.test(plain(named))
  const split =
    isCertain || roleOf((first[names.indexOf(named ?? '')] ?? '').trim()) !== undefined ? named : undefined
  const all = names.filter(name => name !== path && name !== split)
  // The numbers of rows, which pandas writes.
  const rest = names[0] === '' ? all.filter(name => name !== '') : all
  const list = firstOf(rest, lists)
  const labelled = list ?? firstOf(rest, labels)
  const [only, another] = rest
  const isMark = (name: string): boolean => /^\s*[01](\.0*)?\s*$/.test(first[names.indexOf(name)] ?? '0')
  const label = labelled ?? (only !== undefined && another === undefined && !isMark(only) ? only : undefined)
  const marks = label === undefined ? rest : []
  return {
    ...{ path, label, split, classes: marks, isList: list !== undefined },
    others: all.filter(name => name !== label && !marks.includes(name)),
  }
}

/**
 * The columns of a table without a header: one of images, one of labels, and one of splits where all that it holds are splits.
 *
 * @param isSplit - whether every record has the name of a split at a place
 */
export function columnsByContent(
  first: readonly string[],
  isSplit: (place: number) => boolean,
): Columns | undefined {
  const path = first.findIndex(isImageName)
  const others = first.flatMap((_, place) => (place === path ? [] : [place]))
  const split = first.length > 2 ? others.find(isSplit) : undefined
  const [label, ...more] = others.filter(place => place !== split)
  if (path < 0 || label === undefined) return undefined
  return {
    ...{ path: String(path), label: String(label), isList: false, classes: [] },
    ...{ split: split === undefined ? undefined : String(split), others: more.map(String) },
  }
}

/** The column of one label an image, by its name. */
export function labelColumn(names: readonly string[]): string | undefined {
  return firstOf(names, [...labels, ...lists])
}
