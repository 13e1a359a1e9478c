import { basename, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import { contentIdentity } from './content-identity.ts'
import {
  type Dataset,
  type Limit,
  type OnProgress,
  type Split,
  spreadOverClasses,
  subset,
} from './dataset.ts'
import { openImages, photographs } from './decoded-images.ts'
import { type ClassFolder, findImages, type ImageTree } from './folder-tree.ts'
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
  const { directory, size = 32, unreadable = 'stop', seed = 0, memory } = options
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

  const paths = every.map(({ path }) => path)
  const { load, skipped } = await openImages(paths, { size, unreadable, memory }, progress)
  const whole: Split = { length: every.length, labels, coarse, load }
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
    ...photographs,
    train,
    val,
    test,
    content: await contentIdentity(every),
    skipped,
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
