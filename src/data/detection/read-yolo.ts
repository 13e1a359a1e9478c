import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fail } from '../../base/errors.ts'
import { kindOf } from '../../files/disk.ts'
import { quoted } from '../../files/json-reader.ts'
import { pathInside } from '../../files/path-inside.ts'
import { sizeLimits } from '../../files/regular-file.ts'
import type { CocoCategory } from '../coco/annotations.ts'
import { mapConcurrently } from '../map-concurrently.ts'
import type { SplitName } from '../split-names.ts'
import type { BoxFolder, BoxImage, BoxObject, BoxReading, BoxSplit } from './box-folder.ts'
import { divide, divisionInWords } from './divide.ts'
import { imagesBelow, listFolder, refuseLeaving } from './folder-listing.ts'
import { ImageFinder } from './image-finder.ts'
import { readMarkedText } from './text-file.ts'
import { readYoloLine } from './yolo-labels.ts'
import { orderedSplits, stemOf, type YoloFiles } from './yolo-layout.ts'
import { readYoloYaml } from './yolo-yaml.ts'

/**
 * Reads a folder in YOLO's format: a text file an image, a line an object. Images without a label file, or with an empty one, are
 * background.
 *
 * @param root - a real path
 * @param found - by `findYoloFiles`
 * @throws MoietyError of kind `data`: what `readYoloYaml` refuses, a split without images, labels of which a tenth cannot be read,
 *   is of classes without a name, or is in pixels
 */
export async function readYoloFolder(
  root: string,
  found: YoloFiles,
  reading: BoxReading,
): Promise<BoxFolder> {
  const { problems } = reading
  for (const file of [found.yaml, found.names]) if (file !== undefined) await refuseLeaving(file, root)
  const yaml = found.yaml === undefined ? undefined : await readYoloYaml(found.yaml, root, problems)
  const places: ReadonlyMap<SplitName | 'all', readonly string[]> = yaml?.splits.has('train')
    ? yaml.splits
    : found.splits
  const lists = new Map<SplitName | 'all', readonly string[]>()
  const finder = new ImageFinder(root)
  for (const [role, paths] of orderedSplits(places)) {
    const images: string[] = []
    for (const path of paths) images.push(...(await imagesOf(path, root, finder, reading)))
    const unique = [...new Set(images)]
    if (unique.length === 0 && role !== 'train' && role !== 'all') {
      problems.add('absent-split', found.yaml ?? root, role)
      continue
    }
    if (unique.length === 0)
      fail({
        kind: 'data',
        message: 'expected images to train on, found none',
        where: paths[0]!,
        help: 'put the images there, or correct data.yaml; links may not leave the folder',
      })
    if (role !== 'train' && isSame(unique, lists.get('train'))) problems.add('repeated-split', root, role)
    else lists.set(role, unique)
  }
  if (!lists.has('train') && !lists.has('all'))
    fail({
      kind: 'data',
      message: `expected images and labels of train, found ${lists.size === 0 ? 'none' : `only ${[...lists.keys()].join(' and ')}`}`,
      where: found.yaml ?? root,
      help: 'docs/guide/detection-data.md shows the layouts',
    })
  const isWhole = lists.size === 1
  const divided: ReadonlyMap<SplitName | 'all', readonly string[]> = isWhole
    ? divide([...lists.values()][0]!, path => relative(root, path), reading.seed)
    : lists
  const names = found.names === undefined ? undefined : await namesIn(found.names)
  const known = yaml?.categories ?? names
  const labels = await labelFiles([...divided.values()].flat(), root, finder, reading)
  const raw = new Map<SplitName, RawSplit>()
  for (const [role, paths] of divided)
    if (role !== 'all')
      raw.set(role, await readSplit(paths, role, root, labels, yaml?.hasKeypoints ?? false, reading))
  const categories = known ?? numberedClasses([...raw.values()], root, reading)
  const ids = new Set(categories.map(({ id }) => id))
  const splits = new Map<SplitName, BoxSplit>()
  for (const [role, split] of raw) splits.set(role, checkedSplit(split, ids, reading))
  return {
    format: 'yolo',
    layout: [
      ...(found.yaml === undefined ? [] : [basename(found.yaml)]),
      `images in ${[...places.values()]
        .flat()
        .map(path => relative(root, path) || '.')
        .join(', ')}`,
    ].join(', '),
    root,
    categories,
    splits,
    division: isWhole ? divisionInWords(reading.seed) : undefined,
    notices: [],
  }
}

function isSame(paths: readonly string[], others: readonly string[] | undefined): boolean {
  const known = new Set(others)
  return known.size === paths.length && paths.every(path => known.has(path))
}

/** The images of a folder or of a list, whole paths. */
async function imagesOf(
  path: string,
  root: string,
  finder: ImageFinder,
  { problems }: BoxReading,
): Promise<readonly string[]> {
  await refuseLeaving(path, root)
  if (kindOf(path) === 'folder') return (await imagesBelow(path, root)).map(name => join(path, name))
  if (!path.toLowerCase().endsWith('.txt')) return [path]
  const { text, hasMark } = await readMarkedText(path, sizeLimits.imageList)
  if (hasMark) problems.add('byte-order-mark', path, basename(path))
  const lines = text.split(/\r?\n/)
  const images: string[] = []
  for (const [i, line] of lines.entries()) {
    const name = line.trim()
    if (name === '') continue
    const where = `${path}, line ${i + 1}`
    // Ultralytics writes whole paths; those of this folder are as good as relative ones.
    const isOwn = isAbsolute(name) && resolve(name).startsWith(root + sep)
    const own = isOwn ? relative(root, resolve(name)) : name
    const found = await finder.findIn([dirname(path), root], own, where)
    for (const kind of found.spelling) problems.add(kind, path, quoted(name))
    images.push(found.path)
  }
  return images
}

/** Names of classes, one a line. */
async function namesIn(file: string): Promise<readonly CocoCategory[]> {
  const { text } = await readMarkedText(file, sizeLimits.dataYaml)
  const names = text.split(/\r?\n/).map(line => line.trim())
  while (names.at(-1) === '') names.pop()
  return names.map((name, id) => ({ id, name: name === '' ? `class ${id}` : name, supercategory: null }))
}

/** The label file of each image: `labels` for the last `images` of its path, or next to it. Reports label files without an image. */
async function labelFiles(
  images: readonly string[],
  root: string,
  finder: ImageFinder,
  { problems }: BoxReading,
): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  const folders = new Set<string>()
  for (const image of images) {
    const name = `${stemOf(relative(root, image))}.txt`
    const parts = name.split(sep)
    const place = parts.lastIndexOf('images')
    const candidates = [place < 0 ? name : parts.with(place, 'labels').join(sep), name]
    for (const candidate of new Set(candidates)) {
      const path = pathInside(root, candidate, image)
      const absence = await finder.absence(path)
      if (absence === 'missing') continue
      if (absence !== undefined)
        fail({
          kind: 'data',
          message: `expected a label file within ${root}, got ${absence === 'leads-out' ? 'a link that is broken or leaves it' : 'something else'}`,
          where: path,
          help: 'copy the file into the folder',
        })
      files.set(image, path)
      folders.add(dirname(path))
      break
    }
  }
  const used = new Set(files.values())
  const besides = new Set(images.map(path => dirname(path)))
  for (const folder of folders) {
    if (besides.has(folder)) continue
    for (const name of (await listFolder(folder, root)).files) {
      const path = join(folder, name)
      if (/\.txt$/i.test(name) && !/^classes\.txt$/i.test(name) && !used.has(path))
        problems.add('label-without-image', root, quoted(relative(root, path)))
    }
  }
  return files
}

interface RawSplit extends BoxSplit {
  /** Lines that are not empty, and how many of them are no labels. */
  readonly lines: number
  readonly unreadable: number
}

async function readSplit(
  paths: readonly string[],
  role: SplitName,
  root: string,
  labels: ReadonlyMap<string, string>,
  hasKeypoints: boolean,
  { problems, most, progress }: BoxReading,
): Promise<RawSplit> {
  const kept = paths.slice(0, most(role))
  const first = kept.map(path => labels.get(path)).find(path => path !== undefined)
  const source = first === undefined ? dirname(kept[0] ?? root) : dirname(first)
  const images = kept.map(
    (path, i): BoxImage => ({
      ...{ id: i + 1, name: relative(root, path).replaceAll(sep, '/'), path, width: null, height: null },
    }),
  )
  const texts = await mapConcurrently(
    kept,
    async path => {
      const file = labels.get(path)
      return file === undefined
        ? { text: '', hasMark: false }
        : await readMarkedText(file, sizeLimits.imageLabels)
    },
    (done, total) => progress?.({ done, total, what: `reading labels of ${role}` }),
  )
  const objects: BoxObject[] = []
  let [lines, unreadable] = [0, 0]
  for (const [i, { text, hasMark }] of texts.entries()) {
    const { id: imageId, name } = images[i]!
    if (hasMark) problems.add('byte-order-mark', source, quoted(name))
    const seen = new Set<string>()
    const before = objects.length
    for (const [place, line] of text.split(/\r?\n/).entries()) {
      if (line.trim() === '') continue
      lines++
      const example = `${quoted(name)} line ${place + 1}`
      const { object, kind } = readYoloLine(line, hasKeypoints)
      if (kind !== undefined) problems.add(kind, source, example)
      if (object === undefined) {
        unreadable++
        continue
      }
      const key = [object.label, ...object.box].join(' ')
      if (seen.has(key)) {
        problems.add('duplicate-object', source, example)
        continue
      }
      seen.add(key)
      if (kind !== 'outline-box') problems.add('box-area', source, example)
      const { label: categoryId, box, area } = object
      objects.push({ id: objects.length + 1, imageId, categoryId, box, area, crowd: false })
    }
    if (objects.length === before && text.trim() === '')
      problems.add('background-image', source, quoted(name))
  }
  return {
    source,
    folder: dirname(kept[0] ?? root),
    root,
    images,
    objects,
    unit: 'fractions',
    total: paths.length,
    lines,
    unreadable,
  }
}

/** Fraction of lines with a mistake above which labels are refused. */
const mostWrong = 0.1

/** No box ends so far outside of its image, in fractions of it; boxes in pixels do. */
const farOutside = 2

function checkedSplit(
  { lines, unreadable, ...split }: RawSplit,
  ids: ReadonlySet<number>,
  { problems }: BoxReading,
): BoxSplit {
  const { source, images } = split
  const example = (object: BoxObject): string =>
    `${quoted(images[object.imageId - 1]!.name)}: class ${object.categoryId}, ${object.box.map(value => value.toPrecision(4)).join(' ')}`
  const refuse = (message: string, help: string): void => {
    problems.unlessRefused('whole', () => fail({ kind: 'data', message, where: source, help }))
  }
  if (unreadable > mostWrong * lines)
    refuse(
      `expected lines of a class and a box, "class x y width height", or a class and an outline; ${unreadable} of ${lines} lines are not`,
      'correct the labels; they are of another format',
    )
  const far = split.objects.filter(({ box }) => box.some(value => Math.abs(value) > farOutside))
  if (far.length > mostWrong * split.objects.length)
    refuse(
      `expected fractions of the image from 0 to 1; ${far.length} of ${split.objects.length} boxes are outside, they are probably pixels (${example(far[0]!)})`,
      'divide x and width by the width of the image, y and height by its height',
    )
  const unknown = split.objects.filter(({ categoryId }) => !ids.has(categoryId))
  if (unknown.length > mostWrong * split.objects.length)
    refuse(
      `expected classes ${Math.min(...ids)} to ${Math.max(...ids)}, as names has them; ${unknown.length} of ${split.objects.length} objects are of others (${example(unknown[0]!)})`,
      'name all classes in data.yaml or classes.txt; the first is 0',
    )
  for (const object of unknown) problems.add('unknown-category', source, example(object))
  const objects =
    unknown.length === 0 ? split.objects : split.objects.filter(({ categoryId }) => ids.has(categoryId))
  return { ...split, objects }
}

/** Classes by their numbers, where no file names them. */
function numberedClasses(
  splits: readonly BoxSplit[],
  root: string,
  { problems }: BoxReading,
): readonly CocoCategory[] {
  const labels = new Set(splits.flatMap(({ objects }) => objects.map(({ categoryId }) => categoryId)))
  const ids = [...labels].sort((a, b) => a - b)
  for (const id of ids) problems.add('unnamed-classes', root, `class ${id}`)
  return ids.map(id => ({ id, name: `class ${id}`, supercategory: null }))
}
