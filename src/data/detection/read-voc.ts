import { join, relative, sep } from 'node:path'
import { fail } from '../../base/errors.ts'
import { kindOf } from '../../files/disk.ts'
import { quoted } from '../../files/json-reader.ts'
import { sizeLimits } from '../../files/regular-file.ts'
import type { Box } from '../coco/record.ts'
import { mapConcurrently } from '../map-concurrently.ts'
import { type SplitName, splitNames } from '../split-names.ts'
import type { BoxFolder, BoxImage, BoxObject, BoxReading, BoxSplit } from './box-folder.ts'
import { divide, divisionInWords } from './divide.ts'
import { imagesBelow, listFolder, refuseLeaving } from './folder-listing.ts'
import { ImageFinder } from './image-finder.ts'
import { readMarkedText } from './text-file.ts'
import type { VocFiles, VocPlace } from './voc-layout.ts'
import { readVocXml, type VocFile } from './voc-xml.ts'
import { orderedSplits, stemOf } from './yolo-layout.ts'

interface Annotated {
  /** The name of the annotation file without its ending. */
  readonly stem: string
  readonly path: string
  readonly place: VocPlace
}

interface Read extends Annotated {
  readonly xml: VocFile
}

/**
 * Reads a folder in Pascal VOC's format: an XML file an image. All files are read, whatever the limit, because classes are the names
 * in them.
 *
 * Corners are pixels counted from 1, both inclusive (VOC devkit, section 2.2): the box of xmin … xmax begins at xmin − 1 and is
 * xmax − xmin + 1 wide. Many tools count from 0 instead; where any corner is below 1, all are read so, as edges.
 *
 * @param root - a real path
 * @param found - by `findVocFiles`
 */
export async function readVocFolder(root: string, found: VocFiles, reading: BoxReading): Promise<BoxFolder> {
  const { progress } = reading
  const lists = new Map<SplitName | 'all', readonly Annotated[]>()
  for (const [role, place] of orderedSplits(found.places)) {
    await refuseLeaving(place.annotations, root)
    await refuseLeaving(place.images, root)
    const { files } = await listFolder(place.annotations, root)
    const xmls = files.filter(name => /\.xml$/i.test(name))
    lists.set(
      role,
      xmls.map(name => ({ stem: stemOf(name), path: join(place.annotations, name), place })),
    )
  }
  const all = lists.get('all')
  const sets =
    all === undefined || found.sets === undefined
      ? undefined
      : await splitBySets(all, found.sets, root, reading)
  const given = sets ?? lists
  const isWhole = given.size === 1
  if (!isWhole && !given.has('train'))
    fail({
      kind: 'data',
      message: `expected annotations of train, found only those of ${[...given.keys()].join(' and ')}`,
      where: found.sets ?? root,
      help: 'add train.txt or trainval.txt, or the folder train',
    })
  const divided: ReadonlyMap<SplitName | 'all', readonly Annotated[]> = isWhole
    ? divide([...given.values()][0]!, ({ path }) => relative(root, path), reading.seed)
    : given
  const read = new Map<SplitName, readonly Read[]>()
  for (const [role, files] of divided) {
    if (role === 'all') continue
    const onProgress = (done: number, total: number) =>
      progress?.({ done, total, what: `reading annotations of ${role}` })
    const xmls = await mapConcurrently(
      files,
      async file => {
        await refuseLeaving(file.path, root)
        return await readVocXml(file.path).catch(reading.problems.orRefused('record'))
      },
      onProgress,
    )
    const readable = files.flatMap((file, i) => {
      const xml = xmls[i]
      return xml === undefined ? [] : [{ ...file, xml }]
    })
    if (readable.length > 0 || files.length === 0) read.set(role, readable)
  }
  const objects = [...read.values()].flat().flatMap(({ xml }) => xml.objects)
  const names = [...new Set(objects.map(({ name }) => name))].sort()
  const isFromZero = objects.some(
    ({ corners }) => corners !== undefined && Math.min(corners[0], corners[1]) < 1,
  )
  const categories = names.map((name, i) => ({ id: i + 1, name, supercategory: null }))
  const ids = new Map(categories.map(({ id, name }) => [name, id]))
  const splits = new Map<SplitName, BoxSplit>()
  for (const [role, files] of read)
    splits.set(
      role,
      await splitOf(files, {
        source: sets === undefined ? files[0]!.place.annotations : join(found.sets!, `${role}.txt`),
        ids,
        isFromZero,
        root,
        reading,
      }),
    )
  if (sets === undefined) await reportUnannotated([...read.values()].flat(), splits, root, reading)
  const places = [...found.places.values()].map(({ annotations }) => relative(root, annotations) || '.')
  return {
    format: 'voc',
    layout: `${[...new Set(places)].join(', ')}${found.sets === undefined ? '' : ', ImageSets/Main'}`,
    root,
    categories,
    splits,
    division: isWhole ? divisionInWords(reading.seed) : undefined,
    notices: [],
  }
}

/** By `train.txt`, `val.txt` and `test.txt`; `trainval.txt` for what these leave out. Undefined where there are none of them. */
async function splitBySets(
  all: readonly Annotated[],
  sets: string,
  root: string,
  { problems }: BoxReading,
): Promise<ReadonlyMap<SplitName | 'all', readonly Annotated[]> | undefined> {
  await refuseLeaving(sets, root)
  const byStem = new Map(all.map(each => [each.stem, each]))
  const listOf = async (name: string): Promise<readonly string[] | undefined> => {
    const path = join(sets, `${name}.txt`)
    if (kindOf(path) !== 'file') return undefined
    await refuseLeaving(path, root)
    const { text } = await readMarkedText(path, sizeLimits.imageList)
    const stems = text.split(/\r?\n/).map(line => line.trim().split(/\s+/)[0]!)
    return [...new Set(stems.filter(stem => stem !== ''))]
  }
  const stems = new Map<SplitName, readonly string[]>()
  for (const name of splitNames) {
    const list = await listOf(name)
    if (list !== undefined) stems.set(name, list)
  }
  const both = await listOf('trainval')
  if (both !== undefined) {
    if (!stems.has('train')) {
      const validated = new Set(stems.get('val'))
      stems.set(
        'train',
        both.filter(stem => !validated.has(stem)),
      )
    } else if (!stems.has('val')) {
      const trained = new Set(stems.get('train'))
      const rest = both.filter(stem => !trained.has(stem))
      if (rest.length > 0) stems.set('val', rest)
    }
  }
  const splits = new Map<SplitName, readonly Annotated[]>()
  for (const name of splitNames) {
    const files = stems.get(name)?.flatMap(stem => {
      const file = byStem.get(stem)
      if (file === undefined) problems.add('missing-annotation', join(sets, `${name}.txt`), quoted(stem))
      return file ?? []
    })
    // As of VOC2012's test images, whose annotations are not published.
    if (files !== undefined && files.length > 0) splits.set(name, files)
  }
  return splits.size === 0 ? undefined : splits
}

interface SplitContext {
  readonly source: string
  /** Of the classes, by name. */
  readonly ids: ReadonlyMap<string, number>
  /** Whether corners are counted from 0. */
  readonly isFromZero: boolean
  readonly root: string
  readonly reading: BoxReading
}

async function splitOf(
  files: readonly Read[],
  { source, ids, isFromZero, root, reading }: SplitContext,
): Promise<BoxSplit> {
  const { problems } = reading
  const place = files[0]!.place
  const finder = new ImageFinder(root)
  const stems = new Map<string, ReadonlyMap<string, string>>()
  const images: BoxImage[] = []
  const objects: BoxObject[] = []
  for (const [i, { stem, path: file, place: own, xml }] of files.entries()) {
    const known = stems.get(own.images) ?? (await namesByStem(own.images, root))
    stems.set(own.images, known)
    // The file's name decides, as in the devkit: tools often leave that of another image in <filename>.
    const named = known.get(stem)
    const found =
      named === undefined
        ? await finder.find(own.images, xml.filename ?? `${stem}.jpg`, `${file}, filename`)
        : { path: join(own.images, named), spelling: [] }
    const { path, spelling } = found
    const name = relative(root, path).replaceAll(sep, '/')
    for (const kind of spelling) problems.add(kind, source, quoted(name))
    images.push({ id: i + 1, name, path, width: xml.width, height: xml.height })
    if (xml.objects.length === 0) problems.add('background-image', source, quoted(name))
    const seen = new Set<string>()
    for (const [at, object] of xml.objects.entries()) {
      const { name: category, corners, difficult } = object
      const example = `${quoted(relative(root, file))} object ${at + 1}`
      const box = corners && boxOf(corners, isFromZero)
      if (box === undefined) {
        problems.add('object-without-box', source, example)
        continue
      }
      const key = [category, ...box].join(' ')
      if (seen.has(key)) {
        problems.add('duplicate-object', source, example)
        continue
      }
      seen.add(key)
      problems.add('box-area', source, example)
      problems.add(isFromZero ? 'corners-from-0' : 'corners-from-1', source, example)
      if (difficult) problems.add('difficult', source, example)
      objects.push({
        ...{ id: objects.length + 1, imageId: i + 1, categoryId: ids.get(category)!, box },
        ...{ area: box[2] * box[3], crowd: difficult },
      })
    }
  }
  return { source, folder: place.images, root, images, objects, unit: 'pixels', total: images.length }
}

/** Undefined where a corner is on the wrong side of the other. */
function boxOf(
  [x1, y1, x2, y2]: readonly [number, number, number, number],
  isFromZero: boolean,
): Box | undefined {
  const inclusive = isFromZero ? 0 : 1
  const [width, height] = [x2 - x1 + inclusive, y2 - y1 + inclusive]
  return width < 0 || height < 0 ? undefined : [x1 - inclusive, y1 - inclusive, width, height]
}

async function namesByStem(folder: string, root: string): Promise<ReadonlyMap<string, string>> {
  const names = await imagesBelow(folder, root)
  // Those in the folder itself before those below it.
  const byDepth = names.toSorted((a, b) => b.split('/').length - a.split('/').length)
  return new Map(byDepth.map(name => [stemOf(name.slice(name.lastIndexOf('/') + 1)), name]))
}

async function reportUnannotated(
  files: readonly Read[],
  splits: ReadonlyMap<SplitName, BoxSplit>,
  root: string,
  { problems }: BoxReading,
): Promise<void> {
  const used = new Set([...splits.values()].flatMap(({ images }) => images.map(({ path }) => path)))
  for (const folder of new Set(files.map(({ place }) => place.images)))
    for (const name of await imagesBelow(folder, root))
      if (!used.has(join(folder, name))) problems.add('unannotated-image', root, quoted(name))
}
