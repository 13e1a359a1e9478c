import { resolve } from 'node:path'
import { kindOf } from '../../files/disk.ts'
import type { BoxFolder, BoxSplit } from '../detection/box-folder.ts'
import type { FoundBoxes } from '../detection/box-formats.ts'
import { ImageFinder } from '../detection/image-finder.ts'
import { scenesOf, uniqueCategories } from '../detection/open-boxes.ts'
import { refuseImplausible } from '../detection/plausible-boxes.ts'
import { Problems } from '../problems.ts'
import { splitNames } from '../split-names.ts'
import type { CheckedImage, ImageListing, ListedImage } from './checked-images.ts'
import type { FoundProblems } from './found-problems.ts'
import { inspectImages, type PassOptions } from './inspect-images.ts'
import { orRefused } from './list-images.ts'
import { scanTree } from './scan-tree.ts'

/** Images with boxes, all of them checked. */
export interface CheckedBoxes extends Omit<ImageListing, 'images'> {
  readonly images: readonly CheckedImage[]
}

/**
 * Checks a folder of images with boxes. Where its annotations are refused, its images are checked all the same.
 *
 * @param found - by `findBoxes`
 */
export async function checkBoxes(
  directory: string,
  found: FoundBoxes,
  problems: FoundProblems,
  pass: PassOptions,
): Promise<CheckedBoxes> {
  const format = new Problems((part, error) =>
    problems.addError(part === 'record' ? 'bad-record' : 'refused', error),
  )
  const reading = { problems: format, seed: 0, most: () => Number.POSITIVE_INFINITY, progress: pass.progress }
  const common = { kind: found.format, task: 'detection', hasDeclaredClasses: true } as const
  const onUnreadable = ({ path }: ListedImage, reason: string): void =>
    problems.add('unreadable', `${problems.pathOf(path)}: ${reason}`)
  // For files that are not part of the data.
  const isFolder = kindOf(directory) === 'folder'
  const { images: scanned } = isFolder
    ? await scanTree(directory, problems, 'by their names')
    : { images: [] }
  const folder = await found.read(reading).catch(orRefused(problems))
  const categories =
    folder && (await Promise.resolve(folder).then(uniqueCategories).catch(orRefused(problems)))
  if (folder === undefined || categories === undefined) {
    const listed = splitNames.flatMap(split =>
      scanned.filter(each => each.split === split).map(({ path }) => ({ path, split, labels: [] })),
    )
    const images = await inspectImages(listed, onUnreadable, pass)
    return { ...common, classes: [], images, division: undefined, notices: [] }
  }
  const labels = new Map(categories.map(({ id }, label) => [id, label]))
  const usable: CheckedImage[] = []
  const listed = await listedImages(folder, problems)
  const checked = await inspectImages(listed, onUnreadable, pass)
  for (const [name, split] of folder.splits) {
    const own = checked.filter(image => image.split === name && hasStatedSize(image, problems))
    const sized = own.map(({ id, path, width, height, stated, orientation }) => ({
      id: id!,
      name: problems.pathOf(path),
      ...{ path, width, height },
      // Boxes of annotations that say sizes are of pixels as they are stored.
      orientation: stated === undefined ? orientation : 1,
    }))
    if (split.unit === 'pixels')
      for (const image of own)
        if (image.stated === undefined) format.add('missing-size', split.source, problems.pathOf(image.path))
    const scenes = checkedScenes(sized, split, folder, labels, { format, problems })
    for (const [i, { objects }] of scenes.entries())
      usable.push({ ...own[i]!, objects, labels: [...new Set(objects.map(({ label }) => label))] })
  }
  problems.addAll(format.list(folder.root))
  return {
    ...common,
    classes: categories.map(({ name }) => name),
    images: usable,
    division: folder.division,
    notices: [`annotations: ${folder.layout}`, ...folder.notices],
  }
}

/** The images of all splits that are there. */
async function listedImages(folder: BoxFolder, problems: FoundProblems): Promise<readonly ListedImage[]> {
  const listed: ListedImage[] = []
  const splits = new Map<string, string>()
  for (const split of splitNames) {
    const own = folder.splits.get(split)
    const finder = new ImageFinder(own?.root ?? folder.root)
    for (const { id, path, width, height } of own?.images ?? []) {
      const absence = await finder.absence(path)
      if (absence !== undefined) {
        problems.add(absence, problems.pathOf(path))
        continue
      }
      const before = splits.get(resolve(path))
      if (before !== undefined && before !== split) problems.add('image-in-two-splits', problems.pathOf(path))
      splits.set(resolve(path), split)
      const stated = width === null || height === null ? undefined : { width, height }
      listed.push({ path, split, labels: [], id, stated })
    }
  }
  return listed
}

function hasStatedSize({ path, width, height, stated }: CheckedImage, problems: FoundProblems): boolean {
  if (stated === undefined || (stated.width === width && stated.height === height)) return true
  problems.add(
    'other-size',
    `${problems.pathOf(path)}: ${width}×${height} pixels, ${stated.width}×${stated.height} in the annotations`,
  )
  return false
}

type SizedImages = Parameters<typeof scenesOf>[0]

/** Scenes with their objects, whether or not the boxes are plausible. */
function checkedScenes(
  images: SizedImages,
  split: BoxSplit,
  folder: BoxFolder,
  labels: ReadonlyMap<number, number>,
  { format, problems }: { readonly format: Problems; readonly problems: FoundProblems },
) {
  const of = (implausibleBoxes: 'stop' | 'accept', found: Problems) =>
    scenesOf(images, split, { folder, labels, options: { implausibleBoxes }, problems: found })
  try {
    if (split.unit === 'pixels') refuseImplausible(split.images, split.objects, split.source)
    else of('stop', new Problems())
  } catch (cause) {
    orRefused(problems, 'implausible-boxes')(cause)
  }
  return of('accept', format)
}
