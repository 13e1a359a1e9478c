import sharp from 'sharp'
import { MoietyError } from '../../base/errors.ts'
import { openCifar } from '../cifar.ts'
import type { OnProgress, Split } from '../dataset.ts'
import { splitByFile } from '../folder-split.ts'
import { homeOf } from '../labelled/container-files.ts'
import type { LabelledImages, ReadOptions } from '../labelled/labelled-images.ts'
import { holdsParquet, readParquetImages } from '../labelled/parquet-images.ts'
import { readFolders } from '../labelled/read-labelled.ts'
import { holdsShards, readShardImages } from '../labelled/shard-images.ts'
import { splitByLabels } from '../multi-label/label-splits.ts'
import { type SplitName, splitNames } from '../split-names.ts'
import { findLabelFiles, holdsLabels } from '../tables/find-label-files.ts'
import { inOrder, readLabelFiles } from '../tables/label-file.ts'
import { leftOutPrefixes, locateImages } from '../tables/locate-images.ts'
import type { ImageListing, ListedImage } from './checked-images.ts'
import type { FoundProblems } from './found-problems.ts'
import { scanTree } from './scan-tree.ts'

/** How images are divided for training where the data has no splits. */
const division = 'no splits, so a fifth of the images is for testing (data.seed 0)'

/** What is left to try after a reader has refused a data set: the error is a problem, its text the example. */
export function orRefused(
  problems: FoundProblems,
  kind: 'refused' | 'implausible-boxes' = 'refused',
): (cause: unknown) => undefined {
  return cause => {
    if (!(cause instanceof MoietyError) || cause.kind !== 'data') throw cause
    problems.addError(kind, cause)
    return undefined
  }
}

interface ListOptions {
  readonly followLinks?: boolean | undefined
  readonly progress?: OnProgress | undefined
}

/**
 * Lists the labelled images of a folder or of a labels file, as training would read them. Where training would refuse the data, what
 * can be listed all the same.
 */
export async function listImages(
  directory: string,
  problems: FoundProblems,
  { followLinks = false, progress }: ListOptions,
): Promise<ImageListing> {
  const options = { unreadable: 'skip', followLinks } as const
  if (holdsLabels(directory)) {
    const table = await listTable(directory, options, problems).catch(orRefused(problems))
    return table ?? (await listTree(directory, 'table', problems, followLinks))
  }
  if (await holdsParquet(directory)) {
    const read = await readParquetImages(directory, options, progress).catch(orRefused(problems))
    return listingOf('parquet', read, problems)
  }
  if (await holdsShards(directory)) {
    const read = await readShardImages(directory, options, progress).catch(orRefused(problems))
    return listingOf('webdataset', read, problems)
  }
  const read = await readFolders(directory, options).catch(orRefused(problems))
  if (read === undefined) return await listTree(directory, 'folder', problems, followLinks)
  // For what reading leaves out.
  await scanTree(directory, problems, 'every file in a class', followLinks)
  return listingOf('folder', read, problems)
}

function listingOf(
  kind: ImageListing['kind'],
  read: LabelledImages | undefined,
  problems: FoundProblems,
): ImageListing {
  const task = 'classification'
  if (read === undefined)
    return {
      kind,
      task,
      classes: [],
      hasDeclaredClasses: false,
      images: [],
      division: undefined,
      notices: [],
    }
  for (const { path, reason } of read.skipped ?? [])
    problems.add('missing', `${problems.pathOf(path)}: ${reason}`)
  const isDivided = read.val !== undefined || read.test !== undefined
  const splits = isDivided ? read : splitByFile(read.train, read.classes.length, 0)
  const of = (split: SplitName): readonly ListedImage[] =>
    ((split === 'val' ? read.val : splits[split]) ?? []).map(({ label, ...file }) => ({
      ...file,
      split,
      labels: [label],
    }))
  return {
    ...{ kind, task, classes: read.classes, hasDeclaredClasses: read.hasDeclaredClasses === true },
    images: splitNames.flatMap(of),
    division: isDivided ? undefined : division,
    notices: read.notices,
  }
}

/** A labels file with one label an image, or several; rows that training refuses are left out. */
async function listTable(
  directory: string,
  options: ReadOptions,
  problems: FoundProblems,
): Promise<ImageListing> {
  const { sources, root } = findLabelFiles(directory)
  const { classes, images, isSeveral, read } = await readLabelFiles(sources, row =>
    problems.addError('bad-row', row),
  )
  const { images: located, missing, prefixes } = await locateImages(images, { ...options, root })
  for (const { path, reason } of missing) problems.add('missing', `${problems.pathOf(path)}: ${reason}`)
  const isDivided = located.some(({ split }) => split !== undefined && split !== 'train')
  const divided = isDivided
    ? undefined
    : isSeveral
      ? splitByLabels(located, classes.length, 0)
      : splitByFile(
          located.map(image => ({ ...image, label: image.labels[0]! })),
          classes.length,
          0,
        )
  const of = (split: SplitName): readonly ListedImage[] => {
    const own =
      divided === undefined
        ? located.filter(image => (image.split ?? 'train') === split)
        : split === 'val'
          ? []
          : divided[split]
    return own.map(({ path, bytes, labels }) => ({ path, bytes, labels, split }))
  }
  return {
    kind: 'table',
    task: isSeveral ? 'multi-label' : 'classification',
    ...{ classes, hasDeclaredClasses: false },
    images: splitNames.flatMap(of),
    division: isDivided ? undefined : division,
    notices: [`labels are from ${read}`, ...leftOutPrefixes(prefixes)],
  }
}

/** Images of a folder that training refuses, by the folders that they are in. */
async function listTree(
  directory: string,
  kind: ImageListing['kind'],
  problems: FoundProblems,
  followLinks: boolean,
): Promise<ImageListing> {
  const { images, folders } = await scanTree(
    homeOf(directory),
    problems,
    kind === 'folder' ? 'every file in a class' : 'by their names',
    followLinks,
  )
  const inClasses = images.filter(({ className, path }) => {
    if (className === '') problems.add('misplaced-file', problems.pathOf(path))
    return className !== ''
  })
  const classes = inOrder(inClasses.map(({ className }) => className))
  const trained = new Set(
    inClasses.filter(({ split }) => split === 'train').map(({ className }) => className),
  )
  for (const { className, split } of folders) if (split === 'train') problems.add('empty-class', className)
  for (const name of classes) if (!trained.has(name)) problems.add('unknown-class', name)
  const labels = new Map(classes.map((name, label) => [name, label]))
  const listed = inClasses.map(({ path, split, className }) => ({
    ...{ path, split },
    labels: [labels.get(className)!],
  }))
  return {
    ...{ kind, task: 'classification', classes, hasDeclaredClasses: false, division: undefined, notices: [] },
    images: splitNames.flatMap(split => listed.filter(image => image.split === split)),
  }
}

/** CIFAR, each image as a PNG. */
export async function listCifar(
  name: 'cifar10' | 'cifar100',
  directory: string,
  problems: FoundProblems,
): Promise<ImageListing> {
  const data = await openCifar(name, directory).catch(orRefused(problems))
  const of = (split: 'train' | 'test', { length, labels, load }: Split): ListedImage[] =>
    Array.from({ length }, (_, i) => ({
      path: `${split}/${String(i).padStart(5, '0')}.png`,
      ...{ split, labels: [labels[i]!] },
      read: async () => await pngOf(await load([i]), data!.size),
    }))
  return {
    ...{ kind: name, task: 'classification', classes: data?.classes ?? [], hasDeclaredClasses: true },
    images: data === undefined ? [] : [...of('train', data.train), ...of('test', data.test)],
    division: undefined,
    notices: data === undefined ? [] : [data.title],
  }
}

async function pngOf(planes: Uint8Array, size: number): Promise<Uint8Array> {
  const pixels = new Uint8Array(planes.length)
  const count = size * size
  for (let i = 0; i < count; i++) for (let c = 0; c < 3; c++) pixels[3 * i + c] = planes[c * count + i]!
  return await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
    .png({ compressionLevel: 1 })
    .toBuffer()
}
