import { basename, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import { contentIdentity } from './content-identity.ts'
import {
  type Dataset,
  type Limit,
  type OnProgress,
  type PerChannel,
  type SkippedFile,
  type Split,
  splitInMemory,
  spreadOverClasses,
  subset,
} from './dataset.ts'
import { type ClassFolder, findImages, type ImageTree } from './folder-tree.ts'
import { decodeImage, UnreadableImage } from './image.ts'
import { type SplitName, titleCounts } from './split-names.ts'

/** Options of a folder of images. */
export interface FolderOptions {
  readonly directory: string
  /** Height and width of the resized images, in pixels. Default: 32. */
  readonly size?: number | undefined
  /** Policy for unreadable images: stop with an error (default), or skip and report. */
  readonly unreadable?: 'stop' | 'skip' | undefined
  /** At most this many images of each split, spread evenly over the classes; others are not decoded. */
  readonly limit?: Limit | undefined
  /** Seed of the test split if the folder has none. Default: 0. */
  readonly seed?: number | undefined
  /** Most bytes of decoded pixels kept in memory; beyond it images are decoded on demand. */
  readonly memory?: number
}

/** Share of the files of a class that are for testing where the folder has neither `val/` nor `test/`. */
const testShare = 0.2

/** 1 GiB: 349,525 images of 32×32 or 7,133 of 224×224. */
const usualMemory = 2 ** 30

/** ImageNet's statistics, the usual ones for photographs. */
const mean: PerChannel = [0.485, 0.456, 0.406]
const std: PerChannel = [0.229, 0.224, 0.225]

interface Item {
  readonly path: string
  readonly label: number
  readonly bytes: number
}

/**
 * A folder of JPEG, PNG and WebP images, one folder a class (see `findImages`). Images are decoded once, now, and
 * kept in memory if all fit, so a damaged one is found on opening. Otherwise they are
 * decoded on demand; then, under `stop`, a damaged image is found during training.
 *
 * @throws MoietyError of kind `data`: the folder's shape, an unreadable image under `stop`, a class left empty
 */
export async function openFolder(options: FolderOptions, progress?: OnProgress): Promise<Dataset> {
  const { directory, size = 32, unreadable = 'stop', seed = 0, memory = usualMemory } = options
  checkSize(size)
  const tree = await findImages(directory)
  const folders = tree.train
  const items = itemsOf('train', folders, folders)
  const given = {
    val: tree.val && itemsOf('val', tree.val, folders),
    test: tree.test && itemsOf('test', tree.test, folders),
  }
  const all =
    given.val === undefined && given.test === undefined
      ? { ...splitByFile(items, folders.length, seed), val: undefined }
      : { train: items, ...given }
  const chosen = {
    train: chooseItems(all.train, options.limit?.train),
    val: chooseItems(all.val ?? [], options.limit?.test),
    test: chooseItems(all.test ?? [], options.limit?.test),
  }
  const every = [...chosen.train, ...chosen.val, ...chosen.test]

  const classes = namesOf(folders)
  const superclasses = superclassesOf(folders)
  const superclassOf = superclasses && folders.map(({ superclass }) => superclasses.indexOf(superclass!))
  const labels = Int32Array.from(every, ({ label }) => label)
  const coarse = superclassOf && labels.map(label => superclassOf[label]!)

  const pixelBytes = 3 * size * size
  const bytes = every.length * pixelBytes <= memory ? new Uint8Array(every.length * pixelBytes) : undefined
  const skipped = bytes || unreadable === 'skip' ? await decodeAll(every, options, bytes, progress) : []
  const whole = bytes
    ? splitInMemory({ bytes, stride: pixelBytes, header: 0, size, labels, coarse })
    : splitOnDisk(every, size, labels, coarse)
  const left = new Set(skipped.map(({ path }) => path))
  const part = (from: number, count: number): Split => {
    const places = Uint32Array.from({ length: count }, (_, i) => from + i)
    return subset(
      whole,
      places.filter(i => !left.has(every[i]!.path)),
    )
  }
  const train = part(0, chosen.train.length)
  const val = all.val && part(chosen.train.length, chosen.val.length)
  const test = part(chosen.train.length + chosen.val.length, chosen.test.length)
  const used = { train, val, test }
  const counts = titleCounts({ ...all, test: all.test ?? [] }, options.limit, used)
  checkEnough(used, tree, classes, directory)
  return {
    name: 'folder',
    title: `images of the folder ${basename(resolve(directory))}: ${classes.length} class${classes.length === 1 ? '' : 'es'}, ${counts}`,
    size,
    classes,
    superclasses,
    superclassOf,
    mean,
    std,
    train,
    val,
    test,
    content: await contentIdentity(every),
    skipped: skipped.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    notices: [
      ...[tree.leftOut, tree.alike].filter(each => each !== undefined),
      ...emptyClasses('val', all.val, classes),
      ...emptyClasses('test', all.test, classes),
    ],
  }
}

/** Reports classes without images in a split, regardless of a limit. */
function emptyClasses(
  split: 'val' | 'test',
  items: readonly Item[] | undefined,
  classes: readonly string[],
): readonly string[] {
  if (items === undefined) return []
  if (items.length === 0) return [`the ${split} split has no images and cannot be used for testing`]
  const seen = new Set(items.map(({ label }) => label))
  const empty = classes.filter((_, label) => !seen.has(label))
  if (empty.length === 0) return []
  return [
    `classes without an image in the ${split} split, which are not measured there: ${someOf(empty)} (${empty.length} of ${classes.length})`,
  ]
}

/** The first few of some names. */
function someOf(names: readonly string[]): string {
  return `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`
}

function checkSize(size: number): void {
  if (Number.isInteger(size) && size >= 8 && size <= 1024) return
  fail({
    kind: 'usage',
    message: `expected an image size of 8 … 1024 pixels, got ${size}`,
    where: 'data.size',
    help: '32 suits a network with a CIFAR stem, 224 one with an ImageNet stem',
  })
}

const keyOf = ({ superclass, name }: ClassFolder): string => `${superclass ?? ''}/${name}`

/**
 * The files of `folders`, each labelled by the place of its class among `classes`. A class without files may have any
 * name.
 */
function itemsOf(
  split: SplitName,
  folders: readonly ClassFolder[],
  classes: readonly ClassFolder[],
): readonly Item[] {
  const labels = new Map(classes.map((each, label) => [keyOf(each), label]))
  const unknown = folders.filter(each => each.files.length > 0 && !labels.has(keyOf(each)))
  if (unknown.length > 0) {
    const [first] = unknown
    const alike = classes.find(each => keyOf(each).toLowerCase() === keyOf(first!).toLowerCase())
    fail({
      kind: 'data',
      message: `expected ${split} images of classes that have training images, found ${unknown.length === 1 ? 'the class' : `${unknown.length} classes,`} ${someOf(unknown.map(({ name }) => name))}, which ${unknown.length === 1 ? 'has' : 'have'} none`,
      where: first!.place,
      help:
        alike === undefined
          ? 'every split must hold folders of the same names; move images without a class elsewhere'
          : `in training its name is ${alike.name}: use one name in all splits`,
    })
  }
  return folders.flatMap(folder =>
    folder.files.map((path, i) => ({ path, label: labels.get(keyOf(folder))!, bytes: folder.bytes[i]! })),
  )
}

/** A fifth of the files of every class for testing, at random by `seed`; at least one stays for training. */
function splitByFile(
  items: readonly Item[],
  classes: number,
  seed: number,
): { readonly train: readonly Item[]; readonly test: readonly Item[] } {
  const testing = new Set<Item>()
  const byClass = Array.from({ length: classes }, (): Item[] => [])
  for (const item of items) byClass[item.label]!.push(item)
  for (const [label, own] of byClass.entries()) {
    const order = draws(seed, 'folder split', 0, label).permutation(own.length)
    const count = Math.min(Math.ceil(own.length * testShare), own.length - 1)
    for (const place of order.subarray(0, count)) testing.add(own[place]!)
  }
  return { train: items.filter(item => !testing.has(item)), test: items.filter(item => testing.has(item)) }
}

function chooseItems(items: readonly Item[], limit: number | null | undefined): readonly Item[] {
  if (limit === undefined || limit === null || limit >= items.length) return items
  const labels = Int32Array.from(items, ({ label }) => label)
  return Array.from(spreadOverClasses(labels, limit), place => items[place]!)
}

/** The names of the classes; where two superclasses have a class of one name, with their superclass. */
function namesOf(folders: readonly ClassFolder[]): readonly string[] {
  const count = new Map<string, number>()
  for (const { name } of folders) count.set(name, (count.get(name) ?? 0) + 1)
  return folders.map(({ superclass, name }) => (count.get(name)! > 1 ? `${superclass}/${name}` : name))
}

function superclassesOf(folders: readonly ClassFolder[]): readonly string[] | undefined {
  const names = new Set(folders.map(({ superclass }) => superclass).filter(name => name !== undefined))
  return names.size > 0 ? [...names] : undefined
}

/** Number of images decoded concurrently; the decoder has its own threads. */
const together = 4

/**
 * Decodes every image, into its place of `into` where that is given.
 *
 * @returns the images that could not be read, under `skip`
 */
async function decodeAll(
  items: readonly Item[],
  { size = 32, unreadable = 'stop' }: FolderOptions,
  into: Uint8Array | undefined,
  progress?: OnProgress,
): Promise<readonly SkippedFile[]> {
  const skipped: SkippedFile[] = []
  for (let first = 0; first < items.length; first += together) {
    const group = items.slice(first, first + together)
    const images = await Promise.all(group.map(({ path }) => tryDecode(path, size)))
    for (const [i, image] of images.entries()) {
      if (image instanceof UnreadableImage) {
        if (unreadable === 'stop') stopAt(image)
        skipped.push({ path: image.path, reason: image.reason })
      } else {
        into?.set(image, (first + i) * image.length)
      }
    }
    progress?.({ done: first + group.length, total: items.length, what: 'decoding images' })
  }
  return skipped
}

async function tryDecode(path: string, size: number): Promise<Uint8Array | UnreadableImage> {
  try {
    return await decodeImage(path, size)
  } catch (error) {
    if (error instanceof UnreadableImage) return error
    throw error
  }
}

function stopAt(image: UnreadableImage): never {
  return fail({
    kind: 'data',
    message: `expected an image that can be read, got: ${image.reason}`,
    where: image.path,
    help: 'repair or remove the file, or skip such files with --set data.unreadable=skip',
    cause: image,
  })
}

/** A split that decodes its images on demand. */
function splitOnDisk(
  items: readonly Item[],
  size: number,
  labels: Int32Array,
  coarse: Int32Array | undefined,
): Split {
  const load = async (indices: Uint32Array | readonly number[]): Promise<Uint8Array> => {
    const out = new Uint8Array(indices.length * 3 * size * size)
    const asked = Array.from(indices, index => items[index]!)
    await decodeAll(asked, { directory: '', size, unreadable: 'stop' }, out)
    return out
  }
  return { length: items.length, load, labels, coarse }
}

function checkEnough(
  { train, val, test }: { readonly train: Split; readonly val: Split | undefined; readonly test: Split },
  tree: Pick<ImageTree, 'val' | 'test'>,
  classes: readonly string[],
  directory: string,
): void {
  const empty = classes.findIndex((_, label) => !train.labels.includes(label))
  if (empty < 0 && (val ?? test).length > 0) return
  const given = val === undefined ? tree.test && 'test' : 'val'
  fail({
    kind: 'data',
    message:
      empty >= 0
        ? `expected training images of every class, the class ${classes[empty]} has none that can be used`
        : given === undefined
          ? 'expected images to test on, found too few: every class has one image only'
          : `expected ${given} images to test on, found none that can be used in the ${given} split`,
    where: directory,
    help:
      given === undefined || empty >= 0
        ? 'add images (five or more of each class), or remove the folder of the class; a limit must leave one of each'
        : 'put images into the folders of its classes, or remove the folder of the split',
  })
}
